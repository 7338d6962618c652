"""How far ahead the forecasts see: their IC with the mid's move over horizons shorter and longer than their own."""

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from ofiml.config import Horizon
from ofiml.evaluation.bootstrap import BlockBootstrap
from ofiml.labels import label_span
from ofiml.labels.decay import decay_columns, format_horizon
from ofiml.metrics.estimates import Estimate
from ofiml.metrics.scores import ic, rank_ic
from ofiml.splits.purge import overlaps_any
from ofiml.splits.rows import Intervals

Float = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class HorizonScore:
    """The IC of the forecasts with the move over `multiple` times the study's horizon, and `new_ic` with the move
    since the next shorter horizon alone, each with its interval; NaN where not defined.
    """

    multiple: float
    horizon: str
    rows: int
    ic: float
    low: float
    high: float
    rank_ic: float
    new_ic: float
    new_low: float
    new_high: float


def measure_decay(
    predictions: pl.DataFrame,
    horizon: Horizon,
    multiples: list[float],
    bootstrap: BlockBootstrap,
    train: dict[int, Intervals] | None = None,
) -> list[HorizonScore] | None:
    """Measure the forecasts over each of `multiples` of the study's horizon, shortest first.

    Rows of bars whose session ends before do not count at that horizon, nor do those whose move at it meets what a
    train row of their fold used or learned from (`train`, the intervals of the train rows by fold): the purge reaches
    as far as labels do, so with split=cpcv a longer move may end among train rows. Blocks of the bootstrap are longer
    than the horizon. None where the rows have no such moves.
    """
    if not multiples or not set(decay_columns(multiples)) <= set(predictions.columns):
        return None
    scores, before = [], np.zeros(predictions.height)
    whole = max(int(label_span(predictions)), horizon.length_ns or 0)
    for name, multiple in zip(decay_columns(multiples), multiples, strict=True):
        span = round(multiple * whole)
        move = predictions[name].to_numpy()
        known = ~np.isnan(move) & ~_meets_train(predictions, span, train or {})
        rows = predictions.filter(pl.Series(known))
        of_all = _estimate_ic(rows, move[known], span, bootstrap)
        of_new = _estimate_ic(rows, (move - before)[known], span, bootstrap)
        scores.append(
            HorizonScore(
                multiple=multiple,
                horizon=format_horizon(horizon, multiple),
                rows=rows.height,
                ic=of_all.value,
                low=of_all.low,
                high=of_all.high,
                rank_ic=rank_ic(move[known], rows["y_hat"].to_numpy()),
                new_ic=of_new.value,
                new_low=of_new.low,
                new_high=of_new.high,
            )
        )
        before = move
    return scores


def _meets_train(predictions: pl.DataFrame, span: int, train: dict[int, Intervals]) -> NDArray[np.bool_]:
    """Which rows' [label start, label start + span] meets a train row of their fold."""
    met = np.zeros(predictions.height, np.bool_)
    start = predictions["label_start"].to_numpy()
    for fold, rows in train.items():
        of = predictions["fold"].to_numpy() == fold
        first = np.minimum(rows.first_used, rows.label_start)
        met[of] = overlaps_any(start[of], start[of] + span, first, rows.label_end)
    return met


def _estimate_ic(rows: pl.DataFrame, move: Float, span: int, bootstrap: BlockBootstrap) -> Estimate:
    known = ~np.isnan(move)  # the shorter horizon's mid may be missing
    move, rows = move[known], rows.filter(pl.Series(known))
    if not len(move):
        return Estimate(float("nan"), float("nan"), float("nan"))
    y_hat = rows["y_hat"].to_numpy()
    low, high = bootstrap.ic_interval(move, y_hat, bootstrap.number_blocks(rows, span))
    return Estimate(ic(move, y_hat), low, high)
