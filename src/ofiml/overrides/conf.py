"""The folders of config groups and their choices: the package's own and the user's."""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from ofiml.config import defaults
from ofiml.errors import ConfigError
from ofiml.overrides.flags import read_line
from ofiml.overrides.installed import list_installed_choices

CONF = defaults.CONF


def list_folders(arguments: Sequence[str] = ()) -> list[Path]:
    """List the folders of choices: `CONF`, then the `--config-dir` of a command line, if there is one.

    Raises ConfigError if the latter is not a folder.
    """
    own = read_line(arguments).config_dir
    return [CONF] if own is None else [CONF, check_folder(own)]


def check_folder(name: str) -> Path:
    """Return the value of `--config-dir` as a path.

    Raises ConfigError if it is not a folder, and if one of its choices would change one of `CONF`: Hydra would read the
    file there, and not the user's.
    """
    folder = Path(name)
    if not name or not folder.is_dir():
        raise ConfigError(
            f"--config-dir {name}: no such folder. Give a folder with one subfolder per group and one YAML per choice."
        )
    for path in sorted(folder.glob("*/*.yaml")):
        own = CONF / path.relative_to(folder)
        if own.is_file() and own.read_bytes() != path.read_bytes():
            group, choice = path.parent.name, path.stem
            raise ConfigError(
                f"{path} would not be read, as {group}={choice} is a choice already: rename it, such as "
                f"{group}/my_{choice}.yaml."
            )
    return folder


def is_group(name: str, conf_folders: Iterable[Path] = (CONF,)) -> bool:
    """Return whether one of the folders has a config group of this name."""
    return name.isidentifier() and any((folder / name).is_dir() for folder in conf_folders)


def list_choices(group: str, conf_folders: Iterable[Path] = (CONF,)) -> list[str]:
    """List the choices of a config group in all folders and installed packages, numbers in ascending order.

    A file whose name starts with _ is what its group's choices share, and no choice.
    """
    files = {path.stem for folder in conf_folders for path in (folder / group).glob("*.yaml")}
    names = {name for name in files if not name.startswith("_")} | set(list_installed_choices(group))
    return sorted(names, key=lambda name: (int("".join(re.findall(r"^\d+", name)) or 0), name))
