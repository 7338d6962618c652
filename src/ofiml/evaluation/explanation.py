"""What the folds' models rest on, beyond SHAP: families of features, permutation, interactions. All out of sample."""

from typing import Any

import joblib
import numpy as np
import polars as pl
from numpy.typing import NDArray

from ofiml.config import Config
from ofiml.evaluation.importance import by_family
from ofiml.metrics.interactions import POINTS, interactions, pairs
from ofiml.metrics.permutation import permutation
from ofiml.metrics.sampling import sample
from ofiml.metrics.scores import rank_ic, up_if_moved
from ofiml.training.folds import FoldResult, inputs

Float = NDArray[np.float64]

_MOST = 20  # features that are dealt out one by one, those of the largest SHAP values
_ROUNDING = 1e-9  # of a score's spread; what is below is no interaction
_CERTAIN = 1.0 - 1e-12


def explained(results: list[FoldResult], levels: int, config: Config) -> dict[str, Any]:
    """`families`: per family of features `features` (how many), `mean_abs_shap` (their sum) and `share` of all, with
    each fold's in `folds`, and what the skill out of sample loses without all of them: `drop_r2` and `drop_ic`.

    `permutation`: the same drops of the 20 features with the largest SHAP values, in `features` with each fold's drop
    in R² as `folds` and `error`, the standard error of their mean; `agreement` is the rank correlation of these drops
    with the SHAP values. None with evaluation.permutation_repeats=0, which also leaves the families' drops null.

    `interactions`: the pairs of the few features with the largest SHAP values, strongest first: `strength` (of a
    direction in log-odds, else in the label's unit), `share` (Friedman's H²) and each fold's strength as `folds`;
    `additive` says that the models add their features up, so that there are none. None with evaluation.interactions=0.
    """
    names = results[0].pipeline.feature_names
    shap = np.stack([r.shap for r in results])
    order = np.argsort(-shap.mean(axis=0), kind="stable").tolist()
    families = by_family(names, shap)
    singles = order[:_MOST]
    groups = [[i] for i in singles] + [f["columns"] for f in families]
    few = sorted(order[: config.evaluation.interactions])

    def of_fold(result: FoldResult) -> tuple[Float, Float, float]:
        rows = result.predictions.filter(pl.col("y").is_not_null())
        rows = rows[sample(np.arange(rows.height), config.evaluation.importance_rows)]
        pipeline = result.pipeline
        x = pipeline.features(*inputs(rows, levels, config))
        y, mean = rows["y"].to_numpy(), rows["train_mean"].to_numpy()
        rng = np.random.default_rng([config.seed, result.fold.index])
        repeats = config.evaluation.permutation_repeats
        drops = permutation(pipeline.model.predict, x, y, mean, groups, repeats=repeats, rng=rng) if repeats else None

        def score(at: Float) -> Float:
            chances = pipeline.model.probabilities(at)
            if chances is None:
                return pipeline.model.predict(at)
            return 2.0 * np.arctanh(np.clip(2.0 * up_if_moved(chances) - 1.0, -_CERTAIN, _CERTAIN))

        points = x[sample(np.arange(len(x)), POINTS)]
        spread = float(np.ptp(score(points))) if len(points) else 0.0
        found = interactions(score, points, few)
        return np.empty((0, 2)) if drops is None else drops, found, spread

    parallel = joblib.Parallel(n_jobs=config.threads, prefer="threads")
    parts = list(parallel(joblib.delayed(of_fold)(r) for r in results))
    permuted = np.stack([drops for drops, _, _ in parts])  # (folds, groups, 2)
    known = bool(config.evaluation.permutation_repeats)
    for i, family in enumerate(families):
        del family["columns"]
        drop = permuted[:, len(singles) + i].mean(axis=0) if known else (None, None)
        family |= {"drop_r2": _plain(drop[0]), "drop_ic": _plain(drop[1])}
    return {
        "families": families,
        "permutation": _permutation(names, singles, shap, permuted) if known else None,
        "interactions": _interactions(names, few, parts) if len(few) > 1 else None,
    }


def _plain(value: Any) -> float | None:
    return None if value is None else float(value)


def _permutation(names: list[str], singles: list[int], shap: Float, permuted: Float) -> dict[str, Any]:
    drops = permuted[:, : len(singles)]
    mean = drops.mean(axis=0)
    entries = [
        {
            "feature": names[i],
            "drop_r2": float(mean[k, 0]),
            "error": float(drops[:, k, 0].std(ddof=1) / np.sqrt(len(drops))) if len(drops) > 1 else float("nan"),
            "drop_ic": float(mean[k, 1]),
            "folds": drops[:, k, 0].tolist(),
        }
        for k, i in enumerate(singles)
    ]
    agreement = rank_ic(shap.mean(axis=0)[singles], mean[:, 0]) if len(singles) > 2 else float("nan")
    return {"features": sorted(entries, key=lambda e: -e["drop_r2"]), "agreement": agreement}


def _interactions(names: list[str], few: list[int], parts: list[tuple[Float, Float, float]]) -> dict[str, Any]:
    found = np.stack([part for _, part, _ in parts])  # (folds, pairs, 2)
    largest = max(spread for _, _, spread in parts)
    additive = bool(found[:, :, 0].max() <= _ROUNDING * largest)
    if additive:
        found = np.zeros_like(found)
    entries = [
        {
            "features": [names[j], names[k]],
            "strength": float(found[:, i, 0].mean()),
            "share": float(np.nanmean(share)) if (share := found[:, i, 1])[~np.isnan(share)].size else float("nan"),
            "folds": found[:, i, 0].tolist(),
        }
        for i, (j, k) in enumerate(pairs(few))
    ]
    return {"additive": additive, "pairs": sorted(entries, key=lambda e: -e["strength"])}
