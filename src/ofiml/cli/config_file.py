"""`ofiml run --config FILE`: start a run from a resolved config instead of conf/."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from hydra.core.config_store import ConfigStore

from ofiml.config import Config, resolve_config
from ofiml.config.defaults import list_differences
from ofiml.config.plain import read_plain_config
from ofiml.errors import ConfigError
from ofiml.overrides.conf import CONF, is_group
from ofiml.ui.settings import write_override

_FLAG, _NAME = "--config", "plain"  # the name of the registered file
_HYDRA = {"job_logging": "none", "hydra_logging": "none", "launcher": "joblib"}  # as in config.yaml

# Folders of caches and journals, and the tracking store: these keys come from conf/, not from the file.
_LOCAL_KEYS = {
    "features": ("store", "ofi_only"),
    "dataset": ("store", "databento"),
    "tuning": ("storage", "optuna"),
    "tracking": ("uri", "mlflow"),
}


def translate_config_flag(arguments: list[str]) -> list[str]:
    """Translate `--config FILE` for Hydra: register the file as a config and return arguments that name it.

    Other arguments are returned as they are. Raises ConfigError for a file with more than values, and for an argument
    that chooses from a group: a resolved config has no groups.
    """
    positions = [i for i, argument in enumerate(arguments) if argument.partition("=")[0] == _FLAG]
    if not positions:
        return arguments
    at = positions[0]
    _, equals, name = arguments[at].partition("=")
    rest = arguments[:at] + arguments[at + 1 if equals else at + 2 :]
    name = name if equals else "".join(arguments[at + 1 : at + 2])
    if len(positions) > 1 or not name or name.startswith("-"):
        raise ConfigError(f"{_FLAG} takes one file: the config.yaml or tuned.yaml of a study.")
    for argument in rest:
        group, equals, _ = argument.lstrip("+~").partition("=")
        if equals and is_group(group):
            raise ConfigError(f"{argument} is a choice of a group, but {name} has no groups: write {group}.KEY=VALUE.")
    ConfigStore.instance().store(_NAME, _use_local_keys(read_plain_config(Path(name))))
    return ["--config-name", _NAME, *rest]


def list_overrides(typed: Sequence[str], config_name: str | None, config: Config) -> list[str]:
    """List what makes a study another than the default one: the overrides as `typed`, if its config is that of conf/.

    Of a config from a file it is each key whose value differs from the default, and what was typed beside.
    """
    if config_name != _NAME:
        return list(typed)
    differences = {d.key.removesuffix(".name"): d.value for d in list_differences(resolve_config(config))}
    rest = [one for one in typed if one.lstrip("+~").partition("=")[0].removesuffix(".name") not in differences]
    return [*(f"{key}={write_override(value)}" for key, value in differences.items()), *rest]


def _use_local_keys(raw: dict[str, Any]) -> dict[str, Any]:
    """Return the config of the file with the caches, journals and tracking store of conf/ in place of its own.

    The file may come from a stranger, who could have filled such a cache, and to whose store the report would go. A
    cache that the file switches off (null) stays off.
    """
    hydra = _read_conf("config.yaml")["hydra"]
    for group, (key, choice) in _LOCAL_KEYS.items():
        node = raw.get(group)
        if isinstance(node, dict) and node.get(key) is not None:
            raw[group] = node | {key: _read_conf(f"{group}/{choice}.yaml")[key]}
    if isinstance(raw.get("parallel"), dict):
        raw["parallel"] = raw["parallel"] | {"address": None}  # a scheduler sends code
    overrides = [{f"override hydra/{key}": value} for key, value in _HYDRA.items()]
    return {"defaults": ["_self_", *overrides], "hydra": hydra, **raw}


def _read_conf(page: str) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((CONF / page).read_text())
    return content
