"""Hydra's flags on a command line, which stand among the overrides."""

from collections.abc import Sequence

SWEEP = ("-m", "--multirun")
CONFIG_DIR = ("--config-dir", "-cd")
CONFIG_NAME = ("--config-name", "-cn")
WITH_VALUE = (*CONFIG_DIR, *CONFIG_NAME)


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
