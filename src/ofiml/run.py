"""`python -m ofiml.run [group=choice ...] [key=value ...]`: one study, from a config to a logged verdict."""

import os
import sys
from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from ofiml.cli import ending_in_a_sentence
from ofiml.config import load, without_credentials
from ofiml.errors import ConfigError
from ofiml.features.catalogue import chosen


def study(composed: DictConfig) -> None:
    """Types the composed config, then runs, records and shows the study."""
    config = load(composed)
    chosen(config.features.columns)

    from rich.console import Console

    from ofiml.record import record
    from ofiml.tracking import verdict

    folder = Path(HydraConfig.get().runtime.output_dir)
    done = record(config, folder)
    shown = folder.relative_to(Path.cwd()) if folder.is_relative_to(Path.cwd()) else folder
    verdict.show(done.study, shown, done.run_id, Console())


_codes: list[int] = []  # of each job: a sweep goes on after a failed one


@hydra.main(version_base=None, config_path="../../conf", config_name="config")
def job(composed: DictConfig) -> None:
    _codes.append(ending_in_a_sentence(lambda: study(composed)))


def _without_credentials(arguments: list[str]) -> None:
    """Hydra writes what it is given into files: a password may come from the environment only."""
    for argument in arguments:
        key, _, uri = argument.partition("=")
        if key.lstrip("+") == "tracking.uri" and without_credentials(uri.strip("'\"")) != uri.strip("'\""):
            raise ConfigError(
                "tracking.uri holds a credential: give it as MLFLOW_TRACKING_URI, not on the command line."
            )


def main() -> int:
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra then raises what went wrong, instead of printing it and exiting
    code = ending_in_a_sentence(lambda: _without_credentials(sys.argv[1:]))
    return code or max([ending_in_a_sentence(job), *_codes])


if __name__ == "__main__":
    sys.exit(main())
