"""The name and the tags of a run: first what differs from the default study, then model, inputs and span."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence

from ofiml.config import (
    ActivityBars,
    Config,
    Features,
    FileDataset,
    Horizon,
    Ofi,
    SyntheticDataset,
    Target,
    TimeBars,
    resolve_config,
)
from ofiml.config.defaults import Difference, list_differences, read_smoke_settings
from ofiml.reporting.verdict import name_inputs
from ofiml.ui.settings import abbreviate_setting

SEPARATOR = "·"

_MAX_LENGTH = 100  # of a name; a page shows about 22 characters
_MAX_SYMBOLS = 6  # listed in the tag

#: Where data and caches lie on this machine.
_PLACES = ("dataset.path", "dataset.store", "features.store")
#: What the last words of a name say.
_BASE = ("model.name", "ofi.name", "features.name", "horizon", "horizon.length", "horizon.clock", "horizon.size")
_SPAN_OF_IMPACT = ("bars.name", "bars.step", "bars.size")
#: What was studied comes first.
_FIRST = ("dataset", "target", "split")
#: What changes no prediction and no trade, or belongs to the symbol, comes last.
_LAST = ("evaluation", "dataset.instruments")
_SHORT = {"triple_barrier": "barriers"}


def name_run(config: Config, symbols: Sequence[str] = ()) -> str:
    """Name a run, such as `lgbm·mlofi·10s` or `AMZN·cpcv·ridge·mlofi·10s`; `symbols` are known after its study.

    First stands what differs from the default study, however it was set; with its whole key, if another key ends the
    same. What `debug=tiny` changes is left out of the name of a smoke run.
    """
    base = _PLACES + _BASE + (_SPAN_OF_IMPACT if config.target.kind == "impact" else ())
    differences = [d for d in _list_differences(config) if d.key not in base]
    differences.sort(key=lambda d: next((i for i, group in enumerate(_FIRST) if d.key.startswith(group)), len(_FIRST)))
    market = _name_symbol(config.dataset, symbols)
    words = {d.key: market if market and d.key == "dataset.name" else _name_difference(d) for d in differences}
    shared = Counter(_name_key(d.key) for d in differences)
    for d in differences:
        if shared[_name_key(d.key)] > 1 and words[d.key].startswith(f"{_name_key(d.key)}="):
            words[d.key] = f"{d.key}={abbreviate_setting(d.value)}"
    last = [words.pop(d.key) for d in differences if d.key.startswith(_LAST)]
    names = [config.model.name, _name_inputs(config.ofi, config.features), name_span(config)]
    return SEPARATOR.join([*words.values(), *names, *last])[:_MAX_LENGTH]


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


def join_symbols(symbols: Collection[str]) -> str:
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


def _list_differences(config: Config) -> list[Difference]:
    """List what differs from the default study, without what `debug=tiny` changes in a smoke run."""
    differences = list_differences(resolve_config(config))
    smoke = read_smoke_settings(config.split.name)
    suffix = smoke.pop("tracking.suffix")
    here = {d.key: d.value for d in differences}
    if config.tracking.suffix != suffix and any(here.get(key) != value for key, value in smoke.items()):
        return differences
    return [d for d in differences if d.key not in smoke or d.value != smoke[d.key]]


def _name_symbol(dataset: SyntheticDataset | FileDataset, symbols: Sequence[str]) -> str:
    """Name the single symbol of files; empty for several, and for a simulated market."""
    return symbols[0] if len(symbols) == 1 and isinstance(dataset, FileDataset) else ""


def _name_difference(difference: Difference) -> str:
    """Name a choice by itself (`quoting`), and a value with the last part of its key (`seed=8`)."""
    group, _, key = difference.key.partition(".")
    value = difference.value
    if key == "enabled":
        return f"{group}={abbreviate_setting(value, 'on', 'off')}"
    if isinstance(value, Mapping):
        return key
    if isinstance(value, str) and key in ("", "name", "kind", "form"):
        return _SHORT.get(value, value)
    return f"{_name_key(difference.key)}={abbreviate_setting(value)}"


def _name_key(key: str) -> str:
    """Name a key without its group.

    >>> _name_key("dataset.seed"), _name_key("seed")
    ('seed', 'seed')
    """
    group, _, rest = key.partition(".")
    return rest or group
