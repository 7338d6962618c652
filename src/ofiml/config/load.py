"""Convert a composed or logged mapping to the typed config, or raise one sentence that names the mistake."""

import difflib
import math
import re
from collections.abc import Mapping
from dataclasses import asdict, field, fields, is_dataclass, make_dataclass
from functools import cache
from typing import Any, Literal, cast, get_origin

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import ConfigKeyError, MissingMandatoryValue, OmegaConfBaseException

from ofiml.config.bounds import strip_bounds
from ofiml.config.model import MODELS, Range
from ofiml.config.renamed import MOVED_TO_INSTRUMENT, current_key, update_config
from ofiml.config.schema import SCHEMAS, Config
from ofiml.errors import ConfigError
from ofiml.storage import strip_credentials

#: Addresses that may have a credential where the environment sets them, and the variable. No file gets the credential.
_FROM_ENVIRONMENT = {"tracking.uri": "MLFLOW_TRACKING_URI", "tuning.storage": "OFIML_TUNING_STORAGE"}

_ELSEWHERE = (
    "leave it out, and give it where the library of that storage looks for it, as in AWS_ACCESS_KEY_ID and "
    "AWS_SECRET_ACCESS_KEY"
)


def load(raw: DictConfig | Mapping[str, Any]) -> Config:
    """Convert a composed or logged mapping to the typed config.

    Raises ConfigError, in one sentence, for an unknown key, a wrong type or an impossible combination. A plain mapping
    (a logged config) may use earlier names of keys. It may not contain interpolations: a stranger's `${oc.env:…}` would
    read this environment.
    """
    if isinstance(raw, DictConfig):
        try:
            raw = cast(dict[str, Any], OmegaConf.to_container(raw, resolve=True))
        except OmegaConfBaseException as error:
            raise ConfigError(f"{error.full_key}: {_describe_value(error)}.") from error
    elif "${" in repr(raw):
        raise ConfigError("The logged config contains an interpolation (${…}): replace it by its value.")
    else:
        raw = update_config(raw)
    known = {f.name for f in fields(Config)}
    for key in raw:
        if key not in known:
            raise ConfigError(describe_unknown_key(str(key)))
    for key in known:
        if key not in raw:
            raise ConfigError(f"The config has no {key}.")
    for key, value in raw.items():
        _refuse_credentials(str(key), value)
    values = {group: parse_group(group, SCHEMAS[group], raw[group]) for group in SCHEMAS}
    seeds = raw["seeds"]
    if not isinstance(seeds, list):
        raise ConfigError(f"seeds is a list: write seeds=[{seeds}].")
    return Config(
        seed=_require_integer("seed", raw["seed"]),
        threads=_require_integer("threads", raw["threads"]),
        seeds=[_require_integer("seeds", number) for number in seeds],
        **values,
    )


def resolve_config(config: Config) -> dict[str, Any]:
    """Return the config as a mapping, without the credentials of the addresses that the environment may set."""
    mapping = asdict(config)
    for path in _FROM_ENVIRONMENT:
        group, _, key = path.partition(".")
        mapping[group][key] = strip_credentials(mapping[group][key])
    return mapping


def parse_group(group: str, schema: type | Mapping[str, type], node: Any) -> Any:
    """Parse the mapping at `group` by its schema, or by the schema that its `name` selects. Raises ConfigError."""
    try:
        if not isinstance(node, dict):
            raise ConfigError(f"{group} must be a mapping, not {node!r}.")
        if isinstance(schema, Mapping):
            name = node.get("name")
            if not isinstance(name, str) or name not in schema:
                raise ConfigError(f"{group}.name={name} is not one of {', '.join(schema)}.")
            schema = schema[name]
        _require_text(group, schema, node)
        values = OmegaConf.to_object(OmegaConf.merge(_structure(schema), node))
        typed = _build_schema(schema, values)
        _check_finite(group, typed)
        return typed
    except ConfigKeyError as error:
        raise ConfigError(describe_unknown_key(f"{group}.{error.full_key or error.key}")) from error
    except MissingMandatoryValue as error:
        key = str(error.full_key)
        raise ConfigError(f"{group}.{key} is missing: give it as {group}.{key}=….") from error
    except OmegaConfBaseException as error:
        if "not a ListConfig" in str(error):
            key = f"{group}.{error.full_key}"
            raise ConfigError(f"{key} is a list: write {key}=[{node[str(error.full_key)]}].") from error
        raise ConfigError(f"{group}.{error.full_key}: {_describe_value(error)}.") from error


#: What OmegaConf says of a value of another type, and our words.
_WRONG_VALUES = [
    (r"Incompatible value 'None'", "it must not be null"),
    (r"Value '(.*)' of type '.*' could not be converted to Float", r"\1 is not a number"),
    (r"Value '(.*)' of type '.*' could not be converted to Integer", r"\1 is not an integer"),
    (r"Value '(.*)' is not a valid bool", r"\1 is neither true nor false"),
    (r"Cannot convert '(List|Dict)Config' to string: '(.*)'", r"it takes one text, not \2"),
]


def _describe_value(error: OmegaConfBaseException) -> str:
    """Describe what is wrong with a value, as the end of a sentence."""
    text = str(error).splitlines()[0].rstrip(".")
    for pattern, words in _WRONG_VALUES:
        if match := re.match(pattern, text):
            return match.expand(words)
    return text


def _require_text(group: str, schema: Any, node: Mapping[str, Any]) -> None:
    """Raise ConfigError for an item of a list of text that is not text: YAML reads NO as false, and 0700 as 448."""
    for f in fields(schema):
        if strip_bounds(f) not in (list[str], list[str] | None) or not isinstance(node.get(f.name), list):
            continue
        for item in node[f.name]:
            if isinstance(item, bool | int | float) or item is None:
                raise ConfigError(
                    f"{group}.{f.name} is a list of text, and YAML reads one item as {item}: write it in quotes, as in "
                    f"{f.name}: ['NO', '0700']."
                )


@cache
def _structure(schema: Any) -> DictConfig:
    """Return what a mapping of `schema` is merged into, which copies it."""
    return OmegaConf.structured(_make_twin(schema))


def _make_twin(schema: Any) -> type:
    """Make a class of the same fields without checks, for OmegaConf 2.3: it checks types but does not know Literal."""
    twins: list[tuple[str, Any, Any]] = []
    for f in fields(schema):
        kind: Any = str if get_origin(f.type) is Literal else _make_twin(f.type) if is_dataclass(f.type) else f.type
        twins.append((f.name, kind, field(default=f.default, default_factory=f.default_factory)))
    return make_dataclass(schema.__name__, twins, kw_only=True)


def _build_schema(schema: Any, twin: Any) -> Any:
    """Build the schema from the values of its twin. Raises ConfigError for a value that the schema refuses."""
    values = {f.name: (f.type, getattr(twin, f.name)) for f in fields(schema)}
    return schema(
        **{name: _build_schema(t, value) if is_dataclass(t) else value for name, (t, value) in values.items()}
    )


def _check_finite(path: str, value: Any) -> None:
    if is_dataclass(value):
        for f in fields(value):
            _check_finite(f"{path}.{f.name}", getattr(value, f.name))
    elif isinstance(value, dict):
        for key, item in value.items():
            _check_finite(f"{path}.{key}", item)
    elif isinstance(value, list):
        for item in value:
            _check_finite(path, item)
    elif isinstance(value, float) and not math.isfinite(value):
        raise ConfigError(f"{path}={value} is not a finite number.")


def _require_integer(key: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise ConfigError(f"{key}: {value!r} is not an integer.")
    return value


def _refuse_credentials(key: str, value: Any) -> None:
    """Raise ConfigError if a text below `key` is an address with a credential, unless the environment may set it."""
    if isinstance(value, Mapping):
        for name, item in value.items():
            _refuse_credentials(f"{key}.{name}", item)
    elif isinstance(value, list):
        for item in value:
            _refuse_credentials(key, item)
    elif key not in _FROM_ENVIRONMENT:
        require_no_credential(key, value)


def require_no_credential(key: str, value: object) -> None:
    """Raise ConfigError, which does not repeat it, if the value of a key is, or contains, an address with a credential.

    The config goes into files and into the store.
    """
    if isinstance(value, str) and strip_credentials(value) != value:
        where = f"set {_FROM_ENVIRONMENT[key]} instead" if key in _FROM_ENVIRONMENT else _ELSEWHERE
        raise ConfigError(f"{key} contains a credential: {where}.")


def describe_unknown_key(path: str) -> str:
    """Describe an unknown key, or a key of another choice, in one sentence that names the remedy."""
    group, _, key = path.partition(".")
    if (new := current_key(path)) is not None:
        return f"{path} has been renamed: write {new}."
    if path in MOVED_TO_INSTRUMENT:
        example = MOVED_TO_INSTRUMENT[path][1]
        return (
            f"{path} now belongs to the instrument: choose one, as in instrument=binance_usdm, or write "
            f"'dataset.instruments={{*: {example}}}' (docs/instruments.md)."
        )
    if path.startswith("dataset.instruments."):
        return (
            f"{path}: write the keys of an instrument as a mapping, as in 'dataset.instruments={{*: {{tick: 0.25}}}}'."
        )
    if path.startswith("model.space."):
        return _describe_unknown_range(path)
    schema = SCHEMAS.get(group)
    if schema is None:
        return f"Unknown key {path}.{_suggest(group, {f.name for f in fields(Config)})}"
    choices = schema if isinstance(schema, Mapping) else {group: schema}
    where = path.rpartition(".")[0] if path.startswith("model.members.") else group
    owners = [name for name, s in choices.items() if key in {f.name for f in fields(s)}]
    if owners:
        remedy = f"add {group}={owners[0]}" if len(owners) == 1 else f"choose one of them with {group}=…"
        return f"{path} belongs to another choice of {group} ({', '.join(owners)}): {remedy}."
    return f"Unknown key {path}.{_suggest(key, {f.name for s in choices.values() for f in fields(s)}, where)}"


def _describe_unknown_range(path: str) -> str:
    """Describe a key of `model.space` that does not exist: a parameter without a range, or a key of a range."""
    name, _, key = path.removeprefix("model.space.").partition(".")
    if key and key not in (known := {f.name for f in fields(Range)}):
        return f"Unknown key {path}.{_suggest(key, known, f'model.space.{name}')}"
    numeric = {f.name for schema in MODELS.values() for f in fields(schema) if strip_bounds(f) in (int, float)}
    if name not in numeric:
        return f"Unknown key {path}.{_suggest(name, numeric, 'model.space')}"
    return f"model.space has no range of {name}: write '+model.space.{name}={{low: 1, high: 2}}' to tune it."


def _suggest(key: str, names: set[str], group: str = "") -> str:
    close = difflib.get_close_matches(key.rsplit(".", 1)[-1], sorted(names), n=1)
    return (
        f" Did you mean {group + '.' if group else ''}{close[0]}?"
        if close
        else f" Known: {', '.join(sorted(names))}."
        if names
        else ""
    )
