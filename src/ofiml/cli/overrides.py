"""What is typed, checked before Hydra sees it: Hydra writes it into files, and is terse about what is wrong with it."""

import difflib
import re
from pathlib import Path

from omegaconf import DictConfig

from ofiml.cli.installed import installed_choices, register_installed
from ofiml.config import Config, load, without_credentials
from ofiml.config.effect import without_effect
from ofiml.errors import ConfigError

CONF = Path(__file__).parents[3] / "conf"

#: Keys with mappings, to which `+KEY.NAME=…` adds an item and from which `~KEY.NAME` takes one.
MAPPINGS = ("model.space", "model.members", "dataset.columns")


def check(arguments: list[str]) -> None:
    """Raises ConfigError for a choice that a group does not have, several without -m, a typed credential, or a + or ~
    before a key that is not an item of a mapping.
    """
    sweep = any(a in ("-m", "--multirun") for a in arguments)
    for argument in arguments:
        sign = argument[: len(argument) - len(argument.lstrip("+~"))]
        key, equals, value = argument[len(sign) :].partition("=")
        if key == "tracking.uri" and without_credentials(value.strip("'\"")) != value.strip("'\""):
            raise ConfigError("tracking.uri holds a credential: give it as MLFLOW_TRACKING_URI, not typed.")
        if sign:
            _check_sign(sign, key, argument)
        if equals and is_group(key) and "(" not in value:
            _check_choice(key, value, sweep)


def is_group(key: str) -> bool:
    """Whether conf/ has choices for the key."""
    return key.isidentifier() and (CONF / key).is_dir()


def _check_sign(sign: str, key: str, argument: str) -> None:
    path = key.rpartition("@")[2]  # +model@model.members.lasso=lasso puts a choice of model there
    item = path.startswith(tuple(f"{mapping}." for mapping in MAPPINGS))
    if sign in ("+", "~") and (item or path.startswith("hydra.")):
        return
    known = ", ".join(MAPPINGS)
    if sign.startswith("~"):
        off = f"{key}=off" if (CONF / key / "off.yaml").exists() else f"{key}=VALUE"
        raise ConfigError(f"{argument}: ~ takes out an item of {known}, and no other key can be missing: write {off}.")
    plain = argument.lstrip("+~")
    raise ConfigError(f"{argument}: + adds an item to {known}, and all other keys are there already: write {plain}.")


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


def check_effect(overrides: list[str], config: Config) -> None:
    """Raises ConfigError for an override of a key that changes nothing in the config that came of it: the run would be
    logged with a setting that it did not have.
    """
    reasons = without_effect(config)
    for override in overrides:
        key = override.lstrip("+").partition("=")[0]
        for inert, reason in reasons.items():
            if key == inert or key.startswith(f"{inert}."):
                raise ConfigError(f"{override} has no effect: {reason}.")


def compose(overrides: list[str]) -> DictConfig:
    """What Hydra makes of conf/, the choices of installed packages and the overrides."""
    from hydra import compose as of_hydra
    from hydra import initialize_config_dir

    register_installed()
    with initialize_config_dir(str(CONF), version_base=None):
        return of_hydra("config", overrides=overrides)


def composed(overrides: list[str], example: str) -> Config:
    """The typed config of overrides as `python -m ofiml.run` takes them, tracking off, for commands beside it. Raises
    ConfigError for what `check` and `check_effect` refuse and for an argument that is not an override, such as
    `example`.
    """
    check(overrides)
    for one in overrides:
        if "=" not in one and not one.startswith("~"):
            raise ConfigError(f"{one!r} is not an override: write {example}.")
    config = load(compose(["tracking=off", *overrides]))
    check_effect(overrides, config)
    return config


def choices(group: str) -> list[str]:
    """The choices of a config group, numbers in the order of their size."""
    names = {path.stem for path in (CONF / group).glob("*.yaml")}
    names |= set(installed_choices(group))
    return sorted(names, key=lambda name: (int("".join(re.findall(r"^\d+", name)) or 0), name))
