"""`python -m ofiml.run --config FILE`: a resolved config as the page that a run starts from, instead of conf/."""

import os
from pathlib import Path
from typing import Any

import yaml
from hydra.core.config_store import ConfigStore

from ofiml.arguments import CONF
from ofiml.config import without_credentials
from ofiml.config.plain import read
from ofiml.errors import ConfigError

_FLAG, _STORE = "--config", "MLFLOW_TRACKING_URI"


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
        if equals and (CONF / group).is_dir():
            raise ConfigError(
                f"{argument} is a choice, and {name} has values only: write {group}.KEY=VALUE, with its keys."
            )
    ConfigStore.instance().store("plain", _page(read(Path(name))))
    return ["--config-name", "plain", *rest]


def _page(raw: dict[str, Any]) -> dict[str, Any]:
    """The config with what conf/config.yaml says of Hydra itself: where a run writes, and that it logs nothing."""
    hydra = yaml.safe_load((CONF / "config.yaml").read_text())["hydra"]
    tracking, store = raw.get("tracking"), os.environ.get(_STORE)
    # A file has no credentials: those of the same store are the environment's.
    if store and isinstance(tracking, dict) and tracking.get("uri") == without_credentials(store):
        raw["tracking"] = tracking | {"uri": f"${{oc.env:{_STORE}}}"}
    return {"defaults": ["_self_", {"override hydra/job_logging": "none"}], "hydra": hydra, **raw}
