"""The choices of conf/, with the comments beside their keys, for the config reference."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import yaml

from ofiml.config import SCHEMAS
from ofiml.overrides.conf import CONF

WHOLE = ("space", "members", "instruments")  # mappings that are one key each
ROWS = ("policy", "columns")  # mappings that have a row of their own above those of their keys


@dataclass(frozen=True, slots=True)
class Entry:
    """A key of a YAML file, with its value and the comment beside it."""

    key: str
    value: Any
    comment: str


def read_head(text: str) -> str:
    """Return the comment at the top of a YAML file, line by line."""
    lines = []
    for line in text.splitlines():
        if not line.startswith("#"):
            break
        lines += [] if line.startswith("# @package") else [line.lstrip("# ").strip()]
    return "\n".join(lines)


def read_entries(text: str) -> list[Entry]:
    """List the keys of a YAML file in order; the keys of nested mappings are dotted."""
    node = yaml.compose(text, yaml.SafeLoader)
    lines = text.splitlines()
    return list(_walk(node, lines, "")) if isinstance(node, yaml.MappingNode) else []


def _walk(node: yaml.MappingNode, lines: list[str], prefix: str) -> Iterator[Entry]:
    for key, value in node.value:
        name = prefix + key.value
        if name in ("defaults", "hydra"):
            continue
        nested = isinstance(value, yaml.MappingNode) and value.value and key.value not in WHOLE
        if not nested or name in ROWS:
            constructed = yaml.SafeLoader("").construct_document(value)
            yield Entry(name, {} if nested else constructed, _read_comment(lines, key.start_mark.line))
        if nested:
            yield from _walk(value, lines, f"{name}.")


def _read_comment(lines: list[str], row: int) -> str:
    """Return the comment beside a key; comment lines below it that are indented further continue it."""
    match = re.search(r"(?:^|\s)#\s+(.*)$", lines[row])
    if match is None:
        return ""
    parts = [match[1]]
    for line in lines[row + 1 :]:
        indent = len(line) - len(line.lstrip())
        if not line.lstrip().startswith("#") or indent < 20:
            break
        parts.append(line.strip("# "))
    return " ".join(parts)


@dataclass(frozen=True, slots=True)
class Choice:
    """A file of a config group: its comment, the choices that it builds on, and its own keys."""

    group: str
    name: str
    head: str
    parents: tuple[str, ...]
    entries: tuple[Entry, ...]

    @property
    def schema(self) -> type | None:
        """The class that checks the choice; None for a group that sets keys of other groups."""
        schema = SCHEMAS.get(self.group)
        if isinstance(schema, type) or schema is None:
            return schema
        names = [entry.value for entry in self.entries if entry.key == "name"]
        return schema[names[0]] if names else None


@cache
def read_choice(group: str, name: str) -> Choice:
    """Read a choice from its file in conf/."""
    text = (CONF / group / f"{name}.yaml").read_text(encoding="utf-8")
    data = yaml.safe_load(text) or {}
    parents = tuple(p for p in data.get("defaults", []) if isinstance(p, str) and p != "_self_")
    return Choice(group, name, read_head(text).replace("\n", " "), parents, tuple(read_entries(text)))


def list_ancestors(choice: Choice) -> list[Choice]:
    """List the choices that a choice builds on, directly or not, nearest first; packaged ones (`x@y`) do not count."""
    near = [read_choice(choice.group, name) for name in choice.parents if "@" not in name]
    return near + [far for one in near for far in list_ancestors(one)]
