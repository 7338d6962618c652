"""Quote the values of text keys for Hydra's grammar, which reads `TRUE`, `0700` and `[2024]` as other types.

A value of `dataset.path`, `dataset.symbols` and the like is text, whatever it looks like. Hydra's own syntax still
works in it: quotes, `null`, `${…}`, and with -m several values with commas.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from itertools import chain
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, Quote, QuotedString
from hydra.errors import HydraException

from ofiml.config import SCHEMAS, FileDataset
from ofiml.config.bounds import strip_bounds

_GROUPS = ("dataset", "features", "tracking", "tuning")  # those with names and paths of the user's own
_QUOTES = ("'", '"')
_OPEN_MAPPINGS = ("dataset.instruments",)  # with names of the user's own; Hydra adds an item only after a +


def quote_text_values(arguments: Sequence[str]) -> list[str]:
    """Return the arguments of a command with quotes around text that Hydra would read as another type, or not at all.

    The path of an existing file or folder is quoted in any case, so that nothing in it is syntax. Items are added to a
    mapping with names of the user's own, whether or not a + says so.
    """
    sweep = any(a in ("-m", "--multirun") for a in arguments)
    pairs = [argument.partition("=") for argument in arguments]
    names = {group: name for group, equals, name in pairs if equals and group in _GROUPS}
    return [_quote_argument(argument, names, sweep=sweep) for argument in arguments]


def parse_override(override: str) -> Override:
    """Parse an override whose text values are quoted. Raises HydraException for one that cannot be read."""
    return OverridesParser.create().parse_override(override)


def _quote_argument(argument: str, names: Mapping[str, str], *, sweep: bool) -> str:
    key, equals, value = argument.partition("=")
    if key in _OPEN_MAPPINGS and value.startswith("{"):
        return f"+{argument}"
    path = key.lstrip("+")
    kind = _find_type(path, names) if equals and not path.startswith("~") else None
    if kind is None or value == "":
        return argument
    if path == "dataset.path" and (value.strip() == value or not sweep) and Path(value).exists():
        return f"{key}={quote_text(value)}"
    if sweep and _is_call(value):
        return argument
    parts = _split_outside(value) if sweep else [value]
    quote = _quote_list if kind in (list[str], list[str] | None) else _quote_scalar
    return f"{key}={','.join(quote(part) for part in parts)}"


def _find_type(path: str, names: Mapping[str, str]) -> Any:
    """Find the type of a key if its values are text, or lists of text; return None for other keys."""
    group, _, key = path.partition(".")
    if group not in _GROUPS:
        return None
    name, _, item = key.partition(".")
    if item:
        return str if path.startswith("dataset.columns.") else None
    kind = next((kinds[name] for kinds in _list_types(group, names.get(group, "")) if name in kinds), None)
    return kind if kind in (str, str | None, list[str], list[str] | None) else None


def _list_types(group: str, choice: str) -> Iterator[dict[str, Any]]:
    """Yield the types of the keys of a group: those of the choice, or of every schema if the choice is a preset."""
    schema: Any = SCHEMAS[group]
    schemas: Iterable[Any] = [schema]
    if isinstance(schema, Mapping):
        schemas = [schema[choice]] if choice in schema else chain([FileDataset], _list_schemas(schema))
    for one in schemas:
        yield {f.name: strip_bounds(f) for f in fields(one)}


def _list_schemas(schemas: Mapping[str, Any]) -> Iterator[Any]:
    yield from schemas.values()  # loads every reader, so only if FileDataset does not have the key


def _quote_list(value: str) -> str:
    if value.strip().lower() == "null" or value.strip().startswith("${"):
        return value
    if not (value.startswith("[") and value.endswith("]")):
        return _quote_scalar(value)
    items = [item.strip() for item in _split_outside(value[1:-1])]
    return f"[{','.join(_quote_scalar(item, may_be_null=False) for item in items)}]" if items != [""] else value


def _quote_scalar(value: str, *, may_be_null: bool = True) -> str:
    if len(value) > 1 and value[0] in _QUOTES and value[-1] == value[0]:
        return value
    if value.lower() == "null":
        return value if may_be_null else quote_text(value)
    try:
        read = parse_override(f"key={value}")
    except HydraException:
        return quote_text(value)
    return value if isinstance(read.value(), str) and not read.is_sweep_override() else quote_text(value)


def quote_text(text: str) -> str:
    """Quote a text, so that nothing in it is syntax of an override."""
    return QuotedString(text, Quote.single).with_quotes()


def _is_call(value: str) -> bool:
    """Return whether the value is a function of Hydra's sweeps, such as choice(a,b)."""
    return value.partition("(")[0] in ("choice", "range", "interval", "glob", "sort", "shuffle", "tag", "extend_list")


def _split_outside(text: str) -> list[str]:
    """Split text at the commas outside of quotes and brackets."""
    parts, depth, quote, start = [], 0, "", 0
    for i, character in enumerate(text):
        if quote:
            quote = "" if character == quote else quote
        elif character in _QUOTES and not text[start:i].strip(" ["):
            quote = character
        elif character in "[{(":
            depth += 1
        elif character in "]})":
            depth -= 1
        elif character == "," and depth == 0:
            parts.append(text[start:i])
            start = i + 1
    return [*parts, text[start:]]
