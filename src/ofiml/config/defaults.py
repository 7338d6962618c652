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
    """A key whose value differs from the default: that of `conf`, or of the choice of the key's group.

    A choice of a group without a `name`, such as `target=triple_barrier`, has the group as its key.
    """

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
    own = _read_keys(path)
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
    return _read_keys(CONF / "config.yaml")


def _read_keys(path: Path) -> dict[str, Any]:
    # The loader in C takes a tenth of the time of `safe_load`.
    keys: dict[str, Any] | None = yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
    return keys or {}


def list_differences(resolved: Mapping[str, Any]) -> list[Difference]:
    """List the keys of a resolved config that differ from the default study, group by group.

    A group with another choice than the default's is one difference, and then what differs from that choice in conf/.
    In a group without a `name`, another choice counts if that leaves fewer differences. Keys on which no result depends
    are left out, and so are the other keys of a choice that conf/ lacks.
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
    usual = _read_choice(group, default) or {}
    if "name" in usual:
        name = str(resolved[group].get("name", default))
        if name == usual["name"]:
            return _compare_keys(group, resolved, usual, "")
        chosen = Difference(f"{group}.name", name, usual["name"], "")
        return [chosen, *_compare_keys(group, resolved, _read_choice(group, name) or {}, f"{group}={name}")]
    out = _compare_keys(group, resolved, usual, "")
    for other in sorted(path.stem for path in (CONF / group).glob("*.yaml")):
        if len(out) > 1:  # a choice is one difference itself
            keys = _compare_keys(group, resolved, _read_choice(group, other) or {}, f"{group}={other}")
            chosen = Difference(group, other, default, "")
            out = min(out, [chosen, *keys], key=len)  # the first of equally long ones
    return out


def _compare_keys(group: str, resolved: Mapping[str, Any], base: Mapping[str, Any], choice: str) -> list[Difference]:
    """List the keys of a group that differ from those of a choice in conf/."""
    out = []
    for key, value in resolved[group].items():
        if key == "name" or key not in base or _is_from_environment(base[key]):
            continue
        usual = _interpolate(base[key], resolved)
        if not _is_same(value, usual):
            out.append(Difference(f"{group}.{key}", value, usual, choice))
    return out


def _is_from_environment(value: Any) -> bool:
    """Return whether conf/ takes a value from the environment: it says where things lie on this machine."""
    return isinstance(value, str) and value.startswith("${oc.env:")


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


def read_smoke_settings(split: str) -> dict[str, Any]:
    """Read the settings of `debug=tiny`, by key, with those of its split: a smoke run differs by them from a study."""
    nodes = _read_keys(CONF / "debug" / "tiny.yaml")
    own = CONF / "debug" / "split"
    small = {path.stem: path for path in own.glob("*.yaml")}.get(f"tiny_{split}")
    if small is not None:
        nodes["split"] = _read_keys(small)
    return {f"{group}.{key}": value for group, node in nodes.items() for key, value in node.items()}
