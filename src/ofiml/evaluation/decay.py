"""How far ahead the forecasts see: their IC with the mid's move over horizons shorter and longer than their own."""

from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from ofiml.config import Config
from ofiml.evaluation.strata import blocks_within
from ofiml.labels import label_span
from ofiml.labels.ahead import columns, named
from ofiml.metrics.bootstrap import ic_interval
from ofiml.metrics.scores import ic, rank_ic
from ofiml.splits.purge import meets
from ofiml.splits.rows import Intervals

Float = NDArray[np.float64]


def decay(
    predictions: pl.DataFrame, config: Config, taught: dict[int, Intervals] | None = None
) -> list[dict[str, Any]] | None:
    """Per horizon, shortest first: `multiple` of the study's, its name `horizon`, `rows`, `ic` with `low` and `high`,
    `rank_ic`, and `new_ic` with `new_low` and `new_high`, of the move since the next shorter horizon alone.

    Rows of bars whose session ends before do not count at that horizon, nor do those whose move at it meets what a
    train row of their fold used or was `taught` (the intervals of the train rows by fold): the purge reaches as far as
    labels do, so with split=cpcv a longer move may end among train rows. Blocks of the bootstrap are longer than the
    horizon. None where the rows have no such moves.
    """
    multiples = config.evaluation.decay
    if not multiples or not set(columns(multiples)) <= set(predictions.columns):
        return None
    found, before = [], np.zeros(predictions.height)
    labels = label_span(predictions)
    whole = max(int(labels), config.horizon.length_ns or 0)
    for name, multiple in zip(columns(multiples), multiples, strict=True):
        span = round(multiple * whole)
        move = predictions[name].to_numpy()
        known = ~np.isnan(move) & ~_met(predictions, span, taught or {})
        rows = predictions.filter(pl.Series(known))
        y_hat = rows["y_hat"].to_numpy()
        value, low, high = _judged(rows, move[known], y_hat, span, config)
        new, new_low, new_high = _judged(rows, (move - before)[known], y_hat, span, config)
        found.append(
            {
                "multiple": multiple,
                "horizon": named(config.horizon, multiple),
                "rows": rows.height,
                "ic": value,
                "low": low,
                "high": high,
                "rank_ic": rank_ic(move[known], y_hat),
                "new_ic": new,
                "new_low": new_low,
                "new_high": new_high,
            }
        )
        before = move
    return found


def _met(predictions: pl.DataFrame, span: int, taught: dict[int, Intervals]) -> NDArray[np.bool_]:
    """Which rows' [label start, label start + span] meets a train row of their fold."""
    met = np.zeros(predictions.height, np.bool_)
    start = predictions["label_start"].to_numpy()
    for fold, train in taught.items():
        of = predictions["fold"].to_numpy() == fold
        first = np.minimum(train.first_used, train.label_start)
        met[of] = meets(start[of], start[of] + span, first, train.label_end)
    return met


def _judged(rows: pl.DataFrame, move: Float, y_hat: Float, span: int, config: Config) -> tuple[float, float, float]:
    known = ~np.isnan(move)  # the shorter horizon's mid may be missing
    move, y_hat, rows = move[known], y_hat[known], rows.filter(pl.Series(known))
    if not len(move):
        return (float("nan"),) * 3
    evaluation = config.evaluation
    low, high = ic_interval(
        move,
        y_hat,
        blocks_within(rows, span, config),
        samples=evaluation.bootstrap_samples,
        level=evaluation.confidence_level,
        seed=config.seed,
    )
    return ic(move, y_hat), low, high
