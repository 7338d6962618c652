"""A resolved config in a file, as a study writes it: values only. Such files come from strangers."""

from dataclasses import fields
from pathlib import Path
from typing import Any

import yaml

from ofiml.config.load import describe_unknown_key
from ofiml.config.renamed import rename_config
from ofiml.config.schema import Config
from ofiml.errors import ConfigError


class PlainLoader(yaml.SafeLoader):
    """YAML that makes no objects, and takes no aliases: our files have none, and nested ones blow up."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("aliases are not allowed")
        return super().compose_node(parent, index)


def read(path: Path) -> dict[str, Any]:
    """The mapping that the file holds, with today's keys, not yet typed. Raises ConfigError for what no study writes:
    keys of no config (Hydra would build objects of some), interpolations (which read the environment), no YAML.
    """
    try:
        raw = yaml.load(path.read_text(), Loader=PlainLoader)  # noqa: S506
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}.") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ConfigError(f"{path} cannot be read: {' '.join(str(error).split())}.") from error
    if not isinstance(raw, dict):
        raise ConfigError(f"{path} is not the config of a study.")
    if "${" in repr(raw):
        raise ConfigError(f"{path} contains an interpolation (${{…}}): replace it by its value.")
    for key in raw:
        if key not in {f.name for f in fields(Config)}:
            raise ConfigError(f"{path}: {describe_unknown_key(str(key))}")
    return rename_config(raw)
