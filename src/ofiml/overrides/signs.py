"""The signs before keys: `+KEY.NAME=…` adds an item to a mapping, and `~KEY.NAME` removes one."""

from collections.abc import Mapping, Sequence
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from omegaconf import OmegaConf

from ofiml.errors import ConfigError
from ofiml.overrides.composition import compose
from ofiml.overrides.conf import CONF, list_folders
from ofiml.overrides.flags import read_line
from ofiml.overrides.text_values import quote_text_values

#: Keys with mappings: `+KEY.NAME=…` adds an item and `~KEY.NAME` removes one.
MAPPINGS = ("model.space", "model.members", "dataset.columns", "dataset.instruments")


def check_sign(sign: str, key: str, argument: str) -> None:
    """Raise ConfigError for a sign before a key that is neither an item of a mapping nor one of Hydra's own."""
    path = key.rpartition("@")[2]  # +model@model.members.lasso=lasso puts a choice of model at model.members.lasso
    item = path.startswith(tuple(f"{mapping}." for mapping in MAPPINGS)) or (sign == "+" and path in MAPPINGS)
    if sign in ("+", "~") and (item or path.startswith("hydra.")):
        return
    known = ", ".join(MAPPINGS)
    if sign.startswith("~"):
        off = f"{key}=off" if (CONF / key / "off.yaml").exists() else f"{key}=VALUE"
        raise ConfigError(f"{argument}: ~ removes an item of {known}; no other key can be removed: write {off}.")
    plain = argument.lstrip("+~")
    raise ConfigError(f"{argument}: + adds an item to {known}; every other key exists already: write {plain}.")


def check_removals(arguments: Sequence[str]) -> None:
    """Check that each item that `~KEY.NAME` removes is in the config that the other arguments make.

    Of a sweep it is the config of the first member. A config from a file is not looked at. Raises ConfigError for an
    item that is not there.
    """
    overrides = read_line(arguments).overrides
    removals = [one for one in overrides if one.startswith(tuple(f"~{mapping}" for mapping in MAPPINGS))]
    if not removals or any(a.partition("=")[0] == "--config" for a in arguments):
        return
    rest = [one for one in overrides if one not in removals and not one.startswith(("hydra", "+hydra", "~hydra"))]
    config_dir = next(iter(list_folders(arguments)[1:]), None)
    composed = OmegaConf.to_container(compose(_take_first_member(rest), config_dir))
    for removal in removals:
        _find_item(removal, composed)


def _take_first_member(overrides: Sequence[str]) -> list[str]:
    """Return the overrides of a sweep's first member; a range without a list of values is left out."""
    if not any("," in one or "(" in one for one in overrides):
        return list(overrides)
    parsed = OverridesParser.create().parse_overrides(quote_text_values(["-m", *overrides])[1:])
    return [_take_first_value(one) for one in parsed if not one.is_sweep_override() or one.is_discrete_sweep()]


def _take_first_value(override: Override) -> str:
    if not override.is_sweep_override():
        return override.input_line or ""
    return f"{override.get_key_element()}={next(override.sweep_string_iterator())}"


def _find_item(removal: str, composed: Any) -> None:
    """Raise ConfigError if the item of ~KEY.NAME is not in the composed config."""
    where, node = "", composed
    for part in removal[1:].partition("=")[0].split("."):
        if not isinstance(node, Mapping) or part not in node:
            items = ", ".join(map(str, node)) if isinstance(node, Mapping) else ""
            raise ConfigError(f"{removal}: {where} has no {part}; it {f'has {items}' if items else 'is empty'}.")
        where, node = f"{where}.{part}" if where else part, node[part]
