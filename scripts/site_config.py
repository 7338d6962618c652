"""The config reference of the documentation site: every key of conf/ with type, default, bounds and meaning."""

import re
import types
from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Union, get_args, get_origin, get_type_hints

import yaml

from ofiml.cli.conf import CONF, list_choices
from ofiml.config import SCHEMAS, Config, Fees, Instrument, Policy
from ofiml.config.bounds import EachItem, Interval, NoneTwice, a_duration, longer_than_0

SEPARATE = ("instrument", "debug", "experiment")  # groups without keys of their own: they set those of others
WHOLE = ("space", "members", "instruments")  # mappings that are one key each
ROWS = ("policy", "columns")  # mappings that have a row of their own above those of their keys
WORDS = {int: "whole number", float: "number", bool: "`true` or `false`", str: "text", Any: "text"}

HEAD = """# Config

Every key of `conf/`. `ofiml run group=choice` selects a choice, `ofiml run group.key=value` sets a key, and
`ofiml run --cfg job` prints the settings of a run with your overrides. An unknown key, a wrong type or a value out of
bounds stops the run before any work. A duration is written as `250us`, `50ms`, `10s`, `5m` or `3h`.

Each group also has the key `name`, which the choice sets. A choice that builds on another one has all keys of that one.
"""


@dataclass(frozen=True, slots=True)
class Entry:
    """A key of a YAML file, with its value and the comment beside it."""

    key: str
    value: Any
    comment: str


def read_head(text: str) -> str:
    """Return the comment at the top of a YAML file as one paragraph."""
    lines = []
    for line in text.splitlines():
        if not line.startswith("#"):
            break
        lines += [] if line.startswith("# @package") else [line.lstrip("# ").strip()]
    return " ".join(lines)


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

    FOLDER: ClassVar[Path] = CONF

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


def read_choice(group: str, name: str) -> Choice:
    """Read a choice from its file in conf/."""
    text = (CONF / group / f"{name}.yaml").read_text(encoding="utf-8")
    data = yaml.safe_load(text) or {}
    parents = tuple(p for p in data.get("defaults", []) if isinstance(p, str) and p != "_self_")
    return Choice(group, name, read_head(text), parents, tuple(read_entries(text)))


def list_ancestors(choice: Choice) -> list[Choice]:
    """List the choices that a choice builds on, directly or not, nearest first; packaged ones (`x@y`) do not count."""
    near = [read_choice(choice.group, name) for name in choice.parents if "@" not in name]
    return near + [far for one in near for far in list_ancestors(one)]


def describe_type(hint: Any) -> str:
    """Describe the type of a field in words."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return describe_type(arguments[0])
    if origin in (Union, types.UnionType):
        some = [describe_type(a) for a in arguments if a is not type(None)]
        return " or ".join([*some, "`null`"] if type(None) in arguments else some)
    if origin is Literal:
        return " \\| ".join(f"`{a}`" for a in arguments)
    if origin in (list, tuple):
        return f"list of {_plural(arguments[0])}"
    if origin in (dict, Mapping) or is_dataclass(hint):
        return "mapping"
    return WORDS.get(hint, "text")


def _plural(hint: Any) -> str:
    word = describe_type(hint)
    return {"text": "texts"}.get(word, word if word.startswith("list") else f"{word}s")


def describe_bounds(hint: Any) -> str:
    """Describe the rules beside a field: `at least 1`, `longer than 0`."""
    rules = get_args(hint)[1:] if get_origin(hint) is Annotated else ()
    return "; ".join(text for text in map(_describe_rule, rules) if text)


def _describe_rule(rule: Callable[[str, Any], None]) -> str:
    if isinstance(rule, Interval):
        return re.sub(r"^must (lie |be |not be )", lambda m: "not " if "not" in m[1] else "", rule.must)
    if isinstance(rule, EachItem):
        text = _describe_rule(rule.rule)
        return f"each: {text}" if text else ""
    if isinstance(rule, NoneTwice):
        return "none twice"
    first = (rule.__doc__ or "").partition("\n")[0].partition(", or raise")[0].rstrip(".")
    return "" if rule is a_duration else first.removeprefix("Require ").removeprefix("a length of time ")


def write_value(value: Any) -> str:
    """Write a default as one types it in YAML."""
    if value is None:
        return "`null`"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, str):
        reference = re.fullmatch(r"\$\{([\w.]+)\}", value)
        if reference:
            return f"that of `{reference[1]}`"
        return "required" if value == "???" else f"`{value}`" if value else '`""`'
    text = yaml.safe_dump(value, default_flow_style=True, width=10_000, sort_keys=False).strip()
    return f"`{text.removesuffix('...').strip()}`"


def _find_hint(schema: type | None, key: str) -> Any:
    """Return the type of a dotted key; Any where the schema leaves it open."""
    if schema is None:
        return Any
    name, _, rest = key.partition(".")
    hint = get_type_hints(schema, include_extras=True).get(name, Any)
    return hint if not rest else _find_hint(hint, rest) if is_dataclass(hint) else Any


def write_row(group: str, schema: type | None, entry: Entry) -> str:
    """Write the row of a key."""
    hint = _find_hint(schema, entry.key)
    cause = entry.key.removeprefix("policy.")
    kind, bounds = describe_type(hint), describe_bounds(hint)
    if entry.key.startswith("policy."):
        kind, bounds = " \\| ".join(f"`{c}`" for c in Policy().choices(cause)), ""
    elif get_origin(hint) is Annotated and _is_duration(hint):
        kind = kind.replace("text", "duration")
    cells = [f"`{group}.{entry.key}`" if group else f"`{entry.key}`", kind, write_value(entry.value), bounds]
    return "| " + " | ".join([*cells, _escape(entry.comment)]) + " |"


def _is_duration(hint: Any) -> bool:
    rules = [rule.rule if isinstance(rule, EachItem) else rule for rule in get_args(hint)[1:]]
    return a_duration in rules or longer_than_0 in rules


def _escape(text: str) -> str:
    return re.sub(r"(?<!\\)\|", r"\\|", text)


TABLE = ["", "| key | type | default | bounds | meaning |", "|---|---|---|---|---|"]


def write_group(group: str, comment: str, default: str) -> list[str]:
    """Write the section of a group: its choices, then the keys in the files that introduce them."""
    choices = [read_choice(group, name) for name in list_choices(group)]
    lines = ["", f"## {group}", "", f"{comment[:1].upper()}{comment[1:]}. Default: `{group}={default}`."]
    lines += ["", "| choice | description | difference |", "|---|---|---|"]
    for choice in choices:
        lines.append(f"| `{choice.name}` | {_escape(choice.head)} | {_write_difference(choice)} |")
    if group in SEPARATE:
        return lines
    shared = {p for choice in choices for p in choice.parents if p.startswith("_")}
    owners = [read_choice(group, name) for name in sorted(shared)] + choices
    owners.sort(key=lambda one: (len(list_ancestors(one)), not one.name.startswith("_"), one.name != default))
    for owner in owners:
        before = {entry.key for one in list_ancestors(owner) for entry in one.entries} | {"name"}
        own = [entry for entry in owner.entries if entry.key not in before]
        if own:
            schema = owner.schema or next(c.schema for c in choices if owner.name in c.parents)
            title = f"all choices of {group}" if owner.name.startswith("_") else f"{group}={owner.name}"
            lines += ["", f"### Keys of {title}", *TABLE]
            lines += [write_row(group, schema, entry) for entry in own]
    return lines


def _write_difference(choice: Choice) -> str:
    if choice.group == "experiment":
        return "" if not choice.parents else ", ".join(f"`{p}`" for p in choice.parents)
    if not choice.parents and choice.group not in SEPARATE:
        return "keys below"
    sets = [f"`{entry.key}`: {write_value(entry.value)}" for entry in choice.entries if entry.key != "name"]
    if choice.name == "full":
        sets = ["`columns`: all of the [catalogue](../docs/features.md)"]
    base = f"as {', '.join(f'`{p}`' for p in choice.parents if not p.startswith('_'))}, with " if choice.parents else ""
    return base.replace("as , with ", "") + (_escape(", ".join(sets)) or "the same keys")


def write_instruments() -> list[str]:
    """Write the keys of an instrument and of its fees, from their classes."""
    lines = ["", "### Keys of an instrument", "", "Below a pattern of symbols in `dataset.instruments`, or in a file of"]
    lines[-1] += " `conf/instrument`; [instruments](../docs/instruments.md) explains them."
    for owner, prefix in ((Instrument, ""), (Fees, "taker.")):
        lines += ["", *((owner.__doc__ or "").split("\n\n", 1)[1].replace("\n    ", "\n").strip().splitlines())]
        if prefix:
            lines += ["", "`maker` and `seller` have the same keys as `taker`."]
        lines += ["", "| key | type | default |", "|---|---|---|"]
        for field in fields(owner):
            if field.name != "stated":
                default = "that of the dataset" if field.default is MISSING else write_value(_plain(field.default))
                lines.append(f"| `{prefix}{field.name}` | {describe_type(field.type)} | {default} |")
    return lines


def _plain(value: Any) -> Any:
    return {} if is_dataclass(value) else value


def write_page() -> str:
    """Write the whole reference."""
    text = (CONF / "config.yaml").read_text(encoding="utf-8")
    lines = [*HEAD.splitlines(), "", "## The study", *TABLE]
    lines += [write_row("", Config, entry) for entry in read_entries(text)]
    for group, default, comment in re.findall(r"^  - (\w+): (\S+) +# (.*)$", text, re.MULTILINE):
        if group == "experiment":
            lines += ["", "## experiment", "", f"{comment[:1].upper()}{comment[1:]}. Default: `experiment=null`.", ""]
            lines += [f"- `{name}`: {read_choice(group, name).head}" for name in list_choices(group)]
            continue
        lines += write_group(group, comment, default)
        if group == "instrument":
            lines += write_instruments()
    return "\n".join(lines) + "\n"


def list_schema_keys() -> list[str]:
    """List the keys of all schemas, without `name`."""
    keys = {f.name for f in fields(Config) if f.name not in SCHEMAS}
    for group, schema in SCHEMAS.items():
        for one in [schema] if isinstance(schema, type) else schema.values():
            for name, hint in get_type_hints(one).items():
                if name == "name" or get_origin(hint) is ClassVar:
                    continue
                keys |= {f"{group}.{name}"}
                keys |= {f"{group}.{name}.{f.name}" for f in fields(hint)} if is_dataclass(hint) else set()
    return sorted(keys)
