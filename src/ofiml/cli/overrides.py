"""What is typed, checked before Hydra sees it: Hydra writes it into files, and is terse about choices."""

import difflib
import re
from pathlib import Path

from omegaconf import DictConfig

from ofiml.cli.installed import installed_choices, register_installed
from ofiml.config import Config, load, without_credentials
from ofiml.errors import ConfigError

CONF = Path(__file__).parents[3] / "conf"


def check(arguments: list[str]) -> None:
    """Raises ConfigError for a choice that a group does not have, several without -m, or a typed credential."""
    sweep = any(a in ("-m", "--multirun") for a in arguments)
    for argument in arguments:
        key, equals, value = argument.lstrip("+").partition("=")
        if key == "tracking.uri" and without_credentials(value.strip("'\"")) != value.strip("'\""):
            raise ConfigError("tracking.uri holds a credential: give it as MLFLOW_TRACKING_URI, not typed.")
        if equals and (CONF / key).is_dir() and key.isidentifier() and "(" not in value:
            _check_choice(key, value, sweep)


def _check_choice(group: str, value: str, sweep: bool) -> None:
    if value.startswith("[") or ("," in value and not sweep):
        each = value.strip("[]").replace(" ", "")
        raise ConfigError(f"{group} takes one choice a run: -m {group}={each} runs one after the other.")
    known = choices(group) + (["null"] if group in ("debug", "experiment") else [])
    for name in value.split(","):
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            hint = f" Did you mean {group}={close[0]}?" if close else ""
            other = f" Any other length is written horizon.length={name}." if group == "horizon" else ""
            raise ConfigError(f"{group}={name} is not a choice; {group} is one of {', '.join(known)}.{hint}{other}")


def compose(overrides: list[str]) -> DictConfig:
    """What Hydra makes of conf/, the choices of installed packages and the overrides."""
    from hydra import compose as of_hydra
    from hydra import initialize_config_dir

    register_installed()
    with initialize_config_dir(str(CONF), version_base=None):
        return of_hydra("config", overrides=overrides)


def composed(overrides: list[str], example: str) -> Config:
    """The typed config of overrides as `python -m ofiml.run` takes them, tracking off, for commands beside it. Raises
    ConfigError for what `check` refuses and for what is no override, of which `example` is one.
    """
    check(overrides)
    for one in overrides:
        if "=" not in one:
            raise ConfigError(f"{one!r} is no override: write {example}.")
    return load(compose(["tracking=off", *overrides]))


def choices(group: str) -> list[str]:
    """The choices of a config group, numbers in the order of their size."""
    names = {path.stem for path in (CONF / group).glob("*.yaml")}
    names |= set(installed_choices(group))
    return sorted(names, key=lambda name: (int("".join(re.findall(r"^\d+", name)) or 0), name))
