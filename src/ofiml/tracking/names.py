"""The name and the tags of a run: first what differs from the default study, then model, inputs and span."""

import re
from collections.abc import Iterable, Iterator, Sequence

from ofiml.config import ActivityBars, Config, Features, Horizon, Ofi, SyntheticDataset, Target, TimeBars
from ofiml.reporting.verdict import name_inputs

SEPARATOR = "·"

_MAX_LENGTH = 100  # of a name; a page shows about 22 characters
_MAX_SYMBOLS = 6  # listed in the tag

#: The default study, of which a name says nothing. tests/tracking compare it with conf/config.yaml.
DEFAULT_DATASET, DEFAULT_TARGET, DEFAULT_SPLIT = "synthetic", "forecast", "expanding"

#: Groups and keys that a name has anyway, or that change no prediction and no trade.
_NAMED = ("dataset", "target", "split", "model", "ofi", "features", "horizon", "horizon.length", "instrument")
_INERT = (
    "debug",
    "tracking",
    "threads",
    "parallel",
    "hydra",
    "evaluation",
    "dataset.path",
    "dataset.store",
    "features.store",
    "tuning.storage",
)


def name_run(config: Config, overrides: Iterable[str] = (), symbols: Sequence[str] = ()) -> str:
    """Name a run, such as `lgbm·mlofi·10s` or `AMZN·cpcv·ridge·mlofi·10s`; `symbols` are known after its study.

    `overrides` are those of the command line; from them come the differences beside dataset, target and split.
    """
    differences = [
        *_name_dataset(config, symbols),
        *_name_target(config.target),
        *([config.split.name] if config.split.name != DEFAULT_SPLIT else []),
        *_name_overrides(overrides),
    ]
    base = [config.model.name, _name_inputs(config.ofi, config.features), name_span(config)]
    return SEPARATOR.join([*differences, *base])[:_MAX_LENGTH]


def describe_run(config: Config, overrides: Iterable[str]) -> dict[str, str]:
    """Return the tags of a run that are known before its study begins."""
    return {
        "kind": config.target.kind,
        "dataset": config.dataset.label,
        "ofi": config.ofi.name,
        "features": config.features.name,
        "model": config.model.name,
        "horizon": name_span(config),
        "target": config.target.label,
        "split": config.split.name,
        "overrides": join_overrides(overrides),
        "mlflow.source.name": "ofiml",
        "mlflow.source.type": "LOCAL",
    }


def join_overrides(overrides: Iterable[str]) -> str:
    """Join overrides as they were typed, without those of store and Hydra; `none` without any.

    >>> join_overrides(["model=ridge", "tracking.uri=sqlite:///a.db"]), join_overrides([])
    ('model=ridge', 'none')
    """
    return " ".join(one for one in overrides if not one.lstrip("+~").startswith(("tracking.", "hydra"))) or "none"


def join_symbols(symbols: Sequence[str]) -> str:
    """Join the names of a few symbols, or count many.

    >>> join_symbols(["B", "A"]), join_symbols([str(k) for k in range(40)])
    ('A, B', '40 symbols')
    """
    return ", ".join(sorted(symbols)) if len(symbols) <= _MAX_SYMBOLS else f"{len(symbols)} symbols"


def name_span(config: Config) -> str:
    """Name the span of a label: the horizon of a forecast, the bar of an impact."""
    return _name_label(config.target, config.horizon, config.bars)


def _name_label(target: Target, horizon: Horizon, bars: TimeBars | ActivityBars) -> str:
    return horizon.label if target.kind == "forecast" else bars.label


def _name_inputs(ofi: Ofi, features: Features) -> str:
    return name_inputs(ofi, features).replace(" ", "")


def _name_dataset(config: Config, symbols: Sequence[str]) -> list[str]:
    """Name data that are not those of the default: a single symbol of files by itself, else by the dataset."""
    if config.dataset.label == DEFAULT_DATASET:
        return []
    if len(symbols) == 1 and not isinstance(config.dataset, SyntheticDataset):
        return [symbols[0]]
    return [config.dataset.label]


def _name_target(target: Target) -> Iterator[str]:
    """Name a target that is not the default one in a word."""
    label = target.label.partition(" (")[0].replace(" ", "-")
    if label != DEFAULT_TARGET:
        yield {"triple-barrier": "barriers", "volatility-scaled-forecast": "volatility"}.get(label, label)


def _name_overrides(overrides: Iterable[str]) -> Iterator[str]:
    """Name the other overrides: a choice by itself (`quoting`), a value with the last part of its key (`seed=8`)."""
    for override in overrides:
        key, _, value = override.lstrip("+").partition("=")
        if key in _NAMED or any(key.lstrip("~") == inert or key.startswith(f"{inert}.") for inert in _INERT):
            continue
        word = re.fullmatch(r"[a-z][a-z_]+", value) and value not in ("off", "null", "none", "true", "false")
        yield value if word and "." not in key else f"{key.rpartition('.')[2]}={value}"
