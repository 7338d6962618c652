"""The help of `ofiml run`: the template of conf/config.yaml with the groups and choices that one can write."""

from collections.abc import Sequence

import yaml

from ofiml.overrides.conf import CONF, list_choices, list_folders

_GROUPS = "$APP_CONFIG_GROUPS"  # Hydra's name for the place of the list


def is_help(arguments: Sequence[str]) -> bool:
    """Return whether a command line asks for the help."""
    return any(argument in ("--help", "-h") for argument in arguments)


def format_help(arguments: Sequence[str]) -> str:
    """Format the help, with the choices of the user's folder and of installed packages.

    Hydra's own list has the files that choices share, and groups inside of groups. Raises ConfigError for a folder that
    does not exist.
    """
    folders = list_folders(arguments)
    groups = sorted({path.name for folder in folders for path in folder.iterdir() if path.is_dir()})
    choices = [(group, list_choices(group, folders)) for group in groups if group.isidentifier()]
    lines = [f"{group}: {', '.join(names)}\n" for group, names in choices if names]
    template: str = yaml.safe_load((CONF / "config.yaml").read_text())["hydra"]["help"]["template"]
    return template.replace(_GROUPS, "".join(lines)) + "\n"
