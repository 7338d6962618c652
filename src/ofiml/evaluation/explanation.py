"""The features that the folds' models use, out of sample: SHAP values, families, permutation, interactions."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ofiml._typing import Float
from ofiml.evaluation.shap_values import (
    FamilyImportance,
    FeatureImportance,
    group_families,
    measure_rank_agreement,
    rank_features,
)
from ofiml.metrics.interactions import POINTS, list_pairs, measure_interactions
from ofiml.metrics.permutation import measure_permutation_drops
from ofiml.metrics.sampling import sample_evenly
from ofiml.metrics.scores import condition_on_move, rank_ic
from ofiml.models.base import Model
from ofiml.parallel import Workers, run_pieces
from ofiml.training.fitted import FittedStudy
from ofiml.training.folds import FoldResult

_MAX_PERMUTED = 20  # features with the largest SHAP values, which are permuted one by one
_ROUNDING = 1e-9  # relative to the spread of the score; a smaller interaction is rounding
_MAX_DIFFERENCE = 1.0 - 1e-12  # of P(up) and P(down), so that log-odds are finite


@dataclass(frozen=True, slots=True)
class FamilyUse:
    """A family of `features` features: the sum of their mean |SHAP| with that of each fold, its `share` of all, and the
    drop in out-of-sample skill when all are permuted (None with evaluation.permutation_repeats=0).
    """

    family: str
    features: int
    mean_abs_shap: float
    share: float
    folds: list[float]
    drop_r2: float | None
    drop_ic: float | None


@dataclass(frozen=True, slots=True)
class PermutedFeature:
    """The drop in out-of-sample R² and IC when a feature is permuted: the mean over folds, the standard `error` of the
    drop in R² (NaN with one fold), and the drop in R² of each fold.
    """

    feature: str
    drop_r2: float
    error: float
    drop_ic: float
    folds: list[float]


@dataclass(frozen=True, slots=True)
class PermutationImportance:
    """The permutation importance of the features with the largest SHAP values, largest drop first. `agreement` is the
    rank correlation of the drops with the SHAP values, NaN with fewer than 3 features.
    """

    features: list[PermutedFeature]
    agreement: float


@dataclass(frozen=True, slots=True)
class Interaction:
    """A pair of features: the `strength` of their interaction (in the label's unit, or in log-odds of a direction) with
    that of each fold, and its `share` of the joint effect of the pair (Friedman's H²).
    """

    features: list[str]
    strength: float
    share: float
    folds: list[float]


@dataclass(frozen=True, slots=True)
class Interactions:
    """The interactions of pairs of the features with the largest SHAP values, strongest first. `additive` is true if
    the models are additive, and all interactions are 0.
    """

    additive: bool
    pairs: list[Interaction]


@dataclass(frozen=True, slots=True)
class FeatureUse:
    """The use of features by the models. `permutation` is None with evaluation.permutation_repeats=0, `interactions`
    with evaluation.interactions=0.
    """

    families: list[FamilyUse]
    permutation: PermutationImportance | None
    interactions: Interactions | None


@dataclass(frozen=True, slots=True)
class Explanation:
    """The explanation of a study: the features by SHAP value, the mean rank correlation of these between folds, and the
    use of the features.
    """

    importance: list[FeatureImportance]
    importance_stability: float
    use: FeatureUse


@dataclass(frozen=True, slots=True)
class _FoldUse:
    """The use of features in one fold: drops (groups, 2) in R² and IC, strength and share (pairs, 2) of the
    interactions, and the spread of the score.
    """

    drops: Float
    interactions: Float
    spread: float


def explain_fits(fitted: FittedStudy, step: Callable[[], None]) -> Explanation:
    """Explain the predictions of all folds by the features that they use. `step` is called after each fold."""
    evaluation, results = fitted.config.evaluation, fitted.results
    names = results[0].pipeline.feature_names
    shap = np.stack([r.shap for r in results])
    order = np.argsort(-shap.mean(axis=0), kind="stable").tolist()
    families = group_families(names, shap)
    singles = order[:_MAX_PERMUTED]
    groups = [[i] for i in singles] + [f.columns for f in families]
    paired = sorted(order[: evaluation.interactions])

    def explain(result: FoldResult) -> _FoldUse:
        return _explain_fold(fitted, result, groups, paired)

    parts = run_pieces(explain, results, Workers(fitted.config.threads), step)  # threads, which share the study
    drops = np.stack([part.drops for part in parts]) if evaluation.permutation_repeats else None  # (folds, groups, 2)
    use = FeatureUse(
        families=_describe_families(families, None if drops is None else drops[:, len(singles) :]),
        permutation=None if drops is None else _describe_permutation(names, singles, shap, drops[:, : len(singles)]),
        interactions=_describe_interactions(names, paired, parts) if len(paired) > 1 else None,
    )
    return Explanation(rank_features(names, shap), measure_rank_agreement(shap), use)


def _explain_fold(fitted: FittedStudy, result: FoldResult, groups: list[list[int]], paired: list[int]) -> _FoldUse:
    config, model = fitted.config, result.pipeline.model
    known = np.flatnonzero(result.predictions["y"].is_not_null().to_numpy())
    rows = result.predictions[sample_evenly(known, config.evaluation.importance_rows)]
    x = result.pipeline.build_features(*fitted.select_inputs(rows))
    y, mean = rows["y"].to_numpy(), rows["train_mean"].to_numpy()
    rng = np.random.default_rng([config.seed, result.fold.index])
    repeats = config.evaluation.permutation_repeats
    drops = np.empty((0, 2))
    if repeats:
        drops = measure_permutation_drops(model.predict, x, y, mean, groups, repeats=repeats, rng=rng)
    points = x[sample_evenly(np.arange(len(x)), POINTS)]
    spread = float(np.ptp(_compute_raw_score(model, points))) if len(points) else 0.0
    return _FoldUse(drops, measure_interactions(lambda at: _compute_raw_score(model, at), points, paired), spread)


def _compute_raw_score(model: Model, x: Float) -> Float:
    """Compute the forecast (n,); for a direction, the log-odds of up against down."""
    proba = model.probabilities(x)
    if proba is None:
        return model.predict(x)
    difference = 2.0 * condition_on_move(proba) - 1.0
    return 2.0 * np.arctanh(np.clip(difference, -_MAX_DIFFERENCE, _MAX_DIFFERENCE))


def _describe_families(families: list[FamilyImportance], drops: Float | None) -> list[FamilyUse]:
    uses = []
    for i, family in enumerate(families):
        drop_r2, drop_ic = (None, None) if drops is None else map(float, drops[:, i].mean(axis=0))
        count = len(family.columns)
        uses.append(FamilyUse(family.family, count, family.mean_abs_shap, family.share, family.folds, drop_r2, drop_ic))
    return uses


def _describe_permutation(names: list[str], singles: list[int], shap: Float, drops: Float) -> PermutationImportance:
    mean = drops.mean(axis=0)
    features = [
        PermutedFeature(
            feature=names[i],
            drop_r2=float(mean[k, 0]),
            error=float(drops[:, k, 0].std(ddof=1) / np.sqrt(len(drops))) if len(drops) > 1 else float("nan"),
            drop_ic=float(mean[k, 1]),
            folds=drops[:, k, 0].tolist(),
        )
        for k, i in enumerate(singles)
    ]
    agreement = rank_ic(shap.mean(axis=0)[singles], mean[:, 0]) if len(singles) > 2 else float("nan")
    return PermutationImportance(sorted(features, key=lambda f: -f.drop_r2), agreement)


def _describe_interactions(names: list[str], paired: list[int], parts: list[_FoldUse]) -> Interactions:
    values = np.stack([part.interactions for part in parts])  # (folds, pairs, 2)
    largest = max(part.spread for part in parts)
    additive = bool(values[:, :, 0].max() <= _ROUNDING * largest)
    if additive:
        values = np.zeros_like(values)
    entries = []
    for i, (j, k) in enumerate(list_pairs(paired)):
        strength, share = values[:, i, 0], values[:, i, 1]
        known = share[~np.isnan(share)]
        entries.append(
            Interaction(
                features=[names[j], names[k]],
                strength=float(strength.mean()),
                share=float(np.nanmean(share)) if known.size else float("nan"),
                folds=strength.tolist(),
            )
        )
    return Interactions(additive, sorted(entries, key=lambda e: -e.strength))
