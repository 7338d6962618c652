"""Check the command line before Hydra reads it, and compose the config.

Hydra would log credentials, and its messages are terse.
"""

import difflib
import shlex
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path

from ofiml.config import Config, FileDataset, SyntheticDataset, files, load, require_no_credential
from ofiml.config.effect import explain_unused_keys
from ofiml.errors import ConfigError
from ofiml.overrides.composition import compose
from ofiml.overrides.conf import is_group, list_choices, list_folders
from ofiml.overrides.flags import check_flags
from ofiml.overrides.installed import list_installed_choices
from ofiml.overrides.signs import check_removals, check_sign


def check_arguments(arguments: list[str]) -> None:
    """Check the arguments of a command.

    Raises ConfigError for an unknown flag or choice, several choices without -m, a credential, code to run, and a + or
    ~ before a key that is not an item of a mapping. + may also precede a group of the user's own folder.
    """
    check_flags(arguments)
    sweep = any(a in ("-m", "--multirun") for a in arguments)
    conf_folders = list_folders(arguments)
    # A choice of an installed package may lack a YAML; its keys are then added one by one.
    pairs = [(group, name) for group, _, name in (a.partition("=") for a in arguments)]
    installed = {group for group, name in pairs if name in list_installed_choices(group)}
    for argument in arguments:
        sign = argument[: len(argument) - len(argument.lstrip("+~"))]
        key, equals, value = argument[len(sign) :].partition("=")
        if not key:
            raise ConfigError(f"{argument!r} names no key: write group=choice or key=value.")
        if key == "hydra.mode":
            raise ConfigError(f"{argument}: -m runs a sweep, and without it a run is one; leave it out.")
        if "_target_" in argument:
            raise ConfigError(f"{argument} names code to run; a config has values alone.")
        require_no_credential(key, value)
        own_group = is_group(key, conf_folders) and not is_group(key)
        if equals and not sign.startswith("~") and is_group(key, conf_folders) and "(" not in value:
            _check_choice(key, value, sweep, conf_folders)
        if sign and not (sign == "+" and (own_group or key.partition(".")[0] in installed)):
            check_sign(sign, key, argument)


def _check_choice(group: str, value: str, sweep: bool, conf_folders: Sequence[Path]) -> None:
    each = value.strip("[]").replace(" ", "")
    if each and (value.startswith("[") or ("," in value and not sweep)):
        raise ConfigError(f"{group} takes one choice per run: write -m {group}={each} for one run of each.")
    known = list_choices(group, conf_folders) + (["null"] if group in ("debug", "experiment") else [])
    for name in value.split(","):
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            hint = f" Did you mean {group}={close[0]}?" if close else ""
            other = f" For any other length write horizon.length={name}." if group == "horizon" else ""
            raise ConfigError(f"{group}={name} is not a choice; {group} is one of {', '.join(known)}.{hint}{other}")


def check_effect(overrides: list[str], config: Config) -> None:
    """Check that each override has an effect in the config. A run must not log a setting that it did not use.

    Raises ConfigError for an override without effect.
    """
    reasons = explain_unused_keys(config)
    for override in overrides:
        key = override.lstrip("+").partition("=")[0]
        for unused, reason in reasons.items():
            if key == unused or key.startswith(f"{unused}."):
                raise ConfigError(f"{override} has no effect: {reason}.")


def check_tuned(overrides: list[str], config: Config) -> None:
    """Check that a single run sets nothing of tuning for a model without parameters. In a sweep other members use it.

    Raises ConfigError for an override without effect.
    """
    if not config.tuning.enabled or config.model.space:
        return
    for override in overrides:
        if override.startswith("tuning."):
            raise ConfigError(f"{override} has no effect: model={config.model.name} has nothing to tune; leave it out.")


def check_inputs(overrides: list[str], config: Config) -> None:
    """Check what can be known before the heavy imports: that each override has an effect, and that inputs exist.

    Raises ConfigError, also for an installed family of features that cannot be loaded, and DataError for missing files.
    """
    check_effect(overrides, config)
    from ofiml.features.catalogue import select_features

    select_features(config.features.columns)
    if isinstance(config.dataset, FileDataset):
        from ofiml.data.inputs import group_inputs

        group_inputs(config.dataset)


def compose_config(overrides: list[str], example: str, config_dir: str | None = None) -> Config:
    """Return the typed config of overrides in the syntax of `ofiml run`, with tracking off.

    Raises ConfigError where `check_arguments`, `check_removals` or `check_effect` does, and for an argument that is not
    an override; the message then suggests `example`.
    """
    for override in overrides:
        if not isinstance(override, str):  # from Python
            raise ConfigError(f"{override!r} is not an override: give each as a text of its own, as in {example!r}.")
    arguments = [*overrides, *([] if config_dir is None else [f"--config-dir={config_dir}"])]
    check_arguments(arguments)
    for override in overrides:
        if "=" not in override and not override.startswith("~"):
            hint = f" ofiml data describe {shlex.quote(override)} prints what to write." if files(override) else ""
            raise ConfigError(f"{override!r} is not an override: write {example}.{hint}")
    check_removals(arguments)
    config = load(compose(["tracking=off", *overrides], None if config_dir is None else Path(config_dir)))
    check_effect(overrides, config)
    return config


def compose_dataset(
    overrides: list[str], command: str, config_dir: str | None = None, *, other_keys: Sequence[str] = ()
) -> Config:
    """Return the typed config for a command that reads a dataset and runs no study.

    Of the config `command` uses the dataset, with its instruments, and `other_keys`. Raises ConfigError where
    `compose_config` does, and for an override that changes none of these.
    """
    config = compose_config(overrides, "dataset=lobster dataset.path=FILE", config_dir)
    used = ", ".join(("dataset", "instrument", *other_keys))
    for override in overrides:
        key = override.lstrip("+~").partition("=")[0].rpartition("@")[2]
        if key.partition(".")[0] in ("dataset", "instrument") or key in other_keys:
            continue
        own_part = key in {f.name for f in fields(Config)} or "." in key
        rest = [other for other in overrides if other != override]
        if own_part or _compose_alone(rest, config_dir) == config.dataset:
            raise ConfigError(f"{override} has no effect: {command} uses only {used}; leave it out.")
    return config


def _compose_alone(overrides: list[str], config_dir: str | None) -> SyntheticDataset | FileDataset | None:
    """Return the dataset of overrides; None if they make none without the one that was left out."""
    try:
        return load(compose(["tracking=off", *overrides], None if config_dir is None else Path(config_dir))).dataset
    except ConfigError:
        return None
