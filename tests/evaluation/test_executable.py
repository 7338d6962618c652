"""Executable skill by hand: who can earn the label, and who cannot."""

from typing import Any

import numpy as np
import polars as pl
import pytest

from ofiml.evaluation.bootstrap import BlockBootstrap
from ofiml.evaluation.executable import measure_executable_skill
from ofiml.units import SECOND

BOOTSTRAP = BlockBootstrap(200, 0.95, None, 0)


def make_rows(y: Any, y_hat: Any, entry: Any, out: Any, half_spread: float = 1.0) -> pl.DataFrame:
    """Rows of a second with mids at entry and exit, None for a side that is missing."""
    n = len(y)
    close = np.arange(n) * 60 * SECOND

    def quote(mids: Any, side: float) -> pl.Series:
        return pl.Series([None if m is None else m + side for m in mids], dtype=pl.Float64)

    return pl.DataFrame(
        {
            "symbol": ["A"] * n,
            "session": ["d"] * n,
            "bar_close": close,
            "label_start": close,
            "label_end": close + SECOND,
            "y": np.array(y, float),
            "y_hat": np.array(y_hat, float),
            "entry_bid": quote(entry, -half_spread),
            "entry_ask": quote(entry, half_spread),
            "exit_bid": quote(out, -half_spread),
            "exit_ask": quote(out, half_spread),
        }
    )


def test_by_hand():
    # Moves of 5, -3, 1 and 0 ticks; the spread is 2. The forecasts have the sides long, long, long, short and none.
    rows = make_rows([5, -3, 1, 0, -9], [1, 2, 3, -1, 0], [10, 10, 10, 10, 10], [15, 7, 11, 10, 1])
    got = measure_executable_skill(rows, BOOTSTRAP)
    earned = [3, -1, 0, 0, -7]
    assert got.rows == 5
    assert got.ic == pytest.approx(np.corrcoef(earned, [1, 2, 3, -1, 0])[0, 1])
    assert got.label_ic == pytest.approx(np.corrcoef([5, -3, 1, 0, -9], [1, 2, 3, -1, 0])[0, 1])
    assert got.hit_rate == 1 / 4  # only the first forecast's side gained: 3, -5, -1 and -2
    assert got.mean_ticks == pytest.approx((3 - 5 - 1 - 2) / 4)
    assert got.label_hit_rate == 2 / 3  # of three that moved and were called
    assert got.earnable == 3 / 5


def test_a_label_smaller_than_the_spread_cannot_be_earned():
    rng = np.random.default_rng(0)
    y = rng.choice([-1.0, 1.0], 1000)
    rows = make_rows(y, y, np.full(1000, 50.0), 50 + y)
    got = measure_executable_skill(rows, BOOTSTRAP)
    assert got.label_ic == pytest.approx(1)
    assert got.label_hit_rate == 1
    assert (got.hit_rate, got.earnable, got.mean_ticks) == (0, 0, -1)
    assert np.isnan([got.ic, got.low, got.high]).all()


def test_a_move_that_comes_before_the_order_cannot_be_earned():
    rng = np.random.default_rng(1)
    y = rng.normal(0, 9, 2000)
    late = rng.normal(0, 9, 2000)
    got = measure_executable_skill(make_rows(y, y, 500 + y, 500 + y + late), BOOTSTRAP)
    assert got.label_ic == pytest.approx(1)
    assert got.low < 0 < got.high
    assert abs(got.ic) < 0.06
    early = measure_executable_skill(make_rows(y, y, np.full(2000, 500.0), 500 + y), BOOTSTRAP)
    assert early.low > 0.9
    assert early.low < early.ic < early.high


def test_rows_without_all_quotes_are_left_out():
    rows = make_rows([5, 5, 5, 5], [1, 2, 3, 4], [10, None, 10, 10], [15, 15, None, 16])
    assert measure_executable_skill(rows, BOOTSTRAP).rows == 2
    one = measure_executable_skill(rows[:3], BOOTSTRAP)
    assert one.rows == 1
    assert np.isnan(one.ic)
    assert measure_executable_skill(rows.clear(), BOOTSTRAP).rows == 0


def test_without_a_call_there_is_no_hit_rate():
    got = measure_executable_skill(make_rows([5, -5], [0, 0], [10, 10], [15, 5]), BOOTSTRAP)
    assert np.isnan([got.hit_rate, got.label_hit_rate, got.mean_ticks, got.ic]).all()
    assert got.earnable == 1


def test_a_mirrored_market_has_the_same_skill():
    rng = np.random.default_rng(2)
    y, y_hat, mid = rng.normal(0, 3, 300), rng.normal(0, 1, 300), rng.normal(100, 5, 300)
    a = measure_executable_skill(make_rows(y, y_hat, mid, mid + y), BOOTSTRAP)
    b = measure_executable_skill(make_rows(-y, -y_hat, -mid, -mid - y), BOOTSTRAP)
    for name in ("ic", "label_ic", "hit_rate", "label_hit_rate", "earnable", "mean_ticks"):
        assert getattr(a, name) == pytest.approx(getattr(b, name))
