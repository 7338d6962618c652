"""R² in half-hour windows, adjusted for the number of levels."""

import numpy as np
import polars as pl
import pytest
from sklearn.linear_model import LinearRegression

from ofiml.evaluation.impact import measure_adjusted_r2_windows

SECOND = 1_000_000_000
OPEN = {("A", "d"): 0}


def rows(x, y, step=10):
    columns = {f"ofi_{m:02d}": x[:, m] for m in range(x.shape[1])}
    opens = step * SECOND * np.arange(len(y))
    return pl.DataFrame({"symbol": "A", "session": "d", "bar_open": opens, "move_ticks": y, **columns})


def test_each_window_is_a_regression_of_its_own():
    rng = np.random.default_rng(1)
    x = rng.integers(-50, 50, (400, 3))
    y = x @ np.array([0.3, 0.2, 0.1]) + 10 * rng.normal(size=400)
    y[180:] -= 0.8 * x[180:, 0]
    expected = []
    for part in (slice(0, 180), slice(180, 360), slice(360, 400)):
        plain = LinearRegression().fit(x[part], y[part]).score(x[part], y[part])
        n = len(y[part])
        expected.append(1 - (1 - plain) * (n - 1) / (n - 4))
    got = measure_adjusted_r2_windows(rows(x, y), OPEN, ["ofi_00", "ofi_01", "ofi_02"])
    assert got == pytest.approx(expected, abs=1e-12)


def test_levels_that_say_nothing_gain_nothing():
    rng = np.random.default_rng(2)
    values = []
    for _ in range(60):
        x, y = rng.integers(-50, 50, (60, 10)), rng.normal(size=60)
        values += measure_adjusted_r2_windows(rows(x, y, step=30), OPEN, [f"ofi_{m:02d}" for m in range(10)])
    assert len(values) == 60
    # Unadjusted, ten columns on 60 rows explain 10/59.
    assert abs(np.mean(values)) < 4 * np.std(values) / np.sqrt(60) < 0.1


def test_a_repeated_or_silent_level_counts_for_nothing():
    rng = np.random.default_rng(3)
    x = rng.integers(-50, 50, (180, 1))
    y = x[:, 0] + 20 * rng.normal(size=180)
    thrice = np.column_stack([x, 2 * x, np.zeros_like(x)])
    one = measure_adjusted_r2_windows(rows(thrice, y), OPEN, ["ofi_00"])
    three = measure_adjusted_r2_windows(rows(thrice, y), OPEN, ["ofi_00", "ofi_01", "ofi_02"])
    assert three == pytest.approx(one, abs=1e-12)


def test_a_window_without_variation_or_rows_is_left_out():
    x = np.arange(180)[:, None] % 7
    assert measure_adjusted_r2_windows(rows(x, np.zeros(180)), OPEN, ["ofi_00"]) == []
    assert measure_adjusted_r2_windows(rows(0 * x, np.arange(180.0)), OPEN, ["ofi_00"]) == []
    assert measure_adjusted_r2_windows(rows(x[:29], np.arange(29.0)), OPEN, ["ofi_00"]) == []
    wide = np.random.default_rng(4).integers(-9, 9, (30, 20))
    assert measure_adjusted_r2_windows(rows(wide, np.arange(30.0)), OPEN, [f"ofi_{m:02d}" for m in range(20)]) == []
