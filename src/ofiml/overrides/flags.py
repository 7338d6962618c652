"""The flags of `ofiml run`, which stand among the overrides. Most are Hydra's."""

from collections.abc import Sequence
from dataclasses import fields

from ofiml.config import Config
from ofiml.errors import ConfigError

SWEEP = ("-m", "--multirun")
CONFIG_DIR = ("--config-dir", "-cd")
CONFIG_FILE = ("--config",)
CONFIG_NAME = ("--config-name", "-cn")  # what --config becomes
WITH_VALUE = (*CONFIG_DIR, *CONFIG_NAME)
_SHOW, _PACKAGE = ("--cfg", "-c"), ("--package", "-p")
_PARTS = ("job", "hydra", "all")  # of a config that --cfg shows
_TAKING_VALUES = (*CONFIG_DIR, *CONFIG_FILE, *_SHOW, *_PACKAGE)


def check_flags(arguments: Sequence[str]) -> None:
    """Raise ConfigError for a flag that `ofiml run` does not take, and for a wrong value of one.

    Hydra has more, and takes the beginning of a flag for the flag. One of them runs the code in a file.
    """
    rest = list(arguments)
    while rest:
        argument = rest.pop(0)
        flag, equals, value = argument.partition("=")
        if not flag.startswith("-"):
            continue
        if flag in _TAKING_VALUES:
            _check_value(flag, value if equals else "".join(rest[:1]))
            rest = rest if equals else rest[1:]
        elif argument not in (*SWEEP, "--resolve", "--help", "-h"):
            raise ConfigError(
                f"{flag} is no option here. The options are -m, --config FILE, --config-dir FOLDER, "
                "--cfg job with --package GROUP, and --help; all else is group=choice or key=value."
            )


def _check_value(flag: str, value: str) -> None:
    if flag in _SHOW and value not in _PARTS:
        raise ConfigError(f"{flag} {value}: write --cfg job, which prints the settings of a run.")
    group = value.partition(".")[0]
    if flag in _PACKAGE and group not in ("hydra", *(f.name for f in fields(Config))):
        raise ConfigError(f"{flag} {value}: the config has no group {group or 'without a name'}.")


def split_flags(arguments: Sequence[str]) -> tuple[str, list[str]]:
    """Split arguments without `sweep.…` into the name of the config and the overrides."""
    name, overrides, rest = "config", [], list(arguments)
    while rest:
        argument = rest.pop(0)
        flag, equals, value = argument.partition("=")
        if flag in WITH_VALUE:
            value = value if equals else "".join(rest[:1])
            rest = rest if equals else rest[1:]
            name = value if flag in CONFIG_NAME else name
        elif argument not in SWEEP:
            overrides.append(argument)
    return name, overrides
