"""`ofiml run [group=choice ...] [key=value ...]`: run a study and log its verdict.

`ofiml run --config FILE [key=value ...]` starts from the resolved config of an earlier study.
"""

import sys
from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from ofiml.cli import interrupts
from ofiml.cli.config_file import list_overrides, translate_config_flag
from ofiml.cli.exits import UNLOGGED, report_error, run_command
from ofiml.cli.garbage import collect_rarely, load_without_collecting
from ofiml.cli.run_help import format_help, is_help
from ofiml.cli.sweep_settings import REMEDY, SweepSettings, split_settings
from ofiml.config import load
from ofiml.overrides.arguments import check_arguments, check_inputs, check_tuned
from ofiml.overrides.composition import open_hydra
from ofiml.overrides.flags import Line, read_line
from ofiml.overrides.signs import check_removals
from ofiml.overrides.text_values import quote_text_values

_TUNED_REMEDY = "Run the same command to continue: finished tuning trials are not repeated."


def run_study(composed: DictConfig) -> int:
    """Validate the composed config, run the study, log it, print its verdict, and return the exit code."""
    config = load(composed)
    hydra_config = HydraConfig.get()
    typed = list(hydra_config.overrides.task)
    check_inputs(typed, config)
    check_tuned(typed, config)

    with load_without_collecting():
        from ofiml.reporting import verdict
        from ofiml.tracking.record import load_libraries, record_study
        from ofiml.ui.lines import open_console

        load_libraries(config.tracking, tunes=config.tuning.enabled)
    folder = Path(hydra_config.runtime.output_dir)
    overrides = list_overrides(typed, hydra_config.job.config_name, config)
    record = record_study(config, folder, overrides=overrides)
    shown = folder.relative_to(Path.cwd()) if folder.is_relative_to(Path.cwd()) else folder
    verdict.print_verdict(record.study, shown, record.run_id, open_console())
    if record.unlogged:
        sys.stderr.write(f"ofiml: {record.unlogged}\n")
    return UNLOGGED if record.unlogged else 0


def run_once(line: Line) -> int:
    """Run the study of a checked command line, or print what its `--cfg` asks for; return the exit code."""
    with open_hydra(line.config_dir) as (hydra, search_path):
        overrides = [*search_path, *line.overrides]
        if line.shown is not None:
            hydra.show_cfg(line.config_name, overrides, line.shown, line.package, line.resolve)
            return 0
        done = hydra.run(line.config_name, _run_job, overrides)
    code: int = done.return_value
    return code


def _run_job(composed: DictConfig) -> int:
    """Run the study of a composed config in the folder that Hydra made, and return the exit code."""
    code = run_command(lambda: run_study(composed), remedy=choose_remedy(composed))
    if code:
        _remove_empty(Path(HydraConfig.get().runtime.output_dir))
    return code


def _remove_empty(folder: Path) -> None:
    """Remove the folder, and those above it in the working folder, as far as they are empty.

    Hydra creates them before the study has anything to write.
    """
    for place in (folder, *folder.parents):
        if place == Path.cwd() or any(place.iterdir()):
            return
        place.rmdir()
        if not place.parent.is_relative_to(Path.cwd()):
            return


def choose_remedy(composed: DictConfig) -> str:
    """Choose what to do after an interrupt of a study: with tuning, the same command continues it."""
    return _TUNED_REMEDY if OmegaConf.select(composed, "tuning.enabled") is True else interrupts.REMEDY


def _print_help() -> None:
    sys.stdout.write(format_help(sys.argv[1:]))


def _read_line() -> tuple[SweepSettings, Line]:
    """Check the command line and read it. Raises ConfigError."""
    settings, arguments = split_settings(sys.argv[1:])
    check_arguments(arguments)
    check_removals(arguments)
    return settings, read_line(translate_config_flag(quote_text_values(arguments)))


def main() -> int:
    """Run the study of the command line, or a sweep of one per combination of choices, and return the exit code."""
    if is_help(sys.argv[1:]):
        return run_command(_print_help)
    try:  # not `run_command`: until the study begins there is nothing to close, and an interrupt ends the process
        with collect_rarely():
            settings, line = _read_line()
            if not line.sweeps:
                return run_once(line)
    except Exception as error:
        code = report_error(error)
        if code is None:
            raise
        return code
    from ofiml.cli.sweep import run_sweep

    return run_command(lambda: run_sweep(line, settings), remedy=REMEDY)
