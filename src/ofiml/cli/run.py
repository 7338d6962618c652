"""`ofiml run [group=choice ...] [key=value ...]`: run a study and log its verdict.

`ofiml run --config FILE [key=value ...]` starts from the resolved config of an earlier study.
"""

import os
import sys
from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from ofiml.cli.conf import CONF
from ofiml.cli.config_file import translate_config_flag
from ofiml.cli.exits import (
    INTERRUPTED,
    TERMINATED,
    handle_sigterm,
    run_command,
)
from ofiml.cli.installed import register_installed
from ofiml.cli.overrides import check_arguments, check_effect
from ofiml.cli.text_values import quote_text_values
from ofiml.config import FileDataset, load


def run_study(composed: DictConfig) -> None:
    """Validate the composed config, run the study, log it and print its verdict."""
    config = load(composed)
    check_effect(list(HydraConfig.get().overrides.task), config)

    from ofiml.features.catalogue import select_features

    select_features(config.features.columns)  # raises ConfigError for an installed family that cannot be loaded
    if isinstance(config.dataset, FileDataset):
        from ofiml.data.inputs import group_inputs

        group_inputs(config.dataset)  # raises DataError for missing files, before the heavy imports

    from rich.console import Console

    from ofiml.reporting import verdict
    from ofiml.tracking.record import record_study

    folder = Path(HydraConfig.get().runtime.output_dir)
    record = record_study(config, folder, overrides=list(HydraConfig.get().overrides.task))
    shown = folder.relative_to(Path.cwd()) if folder.is_relative_to(Path.cwd()) else folder
    verdict.print_verdict(record.study, shown, record.run_id, Console())


_codes: list[int] = []  # one exit code per job: a sweep goes on after a failed job, not after an interrupted one


@hydra.main(version_base=None, config_path=str(CONF), config_name="config")
def job(composed: DictConfig) -> None:
    """Run one study of the command line, or of its sweep, and keep the exit code."""
    _codes.append(run_command(lambda: run_study(composed)))
    folder = Path(HydraConfig.get().runtime.output_dir)
    if _codes[-1] and not any(folder.iterdir()):
        folder.rmdir()  # Hydra creates it before the study has anything to write
    if _codes[-1] in (INTERRUPTED, TERMINATED):
        sys.exit(_codes[-1])  # also ends a sweep


def _prepare_arguments() -> None:
    check_arguments(sys.argv[1:])
    register_installed()
    sys.argv[1:] = translate_config_flag(quote_text_values(sys.argv[1:]))


def main() -> int:
    """Run the study of the command line, or one per combination of choices, and return the highest exit code."""
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra then raises errors instead of printing them
    code = run_command(_prepare_arguments)
    with handle_sigterm():
        return code or max([run_command(job), *_codes])


if __name__ == "__main__":
    sys.exit(main())
