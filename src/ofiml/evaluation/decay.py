"""Forecast decay: the IC of the forecasts with the mid's move over horizons shorter and longer than their own."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import polars as pl

from ofiml._typing import Bool, Float
from ofiml.config import Horizon
from ofiml.evaluation.bootstrap import BlockBootstrap
from ofiml.labels import measure_label_span
from ofiml.labels.decay import format_horizon, name_decay_columns
from ofiml.metrics.estimates import Estimate
from ofiml.metrics.scores import ic, rank_ic
from ofiml.splits.purge import SortedIntervals
from ofiml.splits.rows import Intervals

_SCORED = ("session", "bar_close", "label_start", "label_end", "fold", "y_hat")  # what scores read, besides moves


@dataclass(frozen=True, slots=True)
class HorizonScore:
    """The IC of the forecasts with the move over `multiple` times the study's horizon, and the `new_ic` with the move
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
    train: Iterable[tuple[int, Intervals]] = (),
) -> list[HorizonScore] | None:
    """Measure the skill of the forecasts over each of `multiples` of the study's horizon, shortest first.

    Two kinds of rows do not count at a horizon: rows whose session ends before it, and rows whose move overlaps the
    interval of a train row of their fold (`train` has these, fold by fold). The purge covers only the span of
    labels, so with split=cpcv a longer move may end among train rows. Blocks of the bootstrap are longer than the
    horizon. None if the predictions have no such moves.
    """
    if not multiples or not set(name_decay_columns(multiples)) <= set(predictions.columns):
        return None
    scores, shorter_move = [], np.zeros(predictions.height)
    moves = name_decay_columns(multiples)
    predictions = predictions.select(c for c in predictions.columns if c in _SCORED or c in moves)
    label_span = max(int(measure_label_span(predictions)), horizon.length_ns or 0)
    spans = [round(multiple * label_span) for multiple in multiples]
    overlaps = _mark_overlaps(predictions, spans, train)
    for name, multiple, span, overlap in zip(moves, multiples, spans, overlaps, strict=True):
        move = predictions[name].to_numpy()
        known = ~np.isnan(move) & ~overlap
        rows = predictions.drop(moves).filter(pl.Series(known))
        estimate = _estimate_ic(rows, move[known], span, bootstrap)
        new_estimate = _estimate_ic(rows, (move - shorter_move)[known], span, bootstrap)
        scores.append(
            HorizonScore(
                multiple=multiple,
                horizon=format_horizon(horizon, multiple),
                rows=rows.height,
                ic=estimate.value,
                low=estimate.low,
                high=estimate.high,
                rank_ic=rank_ic(move[known], rows["y_hat"].to_numpy()),
                new_ic=new_estimate.value,
                new_low=new_estimate.low,
                new_high=new_estimate.high,
            )
        )
        shorter_move = move
    return scores


def _mark_overlaps(predictions: pl.DataFrame, spans: list[int], train: Iterable[tuple[int, Intervals]]) -> list[Bool]:
    """Mark the rows whose [label start, label start + span] overlaps a train row of their fold, for each of `spans`."""
    overlaps = [np.zeros(predictions.height, np.bool_) for _ in spans]
    starts = predictions["label_start"].to_numpy()
    for fold, rows in train:
        in_fold = predictions["fold"].to_numpy() == fold
        start = starts[in_fold]
        intervals = SortedIntervals.of(np.minimum(rows.first_used, rows.label_start), rows.label_end)
        for span, overlap in zip(spans, overlaps, strict=True):
            overlap[in_fold] = intervals.overlap(start, start + span)
    return overlaps


def _estimate_ic(rows: pl.DataFrame, move: Float, span: int, bootstrap: BlockBootstrap) -> Estimate:
    known = ~np.isnan(move)  # the shorter horizon's mid may be missing
    move, rows = move[known], rows.filter(pl.Series(known))
    if not len(move):
        return Estimate(float("nan"), float("nan"), float("nan"))
    y_hat = rows["y_hat"].to_numpy()
    low, high = bootstrap.estimate_ic_interval(move, y_hat, bootstrap.number_blocks(rows, span))
    return Estimate(ic(move, y_hat), low, high)
