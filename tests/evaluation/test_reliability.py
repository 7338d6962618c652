"""Brier's score and its parts: by hand, of known forecasters, adding up."""

from dataclasses import asdict

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as sk

from ofiml.evaluation.bootstrap import BlockBootstrap
from ofiml.evaluation.reliability import assign_bins, decompose_brier, measure_reliability, select_events
from ofiml.metrics.scores import brier
from ofiml.units import SECOND


def test_by_hand():
    p, event = np.array([0.2, 0.2, 0.6, 0.6, 0.6]), np.array([0.0, 1.0, 1.0, 1.0, 0.0])
    got = decompose_brier(p, event)
    assert asdict(got) == pytest.approx(
        {
            "brier": (0.04 + 0.64 + 0.16 + 0.16 + 0.36) / 5,
            "reliability": (2 * 0.3**2 + 3 * (2 / 3 - 0.6) ** 2) / 5,
            "resolution": (2 * 0.1**2 + 3 * (2 / 3 - 0.6) ** 2) / 5,
            "uncertainty": 0.24,
            "within": 0.0,
            "calibration_error": (2 * 0.3 + 3 * (2 / 3 - 0.6)) / 5,
        },
        abs=1e-15,
    )


@given(
    st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=80),
)
def test_the_parts_add_up(pairs):
    p, event = (np.array(column, float) for column in zip(*pairs, strict=True))
    got = decompose_brier(p, event)
    parts = got.reliability - got.resolution + got.uncertainty + got.within
    assert got.brier == pytest.approx(parts, abs=1e-12)
    assert got.brier == pytest.approx(sk.brier_score_loss(event, p), abs=1e-12)
    assert min(getattr(got, k) for k in ("reliability", "resolution", "uncertainty", "calibration_error")) >= 0


@given(st.lists(st.sampled_from([0.1, 0.2, 0.3, 0.4]) | st.floats(0, 1), min_size=1, max_size=200))
def test_bins_keep_order_and_equals_together(values):
    p = np.array(values)
    at = assign_bins(p)
    assert at.max() <= 9
    assert set(at) == set(range(at.max() + 1))
    order = np.argsort(p, kind="stable")
    assert (np.diff(at[order]) >= 0).all()
    assert all(len(set(at[p == value])) == 1 for value in p)


def test_bins_are_of_equal_size_where_forecasts_differ():
    assert np.bincount(assign_bins(np.random.default_rng(1).permutation(1000) / 1000)).tolist() == [100] * 10


def test_a_calibrated_forecaster():
    """p uniform and true: Brier is E p(1-p) = 1/6, reliability no more than ten bins' noise, k·uncertainty/n."""
    rng = np.random.default_rng(2)
    p = rng.uniform(size=200_000)
    got = decompose_brier(p, (rng.uniform(size=len(p)) < p).astype(float))
    assert got.brier == pytest.approx(1 / 6, abs=0.002)
    assert got.reliability < 5 * 10 * 0.25 / len(p)
    assert got.resolution == pytest.approx(0.25 - 1 / 6 - 1 / 1200, abs=0.002)  # less what bins of 0.1 hide
    assert got.calibration_error < 0.005


def test_an_overconfident_forecaster():
    rng = np.random.default_rng(3)
    true = rng.uniform(0.4, 0.6, size=50_000)
    event = (rng.uniform(size=len(true)) < true).astype(float)
    said = 0.5 + 4 * (true - 0.5)
    got = decompose_brier(said, event)
    assert got.reliability == pytest.approx(9 * 0.2**2 / 12, rel=0.1)  # the mean of (3·(true - 1/2))²
    assert got.calibration_error == pytest.approx(3 * 0.05, rel=0.05)


def test_brier_of_directions_leaves_out_what_did_not_move():
    y, up = np.array([1.0, -1.0, 0.0, 1.0]), np.array([0.75, 0.75, 0.95, 0.0])
    assert brier(y, up) == pytest.approx((0.25**2 + 0.75**2 + 1.0) / 3)
    assert np.isnan(brier(np.zeros(3), np.zeros(3)))


def measured(table, config):
    bootstrap = BlockBootstrap.of(config.evaluation, config.seed)
    return measure_reliability(table, bootstrap, task=config.target.task)


def directions(seed=4, n=2000):
    rng = np.random.default_rng(seed)
    chance = rng.dirichlet([3, 2, 3], n)
    y = np.array([rng.choice([-1.0, 0.0, 1.0], p=c) for c in chance])
    closes = 10 * SECOND * np.arange(1, n + 1)
    table = {"symbol": "A", "session": "d", "bar_close": closes, "label_start": closes, "label_end": closes + SECOND}
    classes = dict(zip(("p_down", "p_flat", "p_up"), chance.T, strict=True))
    return pl.DataFrame(table | {"y": y, "y_hat": chance[:, 2] - chance[:, 0]} | classes), chance


def test_two_events_are_judged(configure):
    known, chance = directions()
    event = select_events(known)["up"]
    moved = event.mask
    assert event.p == pytest.approx((chance[:, 2] / (chance[:, 0] + chance[:, 2]))[moved])
    got = measured(known, configure("target=direction", "model=logistic"))
    assert set(got) == {"up", "flat"}
    assert got["flat"].rows == 2000
    assert got["up"].rows == int(moved.sum()) == sum(b.rows for b in got["up"].curve)
    for found in got.values():  # said as it is: the curve's intervals hold the diagonal
        inside = [b.low <= b.forecast <= b.high for b in found.curve]
        assert sum(inside) >= 8
        assert found.reliability < 0.004
    never = known.with_columns(p_flat=pl.lit(0.0))
    assert set(measured(never, configure("target=direction", "model=logistic"))) == {"up"}
    assert measured(known, configure()) is None


def test_a_curve_without_a_move_or_with_one_forecast(configure):
    config = configure("target=direction", "model=logistic")
    table, _ = directions(n=50)
    still = measured(table.with_columns(y=pl.lit(0.0)), config)["up"]
    assert (still.rows, still.curve) == (0, [])
    same = measured(table.with_columns(p_down=pl.lit(0.3), p_up=pl.lit(0.3)), config)["up"]
    assert len(same.curve) == 1
    assert same.brier == 0.25
