"""Compose the config of overrides, as Hydra does."""

from pathlib import Path

from omegaconf import DictConfig

from ofiml.overrides.conf import CONF
from ofiml.overrides.installed import register_installed
from ofiml.overrides.text_values import quote_text_values


def compose(overrides: list[str], config_dir: Path | None = None) -> DictConfig:
    """Compose conf/, the folder `config_dir` and the overrides into a mapping, as Hydra does."""
    from hydra import compose as hydra_compose
    from hydra import initialize_config_dir

    register_installed()
    search_path = [] if config_dir is None else [f"hydra.searchpath=['{quote_folder(config_dir)}']"]
    with initialize_config_dir(str(CONF), version_base=None):
        return hydra_compose("config", overrides=[*search_path, *quote_text_values(overrides)])


def quote_folder(folder: Path) -> str:
    """Quote a folder as a URL for Hydra's grammar."""
    return f"file://{folder.absolute()}".replace("'", r"\'")
