"""What is typed, checked before Hydra sees it: Hydra writes it into files, and is terse about choices."""

import difflib
from collections.abc import Sequence
from pathlib import Path

from omegaconf import DictConfig

from ofiml.cli.conf import CONF, choices, folders, is_group
from ofiml.config import Config, load, without_credentials
from ofiml.errors import ConfigError


def check(arguments: list[str]) -> None:
    """Raises ConfigError for a choice that a group does not have, several without -m, or a typed credential."""
    sweep = any(a in ("-m", "--multirun") for a in arguments)
    among = folders(arguments)
    for argument in arguments:
        key, equals, value = argument.lstrip("+").partition("=")
        if key == "tracking.uri" and without_credentials(value.strip("'\"")) != value.strip("'\""):
            raise ConfigError("tracking.uri holds a credential: give it as MLFLOW_TRACKING_URI, not typed.")
        if equals and is_group(key, among) and "(" not in value:
            _check_choice(key, value, sweep, among)


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


def compose(overrides: list[str], config_dir: Path | None = None) -> DictConfig:
    """Compose conf/, the groups and choices of the user's own folder, and the overrides, as Hydra does."""
    from hydra import compose as hydra_compose
    from hydra import initialize_config_dir

    more = [] if config_dir is None else [f"hydra.searchpath=['{_quoted(config_dir)}']"]
    with initialize_config_dir(str(CONF), version_base=None):
        return hydra_compose("config", overrides=[*more, *overrides])


def _quoted(folder: Path) -> str:
    """The folder as a URL, for a quoted value of Hydra's grammar."""
    return f"file://{folder.absolute()}".replace("'", r"\'")


def composed(overrides: list[str], example: str, config_dir: str | None = None) -> Config:
    """The typed config of overrides as `ofiml run` takes them, tracking off, for commands beside it. Raises ConfigError
    for what `check` refuses and for what is no override, of which `example` is one.
    """
    check([*overrides, *([] if config_dir is None else [f"--config-dir={config_dir}"])])
    for one in overrides:
        if "=" not in one:
            raise ConfigError(f"{one!r} is no override: write {example}.")
    return load(compose(["tracking=off", *overrides], None if config_dir is None else Path(config_dir)))
