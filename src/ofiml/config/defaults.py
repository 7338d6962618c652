"""The default study of conf/: what its config is when nothing is chosen, and what another one does differently."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, cast

import yaml
from omegaconf import OmegaConf

_PACKAGE = Path(__file__).parents[1] / "conf"  # inside a wheel
_REPOSITORY = Path(__file__).parents[3] / "conf"

#: The folder of `config.yaml`: the one that was installed with the package, else the repository's.
CONF = _PACKAGE if _PACKAGE.is_dir() else _REPOSITORY

_INERT = ("tracking", "report", "threads", "parallel")  # what a study finds does not depend on them


@dataclass(frozen=True, slots=True)
class Difference:
    """A key whose value differs from the default: that of `conf`, or of the choice of the key's group."""

    key: str
    value: Any
    default: Any
    choice: str  # such as `model=ridge`; empty if the default study has the same choice


@cache
def _read_choice(group: str, name: str) -> dict[str, Any] | None:
    """Read the keys of a choice with those of the choices it builds on; None if conf/ has no such choice.

    `name` may come from a stranger's config, so it only selects among the files that are there.
    """
    path = {file.stem: file for file in (CONF / group).glob("*.yaml")}.get(name)
    if path is None:
        return None
    own: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    bases = [_read_choice(group, base) or {} for base in own.pop("defaults", []) if base != "_self_"]
    return cast(dict[str, Any], OmegaConf.to_container(OmegaConf.merge(*bases, own), resolve=False))


@cache
def read_default_choices() -> dict[str, str]:
    """Read the choice of each group in the defaults list of config.yaml, such as {"model": "lgbm", …}."""
    chosen: dict[str, str] = {}
    for entry in _read_root()["defaults"]:
        for group, name in entry.items() if isinstance(entry, dict) else ():
            if name and group.isidentifier():
                chosen[group] = str(name)
    return chosen


@cache
def _read_root() -> dict[str, Any]:
    root: dict[str, Any] = yaml.safe_load((CONF / "config.yaml").read_text(encoding="utf-8"))
    return root


def list_differences(resolved: Mapping[str, Any]) -> list[Difference]:
    """List the keys of a resolved config that differ from the default study, group by group.

    A group whose `name` is another choice than the default's is one difference, and then what differs from that choice
    in conf/. Keys on which no result depends are left out, and so are the other keys of a choice that conf/ lacks.
    """
    out = []
    for group, node in resolved.items():
        if group in _INERT:
            continue
        if not isinstance(node, Mapping):
            if node != _read_root()[group]:
                out.append(Difference(group, node, _read_root()[group], ""))
            continue
        out += _compare_group(group, resolved, read_default_choices()[group])
    return out


def _compare_group(group: str, resolved: Mapping[str, Any], default: str) -> list[Difference]:
    node = resolved[group]
    name = str(node.get("name", default))
    usual = _read_choice(group, default) or {}
    other = name if name != str(usual.get("name", default)) else ""
    out = [Difference(f"{group}.name", name, usual["name"], "")] if other else []
    base = (_read_choice(group, other) if other else usual) or {}
    choice = f"{group}={other}" if other else ""
    for key, value in node.items():
        if key != "name" and key in base and not _is_same(value, usual_value := _interpolate(base[key], resolved)):
            out.append(Difference(f"{group}.{key}", value, usual_value, choice))
    return out


def _interpolate(value: Any, resolved: Mapping[str, Any]) -> Any:
    """Replace a value that conf/ takes from another key, such as `${horizon.delay}`, by that key's value here."""
    reference = re.fullmatch(r"\$\{(\w+)\.(\w+)\}", value) if isinstance(value, str) else None
    return resolved[reference[1]][reference[2]] if reference else value


def _is_same(value: Any, usual: Any) -> bool:
    """Return whether two values are the same; a mapping of conf/ leaves out what is null or false."""
    if isinstance(value, Mapping) and isinstance(usual, Mapping):
        return usual.keys() <= value.keys() and all(
            _is_same(one, usual[key]) if key in usual else not one for key, one in value.items()
        )
    return bool(value == usual)
