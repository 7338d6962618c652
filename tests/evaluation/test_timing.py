"""Skill and profit between sessions and within."""

import numpy as np
import polars as pl
import pytest

from ofiml.backtest.timing import find_mean_gain
from ofiml.evaluation.timing import split_skill
from ofiml.units import SECOND


def make_rows(y: np.ndarray, y_hat: np.ndarray, sessions: int, **columns: object) -> pl.DataFrame:
    days = np.repeat([f"d{k}" for k in range(sessions)], len(y) // sessions)
    return pl.DataFrame({"symbol": ["A"] * len(y), "session": days, "y": y, "y_hat": y_hat, **columns})


def test_by_hand():
    # Session means of y are 1 and 5, of y_hat 0 and 2. Deviations of y: -1, 1, -2, 2; of y_hat: 1, -1, -1, 1.
    got = split_skill(make_rows(np.array([0.0, 2, 3, 7]), np.array([1.0, -1, 1, 3]), 2))
    assert got.ic_within == pytest.approx((-1 - 1 + 2 + 2) / np.sqrt(10 * 4))
    assert np.isnan(got.ic_between)  # two means always lie on a line
    # The covariances: between 2·1, within 2/4.
    assert got.between_share == pytest.approx(2 / 2.5)


def test_who_knows_only_the_day_has_no_timing():
    rng = np.random.default_rng(0)
    level = np.repeat(rng.normal(0, 1, 30), 100)
    got = split_skill(make_rows(level + rng.normal(0, 1, 3000), level / 3, 30))
    assert np.isnan(got.ic_within)  # the forecast does not vary inside sessions, whatever rounding says
    assert got.ic_between > 0.9
    assert got.between_share == pytest.approx(1)


def test_who_only_times_has_nothing_between():
    rng = np.random.default_rng(1)
    y_hat = rng.normal(0, 1, (30, 100))
    y_hat -= y_hat.mean(axis=1, keepdims=True)
    got = split_skill(make_rows((y_hat + rng.normal(0, 1, (30, 100))).ravel(), y_hat.ravel(), 30))
    assert 0.6 < got.ic_within < 0.8
    assert got.between_share == pytest.approx(0, abs=1e-9)


def test_one_session_and_no_skill_and_no_rows():
    one = split_skill(make_rows(np.array([1.0, 2, 4]), np.array([1.0, 2, 3]), 1))
    assert one.ic_within == pytest.approx(np.corrcoef([1, 2, 4], [1, 2, 3])[0, 1])
    assert np.isnan([one.ic_between, one.between_share]).all()
    against = split_skill(make_rows(np.array([0.0, 1, 2, 3, 4, 5]), np.array([5.0, 4, 3, 2, 1, 0]), 3))
    assert np.isnan(against.between_share)  # no share of a covariance below 0
    assert against.ic_within == pytest.approx(-1)
    empty = split_skill(make_rows(np.zeros(0), np.zeros(0), 1))
    assert np.isnan([empty.ic_within, empty.ic_between, empty.between_share]).all()


def test_paths_and_symbols_are_sessions_of_their_own():
    y, y_hat = np.array([0.0, 1, 0, 1]), np.array([0.0, 1, 10, 11])
    rows = make_rows(y, y_hat, 1, path=[0, 0, 1, 1])
    assert split_skill(rows).ic_within == pytest.approx(1)
    assert split_skill(rows.drop("path")).ic_within < 0.2
    symbols = rows.drop("path").with_columns(symbol=pl.Series(["A", "A", "B", "B"]))
    assert split_skill(symbols).ic_within == pytest.approx(1)


def test_the_gain_of_the_mean_position():
    fills, nothing = (np.array([2 * SECOND, 6 * SECOND]), np.array([4, -4])), np.zeros(0, np.int64)
    # 4 lots for 4 of 10 s: 1.6 lots on average.
    assert find_mean_gain(*fills, 0, 10 * SECOND, 0.5) == pytest.approx(0.8)
    assert find_mean_gain(nothing, nothing, 0, 10 * SECOND, 0.5) == 0
    assert find_mean_gain(*fills, 10 * SECOND, 10 * SECOND, 0.5) == 0
