"""Find the installed packages whose plugins a study uses."""

import sys
from importlib.metadata import EntryPoint

from ofiml.config import Features
from ofiml.config import Model as ModelConfig
from ofiml.config.model import KINDS
from ofiml.config.registry import entry_points
from ofiml.config.strategy import RULES
from ofiml.data.readers import READERS
from ofiml.features.installed import GROUP
from ofiml.models.blend import BlendModel


def list_plugin_versions(
    model: ModelConfig, reader: str, features: Features, strategy: str | None = None
) -> dict[str, str]:
    """Map the installed packages that provide the model, the `reader` (a dataset's name), the `strategy` (None without
    a backtest) or a feature of a study to their versions.

    The members of a blend count as models. Nothing is imported.
    """
    members = model.members.values() if isinstance(model, BlendModel) else []
    models, readers = KINDS.list_installed(), READERS.list_installed()
    used = [entry for one in (model, *members) for entry in models.get(one.name, [])]
    used += readers.get(reader, [])
    used += RULES.list_installed().get(strategy, []) if strategy is not None else []
    used += [entry for entry in entry_points(GROUP) if _provides_feature(entry, features.columns)]
    return {entry.dist.name: entry.dist.version for entry in used if entry.dist is not None}


def _provides_feature(entry: EntryPoint, columns: list[str]) -> bool:
    """Return whether a family has one of the columns. A study has imported every family that it uses."""
    return entry.module in sys.modules and any(feature.name in columns for feature in entry.load().ENTRIES)
