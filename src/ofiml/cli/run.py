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
from ofiml.cli.config_file import taken
from ofiml.cli.exits import (
    INTERRUPTED,
    TERMINATED,
    ending_in_a_sentence,
    terminable,
)
from ofiml.cli.installed import register_installed
from ofiml.cli.overrides import check, check_effect
from ofiml.config import load


def study(composed: DictConfig) -> None:
    """Validate the composed config, run the study, log it and print its verdict."""
    from ofiml.features.catalogue import chosen  # raises ConfigError for an installed family that cannot be loaded

    config = load(composed)
    check_effect(list(HydraConfig.get().overrides.task), config)
    chosen(config.features.columns)

    from rich.console import Console

    from ofiml.reporting import verdict
    from ofiml.tracking.record import record

    folder = Path(HydraConfig.get().runtime.output_dir)
    done = record(config, folder)
    shown = folder.relative_to(Path.cwd()) if folder.is_relative_to(Path.cwd()) else folder
    verdict.show(done.study, shown, done.run_id, Console())


_codes: list[int] = []  # of each job: a sweep goes on after a failed one, not after an interrupted one


@hydra.main(version_base=None, config_path=str(CONF), config_name="config")
def job(composed: DictConfig) -> None:
    _codes.append(ending_in_a_sentence(lambda: study(composed)))
    folder = Path(HydraConfig.get().runtime.output_dir)
    if _codes[-1] and not any(folder.iterdir()):
        folder.rmdir()  # Hydra creates it before the study has anything to write
    if _codes[-1] in (INTERRUPTED, TERMINATED):
        sys.exit(_codes[-1])  # and with it the sweep, if this is one


def _arguments() -> None:
    check(sys.argv[1:])
    register_installed()
    sys.argv[1:] = taken(sys.argv[1:])


def main() -> int:
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra then raises errors instead of printing them
    code = ending_in_a_sentence(_arguments)
    with terminable():
        return code or max([ending_in_a_sentence(job), *_codes])


if __name__ == "__main__":
    sys.exit(main())
