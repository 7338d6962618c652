"""Compose the config of overrides, as Hydra does."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from hydra.errors import HydraException, OverrideParseException
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from ofiml.config import describe_unknown_key
from ofiml.errors import ConfigError
from ofiml.overrides.conf import CONF
from ofiml.overrides.installed import register_installed
from ofiml.overrides.text_values import quote_text_values

if TYPE_CHECKING:
    from hydra._internal.hydra import Hydra


@contextmanager
def open_hydra(config_dir: str | Path | None = None) -> Iterator[tuple["Hydra", list[str]]]:
    """Open Hydra on conf/ and installed choices; give it, and the overrides that add the folder `config_dir`."""
    from hydra import initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra

    register_installed()
    search_path = [] if config_dir is None else [f"hydra.searchpath=['{_quote_folder(Path(config_dir))}']"]
    with initialize_config_dir(str(CONF), version_base=None, job_name="ofiml"):
        hydra = GlobalHydra.instance().hydra
        assert hydra is not None
        yield hydra, search_path


def compose(overrides: list[str], config_dir: Path | None = None) -> DictConfig:
    """Compose conf/, the folder `config_dir` and the overrides into a mapping, as Hydra does.

    Raises ConfigError where Hydra raises an error.
    """
    from hydra import compose as hydra_compose

    try:
        with open_hydra(config_dir) as (_, search_path):
            return hydra_compose("config", overrides=[*search_path, *quote_text_values(overrides)])
    except (HydraException, OmegaConfBaseException) as error:
        raise ConfigError(describe_composition(error)) from error


def describe_composition(error: Exception) -> str:
    """Describe an error of Hydra in one line, without its internals."""
    if isinstance(error, OverrideParseException):
        return (
            f"Cannot read {error.override!r}: write group=choice or key=value, with quotes around special characters."
        )
    text = str(error).partition("Config search path")[0]
    if values := re.match(r"Ambiguous value for argument '(.*)'$", text, re.MULTILINE):
        return f"{values[1]} has several values: add -m for one run of each, or write brackets around a list."
    if item := re.search(r"Could not delete from config\. '?(.*?)'? does not exist", text):
        return f"~{item[1]}: the config has no {item[1]}; leave ~{item[1]} out."
    if choice := re.search(r"Could not find '(hydra/\w+)/(.*?)'\s+Available options in '.*?':\s+(.*)", text, re.DOTALL):
        return f"{choice[1]}={choice[2]} is not a choice; {choice[1]} is one of {', '.join(choice[3].split())}."
    key = re.search(r"full_key: (\S+)", text + str(error.__cause__ or ""))
    if key and key[1].startswith("hydra."):
        is_unknown = "Could not override" in text
        return f"Unknown key {key[1]}." if is_unknown else f"{key[1]}: Hydra does not take this value."
    if key:
        return describe_unknown_key(key[1])
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return " ".join(lines).removeprefix("In 'config': ") or type(error).__name__


def _quote_folder(folder: Path) -> str:
    """Quote a folder as a URL for Hydra's grammar."""
    return f"file://{folder.absolute()}".replace("'", r"\'")
