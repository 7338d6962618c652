"""The report of a study, as other tools read it from report.json.

A value that is not defined is null there, never NaN.
"""

import hashlib
import json
import math
from dataclasses import asdict, dataclass
from typing import Any

import polars as pl


@dataclass(slots=True)
class Report:
    """The verdict and what is needed to trust it.

    `kind` is forecast or impact; `metrics` holds `pooled` (measure -> value, low, high), `folds` (one mapping per
    fold), `hac` (`lag`, and t and p of the IC and of the slope of outcomes on predictions) and, with several symbols,
    `symbols` (IC, interval, t, p, false-discovery q of each); `impact` is filled for impact runs, `backtest` for
    forecasts; `ofi["weights"]` has one list per fold for fitted variants (of each group of flow, where there are
    several); `rows["never_known"]` names features without a value; `tuning` has, of each tuned fold, the `best`
    parameters, the `importance` of each (its share of the score's variance), and the `trials` with `params`, `state`
    (complete, pruned, failed), `score` and the `scores` of their inner folds; `seeds` has the pooled measures with each
    of `config.seeds` in `runs`, and their spread in `measures`; `controls` is what `controls` found, by control,
    null where switched off; `folds` says of each which spans of time it tested. With split=cpcv `metrics` has also
    `paths` (one mapping per path), and `backtest` the means over paths, each one's own as `paths`, and their `spread`.

    `strata` has an entry a stratum (evaluation/strata.py), `decay` one a horizon (evaluation/decay.py, null for an
    impact), `reliability` the curves of a direction's probabilities (evaluation/reliability.py), `explained` the
    families of features, permutation and interactions (explained.py). `leak_check` is what the leak check held against
    another future, null where switched off.
    """

    kind: str
    dataset: dict[str, Any]
    rows: dict[str, Any]
    ofi: dict[str, Any]
    model: dict[str, Any]
    folds: list[dict[str, Any]]
    predictions: dict[str, Any]
    metrics: dict[str, Any]
    impact: dict[str, Any] | None
    strata: list[dict[str, Any]]
    decay: list[dict[str, Any]] | None
    reliability: dict[str, Any] | None
    importance: list[dict[str, Any]]
    importance_stability: float
    explained: dict[str, Any]
    seeds: dict[str, Any] | None
    tuning: list[dict[str, Any]]
    backtest: dict[str, Any] | None
    controls: dict[str, Any] | None
    leak_check: dict[str, Any] | None
    runtime: dict[str, Any]

    def to_json(self) -> str:
        return json.dumps(finite(asdict(self)), indent=1, allow_nan=False)


def finite(value: Any) -> Any:
    """The value with None for every number that JSON does not have."""
    if isinstance(value, dict):
        return {k: finite(v) for k, v in value.items()}
    if isinstance(value, list):
        return [finite(v) for v in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def predictions_sha256(predictions: pl.DataFrame) -> str:
    """SHA-256 of `symbol`, `bar_close`, `fold`, `y`, `y_hat`, and `path` where there are paths, in row order: of the
    values, not of a file's encoding.
    """
    digest = hashlib.sha256()
    for symbol in predictions["symbol"]:
        digest.update(symbol.encode() + b"\0")
    for column, dtype in (("bar_close", "<i8"), ("fold", "<i4"), ("y", "<f8"), ("y_hat", "<f8"), ("path", "<i4")):
        if column == "path" and column not in predictions.columns:
            continue
        digest.update(predictions[column].to_physical().to_numpy().astype(dtype).tobytes())
    return digest.hexdigest()


def flat(report: dict[str, Any]) -> dict[str, float]:
    """Every number of a report's results by its path, runtime left out: what a reproduction must repeat."""
    numbers: dict[str, float] = {}

    def walk(path: str, value: Any) -> None:
        if isinstance(value, dict):
            for k, v in value.items():
                walk(f"{path}.{k}" if path else k, v)
        elif isinstance(value, list):
            for i, v in enumerate(value):
                walk(f"{path}[{i}]", v)
        elif isinstance(value, int | float) and not isinstance(value, bool):
            numbers[path] = value

    walk("", {k: v for k, v in report.items() if k != "runtime"})
    return numbers
