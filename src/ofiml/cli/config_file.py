"""`python -m ofiml.run --config FILE`: a resolved config as the page that a run starts from, instead of conf/."""

from pathlib import Path
from typing import Any

import yaml
from hydra.core.config_store import ConfigStore

from ofiml.cli.overrides import CONF, is_group
from ofiml.config.plain import read
from ofiml.errors import ConfigError

_FLAG = "--config"

# Where a run reads and writes what it keeps, and whom it tells: the user's choice, on the page that says it.
_OURS = {
    "features": ("store", "ofi_only"),
    "dataset": ("store", "databento"),
    "tuning": ("storage", "optuna"),
    "tracking": ("uri", "mlflow"),
}


def taken(arguments: list[str]) -> list[str]:
    """The arguments as Hydra knows them: where one is `--config FILE`, it names the page that is made of that file.

    Raises ConfigError for a file that holds more than values, and for a choice of a group, which such a page has not.
    """
    found = [i for i, argument in enumerate(arguments) if argument.partition("=")[0] == _FLAG]
    if not found:
        return arguments
    at = found[0]
    _, equals, name = arguments[at].partition("=")
    rest = arguments[:at] + arguments[at + 1 if equals else at + 2 :]
    name = name if equals else "".join(arguments[at + 1 : at + 2])
    if len(found) > 1 or not name or name.startswith("-"):
        raise ConfigError(f"{_FLAG} takes one file, such as the tuned.yaml or config.yaml of a study.")
    for argument in rest:
        group, equals, _ = argument.lstrip("+~").partition("=")
        if equals and is_group(group):
            raise ConfigError(
                f"{argument} is a choice, and {name} has values only: write {group}.KEY=VALUE, with its keys."
            )
    ConfigStore.instance().store("plain", _page(read(Path(name))))
    return ["--config-name", "plain", *rest]


def _page(raw: dict[str, Any]) -> dict[str, Any]:
    """The config with what conf/ says of where a run writes: Hydra's folders, the caches and journals, the tracking
    store, with the environment's credentials. The file's own are a stranger's, who could have filled such a cache, or
    would be sent the report; a cache that it leaves out (null) stays out.
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
