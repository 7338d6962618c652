"""What is typed, checked before Hydra sees it: Hydra writes it into files, and is terse about what is wrong with it."""

import difflib
from collections.abc import Sequence
from pathlib import Path

from omegaconf import DictConfig

from ofiml.cli.conf import CONF, choices, folders, is_group
from ofiml.cli.installed import register_installed
from ofiml.config import Config, load, strip_credentials
from ofiml.config.effect import without_effect
from ofiml.errors import ConfigError

#: Keys with mappings, to which `+KEY.NAME=…` adds an item and from which `~KEY.NAME` takes one.
MAPPINGS = ("model.space", "model.members", "dataset.columns")


def check(arguments: list[str]) -> None:
    """Raises ConfigError for a choice that a group does not have, several without -m, a typed credential, or a + or ~
    before a key that is not an item of a mapping.
    """
    sweep = any(a in ("-m", "--multirun") for a in arguments)
    among = folders(arguments)
    for argument in arguments:
        sign = argument[: len(argument) - len(argument.lstrip("+~"))]
        key, equals, value = argument[len(sign) :].partition("=")
        if key == "tracking.uri" and strip_credentials(value.strip("'\"")) != value.strip("'\""):
            raise ConfigError("tracking.uri holds a credential: give it as MLFLOW_TRACKING_URI, not typed.")
        if sign:
            _check_sign(sign, key, argument)
        if equals and is_group(key, among) and "(" not in value:
            _check_choice(key, value, sweep, among)


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


def _check_choice(group: str, value: str, sweep: bool, among: Sequence[Path]) -> None:
    if value.startswith("[") or ("," in value and not sweep):
        each = value.strip("[]").replace(" ", "")
        raise ConfigError(f"{group} takes one choice a run: -m {group}={each} runs one after the other.")
    known = choices(group, among) + (["null"] if group in ("debug", "experiment") else [])
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


def compose(overrides: list[str], config_dir: Path | None = None) -> DictConfig:
    """Compose conf/, the groups and choices of the user's own folder, and the overrides, as Hydra does."""
    from hydra import compose as hydra_compose
    from hydra import initialize_config_dir

    register_installed()
    more = [] if config_dir is None else [f"hydra.searchpath=['{_quoted(config_dir)}']"]
    with initialize_config_dir(str(CONF), version_base=None):
        return hydra_compose("config", overrides=[*more, *overrides])


def _quoted(folder: Path) -> str:
    """The folder as a URL, for a quoted value of Hydra's grammar."""
    return f"file://{folder.absolute()}".replace("'", r"\'")


def composed(overrides: list[str], example: str, config_dir: str | None = None) -> Config:
    """The typed config of overrides as `ofiml run` takes them, tracking off, for commands beside it. Raises ConfigError
    for what `check` and `check_effect` refuse and for an argument that is not an override, such as `example`.
    """
    check([*overrides, *([] if config_dir is None else [f"--config-dir={config_dir}"])])
    for one in overrides:
        if "=" not in one and not one.startswith("~"):
            raise ConfigError(f"{one!r} is not an override: write {example}.")
    config = load(compose(["tracking=off", *overrides], None if config_dir is None else Path(config_dir)))
    check_effect(overrides, config)
    return config
