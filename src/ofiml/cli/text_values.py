"""Quote the values of text keys for Hydra's grammar, which reads `TRUE`, `0700` and `[2024]` as other types.

A value of `dataset.path`, `dataset.symbols` and the like is text, whatever it looks like. Hydra's own syntax still
works in it: quotes, `null`, `${…}`, and with -m several values with commas.
"""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, Quote, QuotedString
from hydra.errors import HydraException

from ofiml.config import SCHEMAS, FileDataset
from ofiml.config.bounds import strip_bounds

_GROUPS = ("dataset", "features", "tracking", "tuning")  # those with names and paths of the user's own
_QUOTES = ("'", '"')


def quote_text_values(arguments: Sequence[str]) -> list[str]:
    """Return the arguments of a command with quotes around text that Hydra would read as another type, or not at all.

    The path of an existing file or folder is quoted in any case, so that nothing in it is syntax.
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
    path = key.lstrip("+")
    kind = _find_type(path, names) if equals and not path.startswith("~") else None
    if kind is None or value == "":
        return argument
    if path == "dataset.path" and (value.strip() == value or not sweep) and Path(value).exists():
        return f"{key}={_quote(value)}"
    parts = _split_outside(value) if sweep and not _is_call(value) else [value]
    quote = _quote_list if kind == list[str] else _quote_scalar
    return f"{key}={','.join(quote(part) for part in parts)}"


def _find_type(path: str, names: Mapping[str, str]) -> Any:
    """Find the type of a key if its values are text, or lists of text; return None for other keys."""
    group, _, key = path.partition(".")
    if group not in _GROUPS:
        return None
    schema: Any = SCHEMAS[group]
    if isinstance(schema, Mapping):
        name = names.get(group, "")
        schema = schema.get(name, FileDataset)
    name, _, item = key.partition(".")
    types = {f.name: strip_bounds(f) for f in fields(schema)}
    kind = types.get(name)
    if name == "columns" and item:  # dataset.columns.bid=…, also where the dataset is not named on the command line
        return str if kind in (None, dict[str, str]) else None
    return kind if kind in (str, str | None, list[str], list[str] | None) and not item else None


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
        return value if may_be_null else _quote(value)
    try:
        read = parse_override(f"key={value}")
    except HydraException:
        return _quote(value)
    return value if isinstance(read.value(), str) and not read.is_sweep_override() else _quote(value)


def _quote(text: str) -> str:
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
