"""Choices that installed packages add to config groups."""

from typing import Any

from hydra.core.config_store import ConfigStore

from ofiml.config.model import KINDS
from ofiml.config.registry import Registry
from ofiml.config.strategy import RULES
from ofiml.data.readers import READERS

_REGISTRIES: dict[str, Registry[Any]] = {"dataset": READERS, "model": KINDS, "strategy": RULES}


def list_installed_choices(group: str) -> list[str]:
    """List the names that installed packages declare for a config group."""
    return sorted(_REGISTRIES[group].list_installed()) if group in _REGISTRIES else []


def register_installed() -> None:
    """Register the YAML of each installed choice with Hydra, without importing the package."""
    for group, registry in _REGISTRIES.items():
        for name, values in registry.read_defaults().items():
            ConfigStore.instance().store(name, values, group=group)
