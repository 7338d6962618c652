"""The folders that hold config groups and their choices: that of the package and one of the user."""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from ofiml.cli.installed import installed_choices
from ofiml.errors import ConfigError

_PACKAGE = Path(__file__).parents[1] / "conf"  # inside a wheel
_REPOSITORY = Path(__file__).parents[3] / "conf"

#: The folder of `config.yaml`: the one that was installed with the package, else the repository's.
CONF = _PACKAGE if _PACKAGE.is_dir() else _REPOSITORY

_FLAGS = ("--config-dir", "-cd")  # Hydra's names


def folders(arguments: Sequence[str] = ()) -> list[Path]:
    """List the folders that hold choices: `CONF`, then the `--config-dir` of a command line, if given.

    Raises ConfigError if the latter is not a folder.
    """
    return [CONF, *(user_folder(name) for name in _values(arguments))]


def user_folder(name: str) -> Path:
    """Check a value of `--config-dir`. Raises ConfigError if it is not a folder."""
    if not name or not Path(name).is_dir():
        raise ConfigError(
            f"--config-dir {name}: no such folder. Give a folder with one subfolder per group and one YAML per choice."
        )
    return Path(name)


def is_group(name: str, among: Iterable[Path] = (CONF,)) -> bool:
    """Return whether one of the folders has a config group of this name."""
    return name.isidentifier() and any((folder / name).is_dir() for folder in among)


def choices(group: str, among: Iterable[Path] = (CONF,)) -> list[str]:
    """List the choices of a config group in all folders and installed packages, numbers in ascending order."""
    names = {path.stem for folder in among for path in (folder / group).glob("*.yaml")} | set(installed_choices(group))
    return sorted(names, key=lambda name: (int("".join(re.findall(r"^\d+", name)) or 0), name))


def _values(arguments: Sequence[str]) -> list[str]:
    """The value of `--config-dir`, written with a space or with `=`; Hydra reads the last."""
    values = []
    for i, argument in enumerate(arguments):
        flag, equals, value = argument.partition("=")
        if flag in _FLAGS:
            values.append(value if equals else "".join(arguments[i + 1 : i + 2]))
    return values[-1:]
