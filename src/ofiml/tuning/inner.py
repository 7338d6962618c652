"""The score of a parameter set on purged inner folds of a fold's train rows."""

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
class TrainRows:
    """A fold's train rows: flow (n, levels), other features (n, k), labels (n,) and intervals.

    With a `dead_band`, labels are moves in ticks, and each inner fold encodes them by its own train rows. `columns` are
    the names of the other features, for models with settings per feature.
    """

    flow: Float
    others: Float
    y: Float
    rows: Intervals
    dead_band: float = 0.0
    columns: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class InnerFold:
    """An inner fold: features (n, k), labels (n,) and intervals of its train rows, features and labels of its test
    rows, and the names of the features.
    """

    x: Float
    y: Float
    rows: Inner
    x_test: Float
    y_test: Float
    names: list[str]


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of a trial: its state, and the scores of the inner folds that it completed."""

    state: TrialState
    scores: list[float]

    @property
    def score(self) -> float | None:
        """The mean over all inner folds; None unless the trial is complete."""
        return float(np.mean(self.scores)) if self.state == "complete" else None


def build_inner_folds(train: TrainRows, config: Ofi, embargo: int, count: int) -> list[InnerFold]:
    """Build the purged inner folds; the reduction over levels is fitted on the inner train rows alone."""
    folds, inner = [], Inner(train.rows, embargo)
    for fold in inner.folds(count, key="tuning.inner_folds", remedy="tuning=off"):
        y = Encoder.fit(train.y[fold.train], train.dead_band).encode(train.y)
        reducer = build_reducer(config, train.flow.shape[1]).fit(train.flow[fold.train], y[fold.train])
        x = [np.hstack([reducer.transform(train.flow[rows]), train.others[rows]]) for rows in (fold.train, fold.test)]
        names = [*reducer.columns, *train.columns]
        folds.append(InnerFold(x[0], y[fold.train], inner.take(fold.train), x[1], y[fold.test], names))
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

    The score is R² relative to the inner train mean; for a direction, minus the log loss of down, flat and up over all
    rows; for a quantile, minus the pinball loss. The trial fails, without an error, if the labels of a fold cannot be
    learned from or a score is not finite.
    """
    scores: list[float] = []
    for fold in folds:
        try:
            unfitted = build_model(model, task=task, seed=seed, features=fold.names)
            forecaster = unfitted.fit(fold.x, fold.y, fold.rows)
        except DataError:
            return Outcome("failed", scores)
        score = _score_test_rows(forecaster, model.of_quantile, fold)
        if not np.isfinite(score):
            return Outcome("failed", scores)
        scores.append(score)
        if len(scores) < len(folds) and should_prune(scores):
            return Outcome("pruned", scores)
    return Outcome("complete", scores)


def _score_test_rows(forecaster: Model, quantile: float | None, fold: InnerFold) -> float:
    probabilities = forecaster.probabilities(fold.x_test)
    if probabilities is not None:
        return -class_log_loss(fold.y_test, probabilities)
    y_hat = forecaster.predict(fold.x_test)
    if quantile is not None:
        return -pinball(fold.y_test, y_hat, quantile)
    return r2(fold.y_test, y_hat, np.full(len(fold.y_test), fold.y.mean()))
