"""Write typed records as JSON, and read them from JSON, which a stranger may have written.

A dataclass becomes an object with its fields as keys, with two exceptions. A field whose metadata has a `key` gets that
key. A mapping whose metadata has a `prefix` gets no key: its entries stand among the others, each with that prefix. NaN
and infinity become null.
"""

import json
import math
import types
from collections.abc import Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from ofiml.errors import ConfigError

Json = bool | int | float | str | list["Json"] | dict[str, "Json"] | None
T = TypeVar("T")


def write_json(record: object) -> str:
    """Write a record as JSON."""
    return json.dumps(encode(record), indent=1, allow_nan=False)


def encode(value: object) -> Json:
    """Convert records, mappings, lists and numbers to JSON values; NaN and infinity become null."""
    if is_dataclass(value) and not isinstance(value, type):
        out: dict[str, Json] = {}
        for f in fields(value):
            part = getattr(value, f.name)
            if "prefix" in f.metadata:
                out |= {f.metadata["prefix"] + name: encode(one) for name, one in part.items()}
            else:
                out[_key(f)] = encode(part)
        return out
    if isinstance(value, Mapping):
        return {str(name): encode(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [encode(one) for one in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    assert value is None or isinstance(value, bool | int | float | str), f"no JSON for {type(value).__name__}"
    return value


def read_json(kind: type[T], text: str, path: str) -> T:
    """Read a record of this dataclass from JSON; null becomes NaN where a number is expected.

    A part that may be None may also be missing. `path` names the record in messages. Raises ConfigError for text that
    is not JSON, and where `decode` does.
    """
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"The {path} is not JSON: {' '.join(str(error).split())}.") from error
    return decode(kind, value, path)


def decode(kind: type[T], value: object, path: str) -> T:
    """Convert a JSON value to a record of this dataclass and check every value; `path` names the place in messages.

    Raises ConfigError for a missing, unknown or mistyped value.
    """
    if not isinstance(value, dict):
        raise _mismatch(path, "an object")
    hints, rest, parts = get_type_hints(kind), dict(value), {}
    inline = sorted((f for f in fields(kind) if "prefix" in f.metadata), key=lambda f: -len(f.metadata["prefix"]))  # type: ignore[arg-type]
    for f in fields(kind):  # type: ignore[arg-type]
        if f in inline:
            continue
        if _key(f) in rest:
            parts[f.name] = _decode(hints[f.name], rest.pop(_key(f)), f"{path}.{_key(f)}")
        elif _allows_none(hints[f.name]):
            parts[f.name] = None
        elif f.default is MISSING and f.default_factory is MISSING:
            raise ConfigError(f"{path}.{_key(f)} is missing.")
    for f in inline:
        prefix = f.metadata["prefix"]
        own = {name.removeprefix(prefix): rest.pop(name) for name in list(rest) if name.startswith(prefix)}
        parts[f.name] = _decode(hints[f.name], own, path)
    if rest:
        raise ConfigError(f"{path}.{next(iter(rest))} is not written by a study of this version.")
    return kind(**parts)


def _decode(kind: Any, value: object, path: str) -> Any:
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        return _decode_union(arguments, value, path)
    if origin is Literal:
        if value not in arguments:
            raise _mismatch(path, f"one of {', '.join(arguments)}")
        return value
    if origin is list:
        if not isinstance(value, list):
            raise _mismatch(path, "a list")
        return [_decode(arguments[0], one, f"{path}[{i}]") for i, one in enumerate(value)]
    if origin is dict:
        if not isinstance(value, dict):
            raise _mismatch(path, "an object")
        of_key, of_value = arguments
        return {_decode(of_key, k, path): _decode(of_value, one, f"{path}.{k}") for k, one in value.items()}
    if kind is float:
        return _decode_float(value, path)
    if isinstance(kind, type) and is_dataclass(kind):
        return decode(kind, value, path)
    if type(value) is not kind:  # a bool does not count as an int
        raise _mismatch(path, {int: "a whole number", str: "text", bool: "true or false", type(None): "null"}[kind])
    return value


def _decode_float(value: object, path: str) -> float:
    """Decode a number. A whole number stays an int, so that it is written as it was read."""
    if value is None:
        return float("nan")
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise _mismatch(path, "a number")
    return value


def _decode_union(kinds: tuple[Any, ...], value: object, path: str) -> Any:
    if value is None and type(None) in kinds:
        return None
    errors = []
    for kind in kinds:
        if kind is not type(None):
            try:
                return _decode(kind, value, path)
            except ConfigError as error:
                errors.append(error)
    raise errors[0]


def _allows_none(kind: Any) -> bool:
    return type(None) in get_args(kind)


def _key(f: Field[Any]) -> str:
    return str(f.metadata.get("key", f.name))


def _mismatch(path: str, expected: str) -> ConfigError:
    return ConfigError(f"{path} must be {expected}.")


def flatten_numbers(report: Mapping[str, Any]) -> dict[str, float]:
    """Map the path of every number of a report to the number, without those on the machine and the time that it
    took. A reproduction must repeat them all.

    `report` is the JSON mapping of a report of any version.
    """
    numbers: dict[str, float] = {}

    def walk(path: str, value: object) -> None:
        if isinstance(value, dict):
            for k, v in value.items():
                walk(f"{path}.{k}" if path else k, v)
        elif isinstance(value, list):
            for i, v in enumerate(value):
                walk(f"{path}[{i}]", v)
        elif isinstance(value, int | float) and not isinstance(value, bool):
            numbers[path] = value

    walk("", {k: v for k, v in report.items() if k not in ("runtime", "provenance")})
    return numbers
