"""`ofiml run --config FILE`: start a run from a resolved config instead of conf/."""

from pathlib import Path
from typing import Any

import yaml
from hydra.core.config_store import ConfigStore

from ofiml.cli.conf import CONF, is_group
from ofiml.config.plain import read
from ofiml.errors import ConfigError

_FLAG = "--config"

# Where a run reads and writes its caches, and where it logs: these keys come from conf/, not from the file.
_OURS = {
    "features": ("store", "ofi_only"),
    "dataset": ("store", "databento"),
    "tuning": ("storage", "optuna"),
    "tracking": ("uri", "mlflow"),
}


def taken(arguments: list[str]) -> list[str]:
    """Translate `--config FILE` for Hydra: register the file as a config and return arguments that name it.

    Raises ConfigError for a file that holds more than values, and for a choice of a group: such a config has no groups.
    """
    found = [i for i, argument in enumerate(arguments) if argument.partition("=")[0] == _FLAG]
    if not found:
        return arguments
    at = found[0]
    _, equals, name = arguments[at].partition("=")
    rest = arguments[:at] + arguments[at + 1 if equals else at + 2 :]
    name = name if equals else "".join(arguments[at + 1 : at + 2])
    if len(found) > 1 or not name or name.startswith("-"):
        raise ConfigError(f"{_FLAG} takes one file: the config.yaml or tuned.yaml of a study.")
    for argument in rest:
        group, equals, _ = argument.lstrip("+~").partition("=")
        if equals and is_group(group):
            raise ConfigError(f"{argument} chooses a group, but {name} holds values only: write {group}.KEY=VALUE.")
    ConfigStore.instance().store("plain", _page(read(Path(name))))
    return ["--config-name", "plain", *rest]


def _page(raw: dict[str, Any]) -> dict[str, Any]:
    """The config of the file, with the folders, caches, journals and tracking store of conf/ instead of its own.

    The file may come from a stranger, who could have filled such a cache or would receive the report. A cache that the
    file switches off (null) stays off.
    """
    hydra = _on("config.yaml")["hydra"]
    for group, (key, choice) in _OURS.items():
        node = raw.get(group)
        if isinstance(node, dict) and node.get(key) is not None:
            raw[group] = node | {key: _on(f"{group}/{choice}.yaml")[key]}
    return {"defaults": ["_self_", {"override hydra/job_logging": "none"}], "hydra": hydra, **raw}


def _on(page: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((CONF / page).read_text())
    return found
