"""What the predictions rest on: SHAP values out of sample, and whether folds agree on them."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ofiml.features.catalogue import CATALOGUE
from ofiml.metrics.scores import rank_ic

Float = NDArray[np.float64]


def importance(names: list[str], by_fold: Float) -> list[dict[str, Any]]:
    """One entry a feature, most important first, from mean |SHAP| per fold (folds, features).

    `mean_abs_shap` is the mean over folds, `folds` each fold's, `rank_low` and `rank_high` the best and worst place
    that a fold gives it.
    """
    places = np.argsort(np.argsort(-by_fold, axis=1, kind="stable"), axis=1, kind="stable") + 1
    entries = [
        {
            "feature": name,
            "mean_abs_shap": float(by_fold[:, i].mean()),
            "folds": by_fold[:, i].tolist(),
            "rank_low": int(places[:, i].min()),
            "rank_high": int(places[:, i].max()),
        }
        for i, name in enumerate(names)
    ]
    return sorted(entries, key=lambda e: -e["mean_abs_shap"])


def stability(by_fold: Float) -> float:
    """Mean rank correlation of the features' importance between folds; NaN with fewer than 2 folds or features."""
    pairs = [(i, j) for i in range(len(by_fold)) for j in range(i)]
    values = [rank_ic(by_fold[i], by_fold[j]) for i, j in pairs]
    return float(np.mean(values)) if values else float("nan")


def family(name: str) -> str:
    """The family of a feature: its group in the catalogue, `cross` for another symbol's flow, else `flow`."""
    if name in CATALOGUE:
        return CATALOGUE[name].group
    return "cross" if name.startswith("cross_") else "flow"


def by_family(names: list[str], by_fold: Float) -> list[dict[str, Any]]:
    """One entry a family, most important first, from mean |SHAP| per fold (folds, features): `family`, its `columns`,
    how many as `features`, the sum of their `mean_abs_shap`, its `share` of all and each fold's sum as `folds`.
    """
    families = [family(name) for name in names]
    total = float(by_fold.mean(axis=0).sum())
    entries = []
    for name in dict.fromkeys(families):
        columns = [i for i, of in enumerate(families) if of == name]
        folds = by_fold[:, columns].sum(axis=1)
        value = float(folds.mean())
        entries.append(
            {
                "family": name,
                "columns": columns,
                "features": len(columns),
                "mean_abs_shap": value,
                "share": value / total if total > 0 else float("nan"),
                "folds": folds.tolist(),
            }
        )
    return sorted(entries, key=lambda e: -e["mean_abs_shap"])
