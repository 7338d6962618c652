"""`ofiml run [group=choice ...] [key=value ...]`: run a study and log its verdict.

`ofiml run --config FILE [key=value ...]` starts from the resolved config of an earlier study.
"""

import os
import sys
from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from ofiml.cli import exits
from ofiml.cli.config_file import list_overrides, translate_config_flag
from ofiml.cli.exits import (
    INTERRUPTED,
    TERMINATED,
    UNLOGGED,
    handle_sigterm,
    run_command,
)
from ofiml.cli.garbage import load_without_collecting
from ofiml.cli.run_help import format_help, is_help
from ofiml.cli.sweep_settings import REMEDY, SweepSettings, is_sweep, split_settings
from ofiml.config import load
from ofiml.overrides.arguments import check_arguments, check_inputs, check_tuned
from ofiml.overrides.conf import CONF
from ofiml.overrides.installed import register_installed
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
        from rich.console import Console

        from ofiml.reporting import verdict
        from ofiml.tracking.record import load_libraries, record_study

        load_libraries(config.tracking, tunes=config.tuning.enabled)
    folder = Path(hydra_config.runtime.output_dir)
    overrides = list_overrides(typed, hydra_config.job.config_name, config)
    record = record_study(config, folder, overrides=overrides)
    shown = folder.relative_to(Path.cwd()) if folder.is_relative_to(Path.cwd()) else folder
    verdict.print_verdict(record.study, shown, record.run_id, Console())
    if record.unlogged:
        sys.stderr.write(f"ofiml: {record.unlogged}\n")
    return UNLOGGED if record.unlogged else 0


_codes: list[int] = []  # one exit code per job: a sweep goes on after a failed job, not after an interrupted one


@hydra.main(version_base=None, config_path=str(CONF), config_name="config")
def job(composed: DictConfig) -> None:
    """Run one study of the command line, or of its sweep, and keep the exit code."""
    _codes.append(run_command(lambda: run_study(composed), remedy=choose_remedy(composed)))
    folder = Path(HydraConfig.get().runtime.output_dir)
    if _codes[-1]:
        _remove_empty(folder)
    if _codes[-1] in (INTERRUPTED, TERMINATED):
        sys.exit(_codes[-1])  # also ends a sweep


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
    return _TUNED_REMEDY if OmegaConf.select(composed, "tuning.enabled") is True else exits.REMEDY


def _print_help() -> None:
    sys.stdout.write(format_help(sys.argv[1:]))


def _prepare_arguments() -> SweepSettings:
    settings, sys.argv[1:] = split_settings(sys.argv[1:])
    check_arguments(sys.argv[1:])
    check_removals(sys.argv[1:])
    register_installed()
    sys.argv[1:] = translate_config_flag(quote_text_values(sys.argv[1:]))
    return settings


def main() -> int:
    """Run the study of the command line, or a sweep of one per combination of choices, and return the exit code."""
    if is_help(sys.argv[1:]):
        return run_command(_print_help)
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra then raises errors instead of printing them
    settings: list[SweepSettings] = []
    code = run_command(lambda: settings.append(_prepare_arguments()))
    with handle_sigterm():
        if code:
            return code
        if is_sweep(sys.argv[1:]):
            from ofiml.cli.sweep import run_sweep

            return run_command(lambda: run_sweep(sys.argv[1:], *settings), remedy=REMEDY)
        return max([run_command(job), *_codes])


if __name__ == "__main__":
    sys.exit(main())
