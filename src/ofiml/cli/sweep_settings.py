"""The part of a command line that concerns a sweep as a whole."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ofiml.errors import ConfigError
from ofiml.overrides.flags import SWEEP

REMEDY = "Run the same command with sweep.resume=true to continue."
_PREFIX = "sweep."


@dataclass(frozen=True, slots=True)
class SweepSettings:
    """The keys `sweep.…` of a command line: draw `trials` samples with `seed`; `resume` an interrupted sweep."""

    resume: bool = False
    trials: int | None = None
    seed: int = 7


def split_settings(arguments: Sequence[str]) -> tuple[SweepSettings, list[str]]:
    """Split a command line into the settings of its sweep and the other arguments.

    Raises ConfigError for an unknown key, a wrong value, and a key without -m.
    """
    settings, rest = SweepSettings(), []
    for argument in arguments:
        key, _, value = argument.partition("=")
        name = key.removeprefix(_PREFIX)
        if name == key:
            rest.append(argument)
        elif not any(flag in arguments for flag in SWEEP):
            raise ConfigError(f"{argument} is a setting of a sweep: add -m.")
        elif name == "resume" and value in ("true", "false"):
            settings = replace(settings, resume=value == "true")
        elif name in ("trials", "seed") and value.isascii() and value.isdigit() and len(value) < 5:
            number = int(value)
            settings = replace(settings, trials=number) if name == "trials" else replace(settings, seed=number)
        else:
            raise ConfigError(f"{argument}: write sweep.resume=true, sweep.trials=50 or sweep.seed=7.")
    if settings.trials == 0:
        raise ConfigError("sweep.trials=0 draws nothing: leave it out to run every combination.")
    return settings, rest
