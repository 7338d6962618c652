"""The score of a parameter set: on purged inner folds of a fold's train rows."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from ofiml._typing import Float, TaskType, TrialState
from ofiml.config import Model as ModelConfig
from ofiml.config import Ofi
from ofiml.errors import DataError
from ofiml.labels import Encoder
from ofiml.metrics.scores import class_log_loss, pinball, r2
from ofiml.models.base import Model
from ofiml.models.registry import build_model
from ofiml.ofi.reduce import build_reducer
from ofiml.splits.inner import Inner
from ofiml.splits.walk_forward import Intervals


@dataclass(frozen=True, slots=True)
class Train:
    """A fold's train rows: flow (n, levels), other features (n, k), labels (n,) and their intervals.

    With a `dead_band`, labels are moves in ticks, which each inner fold encodes by its own train rows. `columns` are
    the names of the other features, for a model with settings per feature.
    """

    flow: Float
    others: Float
    y: Float
    rows: Intervals
    dead_band: float = 0.0
    columns: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class InnerFold:
    """Features (n, k), labels (n,) and intervals of the inner train rows; features and labels of those held out; and
    the features' names.
    """

    x: Float
    y: Float
    rows: Inner
    x_held: Float
    y_held: Float
    names: list[str]


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of a trial: complete, pruned or failed, with the scores of the inner folds that it got through."""

    state: TrialState
    scores: list[float]

    @property
    def score(self) -> float | None:
        """The mean over all inner folds; None unless there are all of them."""
        return float(np.mean(self.scores)) if self.state == "complete" else None


def build_inner_folds(train: Train, config: Ofi, embargo: int, count: int) -> list[InnerFold]:
    """Build the purged inner folds; the reduction over levels is fitted on the inner train rows alone."""
    folds, whole = [], Inner(train.rows, embargo)
    for fold in whole.folds(count, key="tuning.inner_folds", remedy="tuning=off"):
        y = Encoder.fit(train.y[fold.train], train.dead_band).encode(train.y)
        fitted = build_reducer(config, train.flow.shape[1]).fit(train.flow[fold.train], y[fold.train])
        x = [np.hstack([fitted.transform(train.flow[rows]), train.others[rows]]) for rows in (fold.train, fold.test)]
        names = [*fitted.columns, *train.columns]
        folds.append(InnerFold(x[0], y[fold.train], whole.take(fold.train), x[1], y[fold.test], names))
    return folds


def evaluate(
    model: ModelConfig,
    folds: list[InnerFold],
    *,
    task: TaskType,
    seed: int,
    should_prune: Callable[[list[float]], bool],
) -> Outcome:
    """Score the model on each inner fold in turn, until `should_prune` is true of the scores so far.

    A score is the R² against the inner train mean; for a direction, minus the log loss of down, flat and up over all
    rows; for a quantile, minus the pinball loss. A fold whose labels leave nothing to learn, or whose score is not a
    number, fails the trial, and ends nothing else.
    """
    scores: list[float] = []
    for fold in folds:
        try:
            fresh = build_model(model, task=task, seed=seed, features=fold.names)
            fitted = fresh.fit(fold.x, fold.y, fold.rows)
        except DataError:
            return Outcome("failed", scores)
        score = _score(fitted, model.of_quantile, fold)
        if not np.isfinite(score):
            return Outcome("failed", scores)
        scores.append(score)
        if len(scores) < len(folds) and should_prune(scores):
            return Outcome("pruned", scores)
    return Outcome("complete", scores)


def _score(fitted: Model, quantile: float | None, fold: InnerFold) -> float:
    chances = fitted.probabilities(fold.x_held)
    if chances is not None:
        return -class_log_loss(fold.y_held, chances)
    y_hat = fitted.predict(fold.x_held)
    if quantile is not None:
        return -pinball(fold.y_held, y_hat, quantile)
    return r2(fold.y_held, y_hat, np.full(len(fold.y_held), fold.y.mean()))
