"""Read a resolved config, as a study writes it: values only. Such a file may come from a stranger."""

from dataclasses import fields
from pathlib import Path
from typing import Any

import yaml

from ofiml.config.load import describe_unknown_key
from ofiml.config.renamed import update_config
from ofiml.config.schema import Config
from ofiml.errors import ConfigError


class PlainLoader(yaml.SafeLoader):
    """YAML without objects and aliases. Our files have no aliases, and nested ones can exhaust memory."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("aliases are not allowed")
        return super().compose_node(parent, index)


#: Lists of text. YAML reads some symbols as other types: TRUE, NO, 0700, 1E5.
_TEXT_LISTS = (("dataset", "symbols"), ("features", "cross"))


def parse_plain_yaml(text: str) -> Any:
    """Parse YAML of plain values, in which symbols are text even without quotes. Raises yaml.YAMLError."""
    loader = PlainLoader(text)
    try:
        root = loader.get_single_node()
        for keys in _TEXT_LISTS:
            node = root
            for key in keys:
                node = _find_value(node, key)
            for item in node.value if isinstance(node, yaml.SequenceNode) else []:
                if isinstance(item, yaml.ScalarNode):
                    item.tag = "tag:yaml.org,2002:str"
        return None if root is None else loader.construct_document(root)
    finally:
        loader.dispose()


def _find_value(node: yaml.Node | None, key: str) -> yaml.Node | None:
    """Find the value of a key in a mapping; None if there is none."""
    pairs = node.value if isinstance(node, yaml.MappingNode) else []
    return next((value for name, value in pairs if name.value == key), None)


def read_plain_config(path: Path) -> dict[str, Any]:
    """Read the mapping in the file, with current key names, not yet typed.

    Raises ConfigError for anything that no study writes: text that is not YAML, unknown keys (Hydra builds objects from
    some), and interpolations (which read the environment).
    """
    try:
        raw = parse_plain_yaml(path.read_text())
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
    return update_config(raw)
