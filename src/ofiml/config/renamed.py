"""Earlier names of config keys, which logged configs and the params of logged runs may contain."""

import json
from collections.abc import Mapping
from typing import Any

from ofiml.config.parallel import FIRST_WORKERS
from ofiml.config.report import FIRST_FILES

#: The current name of each earlier key. Keys of `model` are also keys of the members of a blend.
RENAMED = {
    "backtest.edge_multiple": "strategy.edge_multiple",
    "backtest.max_position": "strategy.max_position",
    "evaluation.bootstrap": "evaluation.bootstrap_samples",
    "evaluation.level": "evaluation.confidence_level",
    "evaluation.block": "evaluation.block_length",
    "evaluation.permutations": "evaluation.permutation_repeats",
    "features.cross_oldest": "features.cross_max_age",
    "model.held_out": "model.validation_fraction",
    "split.folds": "split.n_folds",
    "split.groups": "split.n_groups",
    "split.tested": "split.n_test_groups",
    "tuning.chosen": "tuning.best_params",
}

INSTRUMENTS = "dataset.instruments"  # in the params of a run, one JSON text

#: Keys of the backtest that became keys of the instrument, `dataset.instruments.PATTERN`, with an example.
MOVED_TO_INSTRUMENT = {
    "backtest.fee_per_unit": (("taker", "per_unit"), "{taker: {per_unit: 0.005}}"),
    "backtest.fee_bps": (("taker", "bps"), "{taker: {bps: 5}}"),
    "backtest.days_per_year": (("days_per_year",), "{days_per_year: 365}"),
}

#: The strategy of every run from the time when its keys were in the group `backtest`.
_FIRST_STRATEGY: dict[str, Any] = {
    "name": "threshold",
    "entry": "take",
    "sizing": "fixed",
    "lots": None,
    "max_position": 100,
    "hold": None,
    "stop_ticks": None,
    "take_profit_ticks": None,
    "flat_before_close": "0s",
    "loss_limit": None,
    "threshold": "cost",
    "edge_multiple": 1.0,
    "quantile": 0.9,
}


def current_key(path: str) -> str | None:
    """Return the current name of an earlier key; None if `path` is not an earlier name."""
    parts = path.split(".")
    if parts[:2] == ["model", "members"] and len(parts) == 4:
        new = RENAMED.get(f"model.{parts[3]}")
        return new and ".".join([*parts[:3], new.removeprefix("model.")])
    return RENAMED.get(path)


def update_config(raw: Mapping[str, Any]) -> dict[str, Any]:
    """Return a logged config with current keys, and with the groups that earlier configs do not have."""
    later = {"report": dict(FIRST_FILES), "parallel": dict(FIRST_WORKERS)}
    return later | rename_config(raw)


def rename_config(raw: Mapping[str, Any]) -> dict[str, Any]:
    """Return a logged config with current keys.

    A triple barrier, once a direction with a stop, is now a form, and the strategy, once part of the backtest, is a
    group. The fees of the backtest, once the same for every symbol, are now those of an instrument that matches every
    symbol.
    """
    renamed = {group: _rename_group(str(group), node) for group, node in raw.items()}
    if isinstance(renamed.get("backtest"), dict) and "strategy" not in renamed:
        renamed |= _separate_strategy(renamed["backtest"])
    model = renamed.get("model")
    if isinstance(model, dict) and isinstance(model.get("members"), dict):
        members = {name: _rename_group("model", node) for name, node in model["members"].items()}
        renamed["model"] = model | {"members": members}
    target = renamed.get("target")
    if isinstance(target, dict) and target.get("form") == "direction" and target.get("stop") is not None:
        renamed["target"] = target | {"form": "triple_barrier"}
    return _move_fees(renamed)


def _move_fees(raw: dict[str, Any]) -> dict[str, Any]:
    """Move the fees and days of a logged backtest to the instrument of every symbol, unless it states them itself."""
    backtest, dataset = raw.get("backtest"), raw.get("dataset")
    if not isinstance(backtest, dict) or not isinstance(dataset, dict):
        return raw
    moved = {key: backtest[key] for key in backtest if f"backtest.{key}" in MOVED_TO_INSTRUMENT}
    instruments = dataset.get("instruments", {})
    if not moved or not isinstance(instruments, dict):
        return raw
    every: dict[str, Any] = {}
    for key, value in moved.items():
        *group, name = MOVED_TO_INSTRUMENT[f"backtest.{key}"][0]
        (every.setdefault(group[0], {}) if group else every)[name] = value
    stated = instruments.get("*", {})
    return raw | {
        "backtest": {key: value for key, value in backtest.items() if key not in moved},
        "dataset": dataset
        | {"instruments": instruments | {"*": every | stated if isinstance(stated, dict) else stated}},
    }


def _rename_group(group: str, node: Any) -> Any:
    """Rename the keys of a group that stay in it, unless the group has both names."""
    if not isinstance(node, dict):
        return node
    new = {}
    for key in node:
        new_group, _, name = RENAMED.get(f"{group}.{key}", f"{group}.{key}").partition(".")
        new[key] = name if new_group == group and name not in node else key
    return {new[key]: value for key, value in node.items()}


def _separate_strategy(backtest: dict[str, Any]) -> dict[str, Any]:
    """Separate the strategy from the backtest of a config without a strategy."""
    moved = {key: RENAMED[f"backtest.{key}"].removeprefix("strategy.") for key in backtest if _is_of_strategy(key)}
    strategy = _FIRST_STRATEGY | {name: backtest[key] for key, name in moved.items()}
    return {"strategy": strategy, "backtest": {key: value for key, value in backtest.items() if key not in moved}}


def _is_of_strategy(key: str) -> bool:
    return RENAMED.get(f"backtest.{key}", "").startswith("strategy.")


def rename_params(params: Mapping[str, str]) -> dict[str, str]:
    """Return the flat params of a logged run with current keys; fees of the backtest are part of the instruments."""
    renamed = {current_key(key) or key: value for key, value in params.items() if key not in MOVED_TO_INSTRUMENT}
    numbers = {key.removeprefix("backtest."): _read_number(params[key]) for key in MOVED_TO_INSTRUMENT if key in params}
    if numbers:
        moved = _move_fees({"backtest": numbers, "dataset": {}})
        renamed.setdefault(INSTRUMENTS, json.dumps(moved["dataset"]["instruments"], sort_keys=True))
    if "backtest.latency" in renamed and "strategy.name" not in renamed:
        renamed = {f"strategy.{key}": str(value) for key, value in _FIRST_STRATEGY.items()} | renamed
    if renamed.get("target.form") == "direction" and renamed.get("target.stop", "None") != "None":
        renamed["target.form"] = "triple_barrier"
    return renamed


def _read_number(text: str) -> int | float | str:
    """Read a number of a param; a text that is none stays as it is."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
