"""The synthetic market: its twin, its seed, its book, and the relation that is planted in it, or is not."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from ofiml.bars.time import quotes, states
from ofiml.events.schema import times
from ofiml.events.simulate import kernel, simulate
from ofiml.events.simulate.market import expected_move
from ofiml.units import SECOND


@pytest.fixture(scope="module")
def market(configure):
    return configure("dataset.sessions=2", "dataset.session_length=30m").dataset


def test_the_kernel_equals_its_twin():
    outs = []
    for run in (kernel.run, kernel.run_py):
        n, levels = 600, 4
        # Poisoned buffers: a value that is not written shows.
        arrays = np.full(n, np.nan), np.full(n, np.nan), np.full((n, 6), -(2**60)), *np.full((2, levels, n), -(2**60))
        written = run(np.random.default_rng(3), 20.0, 20.0, 0.5, 30.0, 0.15, 0.4, 10_000, levels, *arrays)
        outs.append((written, arrays))
    assert outs[0][0] == outs[1][0] > 300
    for a, b in zip(outs[0][1], outs[1][1], strict=True):
        # Compiled code may fuse a multiplication and an addition of the latent pressure; the book is integer and exact.
        compare = np.testing.assert_array_equal if a.dtype == np.int64 else np.testing.assert_allclose
        compare(a, b)


def test_the_same_seed_gives_the_same_bytes(market):
    assert simulate(market, 1).digest == simulate(market, 1).digest
    assert simulate(market, 1).events.equals(simulate(market, 1).events)
    digests = {simulate(m, i).digest for m in (market, replace(market, seed=1)) for i in (0, 1)}
    assert len(digests) == 4


def test_the_book_is_a_book(market):
    s = simulate(market, 0)
    e = s.events
    assert (times(e)[1:] >= times(e)[:-1]).all()
    assert e["bid_px_00"].is_not_null().all()
    assert (e["bid_px_00"] < e["ask_px_00"]).all()
    for m in range(s.levels):
        assert (e[f"bid_sz_{m:02d}"] > 0).all()
        assert (e[f"ask_sz_{m:02d}"] > 0).all()
        if m:
            assert (e[f"bid_px_{m:02d}"] < e[f"bid_px_{m - 1:02d}"]).all()
            assert (e[f"ask_px_{m:02d}"] > e[f"ask_px_{m - 1:02d}"]).all()
    assert set(e["action"].unique()) == {"A", "C", "T"}
    assert s.open < times(e)[0]
    assert times(e)[-1] <= s.close


def drift(market, sessions):
    """(expected, realised) move over 10 s from a grid of times, the expected one from the latent pressure."""
    expected, realised = [], []
    for i in range(sessions):
        s = simulate(market, i)
        at = np.arange(s.open + 60 * SECOND, s.close - 20 * SECOND, 10 * SECOND)
        index = np.searchsorted(times(s.events), at, side="right") - 1
        expected.append(expected_move(market, s.truth["pressure"].to_numpy()[index], 0.0, 10.0))
        book = states(s, "message")
        mid = [
            ((q["bid"] + q["ask"]) / 2 / s.tick).to_numpy() for q in (quotes(book, at), quotes(book, at + 10 * SECOND))
        ]
        realised.append(mid[1] - mid[0])
    return np.concatenate(expected), np.concatenate(realised)


def test_the_price_drifts_as_the_truth_says(configure):
    market = configure("dataset.sessions=6").dataset
    expected, realised = drift(market, 6)
    slope = np.sum(expected * realised) / np.sum(expected**2)
    error = realised.std() / np.sqrt(np.sum(expected**2))
    assert abs(slope - 1) < 4 * error
    assert error < 0.06


def test_the_null_market_ignores_the_pressure(configure):
    market = configure("dataset=synthetic_null", "dataset.sessions=3").dataset
    tilted = replace(market, price_tilt=0.4)
    would_be = drift(tilted, 3)[0]
    _, realised = drift(market, 3)
    n = min(len(would_be), len(realised))
    assert abs(np.corrcoef(would_be[:n], realised[:n])[0, 1]) < 4 / np.sqrt(n)
    assert (expected_move(market, np.array([-2.0, 2.0]), 0, 10) == 0).all()


def test_the_study_finds_what_is_planted_at_a_share_of_the_oracle(run, configure):
    config = configure()
    study = run("tuning=off")
    ic = study.report.metrics["pooled"]["ic"]
    assert ic["low"] > 0
    oracle = []
    for i in range(config.dataset.sessions):
        s = simulate(config.dataset, i)
        rows = study.predictions.filter(pl.col("session") == s.date)
        index = np.searchsorted(times(s.events), rows["bar_close"].to_numpy(), side="right") - 1
        oracle.append(expected_move(config.dataset, s.truth["pressure"].to_numpy()[index], 0.05, 10.0))
    best = np.corrcoef(np.concatenate(oracle), study.predictions["y"])[0, 1]
    assert 0.3 < ic["value"] / best < 1.0


def test_the_study_finds_nothing_in_the_null_market(run):
    for model in ("lgbm", "ridge"):
        study = run("dataset=synthetic_null", f"model={model}", "tuning.trials=3")
        ic = study.report.metrics["pooled"]["ic"]
        assert ic["low"] < 0 < ic["high"]
        assert study.report.metrics["pooled"]["r2"]["value"] < 0.005
