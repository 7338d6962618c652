"""Mean |SHAP| out of sample, by feature and by family, and the agreement between folds."""

from dataclasses import dataclass

import numpy as np

from ofiml._typing import Float
from ofiml.features.catalogue import CATALOGUE
from ofiml.metrics.scores import rank_ic


@dataclass(frozen=True, slots=True)
class FeatureImportance:
    """The importance of a feature: its mean |SHAP| over folds and in each fold, and its best and worst rank among the
    folds.
    """

    feature: str
    mean_abs_shap: float
    folds: list[float]
    rank_low: int
    rank_high: int


@dataclass(frozen=True, slots=True)
class FamilyImportance:
    """The importance of a family: its `columns` among all features, the sum of their mean |SHAP| with that of each
    fold, and its `share` of all; NaN if the forecasts are constant.
    """

    family: str
    columns: list[int]
    mean_abs_shap: float
    share: float
    folds: list[float]


def rank_features(names: list[str], by_fold: Float) -> list[FeatureImportance]:
    """Rank the features, most important first, by mean |SHAP| per fold (folds, features)."""
    places = np.argsort(np.argsort(-by_fold, axis=1, kind="stable"), axis=1, kind="stable") + 1
    features = [
        FeatureImportance(
            feature=name,
            mean_abs_shap=float(by_fold[:, i].mean()),
            folds=by_fold[:, i].tolist(),
            rank_low=int(places[:, i].min()),
            rank_high=int(places[:, i].max()),
        )
        for i, name in enumerate(names)
    ]
    return sorted(features, key=lambda f: -f.mean_abs_shap)


def measure_rank_agreement(by_fold: Float) -> float:
    """Measure the mean rank correlation of the features' importance between folds, from (folds, features); NaN with
    fewer than 2 folds or features.
    """
    pairs = [(i, j) for i in range(len(by_fold)) for j in range(i)]
    values = [rank_ic(by_fold[i], by_fold[j]) for i, j in pairs]
    return float(np.mean(values)) if values else float("nan")


def find_family(name: str) -> str:
    """Find the family of a feature: its group in the catalogue, `cross` for another symbol's flow, else `flow`."""
    if name in CATALOGUE:
        return CATALOGUE[name].group
    return "cross" if name.startswith("cross_") else "flow"


def group_families(names: list[str], by_fold: Float) -> list[FamilyImportance]:
    """Group the features into families, most important first, from mean |SHAP| per fold (folds, features)."""
    families = [find_family(name) for name in names]
    total = float(by_fold.mean(axis=0).sum())
    groups = []
    for name in dict.fromkeys(families):
        columns = [i for i, family in enumerate(families) if family == name]
        folds = by_fold[:, columns].sum(axis=1)
        value = float(folds.mean())
        share = value / total if total > 0 else float("nan")
        groups.append(FamilyImportance(name, columns, value, share, folds.tolist()))
    return sorted(groups, key=lambda g: -g.mean_abs_shap)
