"""The config reference of the site: every key of conf/ with type, default, bounds and meaning."""

import re
import types
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from typing import Annotated, Any, ClassVar, Literal, Union, get_args, get_origin, get_type_hints

import yaml
from site_choices import ROWS, Choice, Entry, list_ancestors, read_choice, read_entries, read_head

from ofiml.config import SCHEMAS, Config, Fees, Instrument, Policy
from ofiml.config.bounds import EachItem, Interval, NoneTwice, a_duration, longer_than_0
from ofiml.overrides.conf import CONF, list_choices

SEPARATE = ("instrument", "debug", "experiment")  # groups without keys of their own: they set those of others
ADDED = {"members": "configs of other models by name; see the description of the choice"}  # by defaults lists
WORDS = {int: "whole number", float: "number", bool: "`true` or `false`", str: "text", Any: "text"}

HEAD = """# Config

Every key of `conf/`. `ofiml run group=choice` selects a choice, `ofiml run group.key=value` sets a key, and
`ofiml run --cfg job` prints the settings of a run with your overrides. An unknown key, a wrong type or a value out of
bounds stops the run before any work. A duration is written as `250us`, `50ms`, `10s`, `5m` or `3h`.

Each group also has the key `name`, which the choice sets. A choice that builds on another one has all keys of that one.
"""


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


@cache
def _read_hints(schema: type) -> dict[str, Any]:
    return get_type_hints(schema, include_extras=True)


def _find_hint(schema: type | None, key: str) -> Any:
    """Return the type of a dotted key; Any where the schema leaves it open."""
    if schema is None:
        return Any
    name, _, rest = key.partition(".")
    hint = _read_hints(schema).get(name, Any)
    return hint if not rest else _find_hint(hint, rest) if isinstance(hint, type) and is_dataclass(hint) else Any


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
    """Write the section of a group: its choices, then the keys of the files that introduce them."""
    choices = [read_choice(group, name) for name in list_choices(group)]
    lines = ["", f"## {group}", "", f"{_capitalise(comment)}. Default: `{group}={default}`."]
    lines += ["", "| choice | description | difference |", "|---|---|---|"]
    owners = _list_owners(choices, default)
    for choice in choices:
        own = "keys below" if choice in owners and not choice.parents else _write_difference(choice, owners)
        lines.append(f"| `{choice.name}` | {_escape(choice.head)} | {own} |")
    for owner in owners:
        before = {entry.key for one in list_ancestors(owner) for entry in one.entries} | {"name"}
        own_keys = [
            e for e in owner.entries if e.key not in before and not e.key.startswith(tuple(f"{k}." for k in before))
        ]
        schema = owner.schema or next(c.schema for c in choices if owner.name in c.parents)
        title = f"all choices of {group}" if owner.name.startswith("_") else f"{group}={owner.name}"
        lines += ["", f"### Keys of {title}", *TABLE]
        lines += [write_row(group, schema, entry) for entry in own_keys]
        names = {f.name for f in fields(schema)} if is_dataclass(schema) else set()
        lines += [f"| `{group}.{name}` | mapping | | | {text} |" for name, text in ADDED.items() if name in names]
    return lines


def _list_owners(choices: list[Choice], default: str) -> list[Choice]:
    """List the files that introduce keys: what choices share first, then the default and what it builds on."""
    group = choices[0].group
    if group in SEPARATE:
        return []
    shared = {p for choice in choices for p in choice.parents if p.startswith("_")}
    rest = sorted(choices, key=lambda one: (len(list_ancestors(one)), one.name != default))
    owners: list[Choice] = []
    for one in [*(read_choice(group, name) for name in sorted(shared)), *rest]:
        before = {
            e.key
            for far in [*list_ancestors(one), *(o for o in owners if o.schema == one.schema and group != "model")]
            for e in far.entries
        }
        mappings = tuple(f"{key}." for key in before)
        if any(e.key not in before | {"name"} and not e.key.startswith(mappings) for e in one.entries):
            owners.append(one)
    return owners


def _write_difference(choice: Choice, owners: list[Choice]) -> str:
    """Write what a choice sets on top of what it builds on: its parent, or the keys of another choice's table."""
    parents = [p for p in choice.parents if not p.startswith("_")]
    keys = {e.key: e.value for e in choice.entries if e.key != "name" and (e.key not in ROWS or e.value)}
    if not parents and choice.group not in SEPARATE and choice not in owners:
        base = next(owner for owner in owners if owner.schema == choice.schema)
        parents, same = [base.name], {e.key: e.value for e in base.entries}
        keys = {key: value for key, value in keys.items() if key not in same or value != same[key]}
    if keys.get("columns") and len(keys["columns"]) > 20:
        keys["columns"] = "all of the catalogue"
    sets = _escape(", ".join(f"`{key}`: {write_value(value)}" for key, value in keys.items()))
    base_text = f"as {' and '.join(f'`{p}`' for p in parents)}" if parents else ""
    return ", with ".join(part for part in (base_text, sets) if part)


def _capitalise(text: str) -> str:
    return text if "=" in text.split()[0] else f"{text[:1].upper()}{text[1:]}"


def write_instruments() -> list[str]:
    """Write the keys of an instrument and of its fees, from their classes."""
    lines = [
        "",
        "### Keys of an instrument",
        "",
        "Below a pattern of symbols in `dataset.instruments`, or in a file of",
    ]
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


def _write_experiment(name: str) -> str:
    command, _, text = read_head((CONF / "experiment" / f"{name}.yaml").read_text(encoding="utf-8")).partition("\n")
    return f"- `{command}`: {text.replace(chr(10), ' ')}"


def write_page() -> str:
    """Write the whole reference."""
    text = (CONF / "config.yaml").read_text(encoding="utf-8")
    lines = [*HEAD.splitlines(), "", "## The study", *TABLE]
    lines += [write_row("", Config, entry) for entry in read_entries(text)]
    for group, default, comment in re.findall(r"^  - (\w+): (\S+) +# (.*)$", text, re.MULTILINE):
        if group == "experiment":
            lines += ["", "## experiment", "", f"{_capitalise(comment)}. Default: `experiment=null`.", ""]
            lines += [_write_experiment(name) for name in list_choices(group)]
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
            for name, hint in _read_hints(one).items():
                if name == "name" or get_origin(hint) is ClassVar:
                    continue
                keys |= {f"{group}.{name}"}
                keys |= {f"{group}.{name}.{f.name}" for f in fields(hint)} if is_dataclass(hint) else set()
    return sorted(keys)
