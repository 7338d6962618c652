"""What a fold learns of its labels: the dead band and a direction's worth, from train rows alone."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ofiml.config import Target
from ofiml.labels import Encoder, convert_to_ticks
from ofiml.metrics.measures import Forecast, list_measures
from ofiml.parallel import Workers
from ofiml.samples.settings import SampleSettings
from ofiml.splits.walk_forward import Intervals, build_walk_forward_folds
from ofiml.study import run as experiment
from ofiml.training.inputs import read_intervals
from ofiml.tuning.inner import TrainRows, build_inner_folds
from ofiml.ui.progress import Stages

SECOND = 1_000_000_000
DIRECTION = Target("forecast", "direction", "ticks", look_back=None, dead_band=0.0, stop=None, take_profit=None)


def test_the_band_is_a_quantile_of_the_train_moves():
    moves = np.array([-4.0, 3.0, -2.0, 1.0, 0.0])
    encoder = Encoder.fit(moves, 0.5)
    assert encoder.band == 2
    assert encoder.encode(moves).tolist() == [-1, 1, 0, 0, 0]  # what lies on the band is within it
    assert encoder.encode(np.array([100.0, -2.5, 2.0])).tolist() == [1, -1, 0]
    assert np.isnan(encoder.encode(np.array([np.nan]))).all()


def test_without_a_dead_band_labels_stay_as_they_are():
    y = np.array([1.7, -1.0, 0.0, np.nan])
    assert Encoder.fit(y, 0.0).band is None
    assert Encoder.fit(y, 0.0).encode(y) is y


@given(st.lists(st.integers(-20, 20), min_size=1, max_size=60), st.floats(0.01, 0.99))
def test_no_more_than_its_share_lies_beyond_a_band(moves, share):
    y = np.array(moves, np.float64) / 2
    encoded = Encoder.fit(y, share).encode(y)
    assert np.sum(encoded != 0) <= (1 - share) * len(y) + 1
    assert ((encoded == 0) | (encoded == np.sign(y))).all()


def test_what_a_forecast_is_worth_in_ticks():
    y, move = np.array([1.0, -1.0, 0.0, 0.0]), np.array([5.0, -3.0, 1.0, 0.0])
    half, one = np.array([0.5, -0.5]), np.ones(2)
    returns = replace(DIRECTION, form="return")
    assert convert_to_ticks(half, None, np.array([2.0, np.nan]), y, move, returns).tolist()[0] == 1
    # The rows that move do so by 4 ticks in the mean, whatever the share of those that do not.
    for flat in (np.zeros(2), np.full(2, 0.5)):
        assert convert_to_ticks(half, flat, one, y, move, DIRECTION).tolist() == [2, -2]
    # Of a barrier, up 5, down -3, else 0.5. P(up) = 3/4 of those that touch, or 1/4; one in two does.
    barrier = replace(DIRECTION, form="triple_barrier", stop=2, take_profit=4)
    quarter, flat = half / 2, np.full(2, 0.5)
    assert convert_to_ticks(quarter, flat, one, y, move, barrier).tolist() == [
        (3.75 - 0.75 + 0.5) / 2,
        (1.25 - 2.25 + 0.5) / 2,
    ]
    # P(up), P(0), P(down) = 6/10, 3/10, 1/10.
    three_ways = convert_to_ticks(np.array([0.5]), np.array([0.3]), np.ones(1), y, move, barrier)
    assert three_ways == pytest.approx(0.6 * 5 - 0.1 * 3 + 0.3 * 0.5)


def test_who_knows_no_more_than_the_shares_of_a_barriers_labels_forecasts_the_mean_move():
    rng = np.random.default_rng(1)
    y = rng.choice([-1.0, 0.0, 1.0], 500, p=[0.5, 0.2, 0.3])
    move = np.select([y > 0, y < 0], [4.0, -2.0], 1.0) + rng.uniform(0, 0.4, 500)
    barrier = replace(DIRECTION, form="triple_barrier", stop=2, take_profit=4)
    up, down, flat = (np.array([np.mean(y == k)]) for k in (1, -1, 0))
    assert convert_to_ticks(up - down, flat, np.ones(1), y, move, barrier) == pytest.approx(move.mean())
    # Of no train row that touched, the barriers themselves.
    sure = convert_to_ticks(np.full(1, 0.9), np.full(1, 0.1), np.ones(1), np.zeros(3), np.ones(3), barrier)
    assert sure == pytest.approx(0.9 * 4 + 0.1 * 1)


def test_inner_folds_learn_the_band_without_the_rows_they_hold_out(configure):
    rng = np.random.default_rng(0)
    t = np.arange(300) * 10 * SECOND
    rows = Intervals(t - 10 * SECOND, t, t + 5 * SECOND)
    y = rng.integers(-6, 7, 300).astype(np.float64)
    train = TrainRows(rng.standard_normal((300, 3)), np.empty((300, 0)), y, rows, dead_band=0.5)
    ofi = configure("ofi=best_level").ofi
    later = y.copy()
    later[200:] *= 10  # the second half is held out, in three blocks
    folds, other = (build_inner_folds(replace(train, y=labels), ofi, 0, 3) for labels in (y, later))
    for fold, changed in zip(folds[:2], other[:2], strict=True):
        assert set(fold.y) == {-1, 0, 1}
        assert fold.y.tolist() == changed.y.tolist()
    assert folds[1].y_test.tolist() != other[1].y_test.tolist()
    assert folds[2].y.tolist() != other[2].y.tolist()  # its train rows changed: the band is not one for all


def test_corrupt_test_rows_leave_the_band_where_it_is(configure, monkeypatch):
    in_time_order = experiment.pool_samples
    bare = ["evaluation.bootstrap_samples=50", "evaluation.permutation_repeats=0", "evaluation.decay=[]"]
    config = configure("debug=tiny", "target=dead_band", "model=logistic", "tuning=off", "backtest=off", *bare)

    def studied(factor):
        def changed(*pooled):
            rows, dropped = in_time_order(*pooled)
            late = pl.int_range(rows.height) >= int(0.72 * rows.height)  # in the second of two test blocks
            return rows.with_columns(
                pl.when(late).then(pl.col(c) * factor).otherwise(pl.col(c)) for c in MOVES
            ), dropped

        monkeypatch.setattr(experiment, "pool_samples", changed)
        with Stages() as stages:
            return experiment.run(config, stages)

    MOVES = ("y", "move_ticks")
    before, after = studied(1.0), studied(100.0)
    bands = [[f.dead_band_ticks for f in s.report.folds] for s in (before, after)]
    assert bands[0] == bands[1]
    assert all(band > 0 for band in bands[0])
    assert before.predictions["y_hat"].equals(after.predictions["y_hat"])
    assert not before.predictions["y"].equals(after.predictions["y"])
    assert set(before.predictions["y"]) == {-1, 0, 1}
    # What is judged is beyond the band of the fold's own train rows.
    for fold, band in enumerate(bands[0]):
        rows = before.predictions.filter(pl.col("fold") == fold)
        assert rows["y"].to_list() == (rows["move_ticks"].sign() * (rows["move_ticks"].abs() > band)).to_list()


def test_measures_of_labels_that_are_all_zero_are_not_defined():
    y, y_hat, mean = np.zeros(5), np.linspace(-1, 1, 5), np.zeros(5)
    for name in list_measures("classification", None):
        assert np.isnan(Forecast(y, y_hat, mean, (1 + y_hat) / 2).measure(name)), name
    # Half of the labels are none: hits are counted among what moved and was called.
    y, y_hat = np.array([1, -1, 0, 0, 1.0]), np.array([0.4, 0.2, 0.9, -0.9, 0.0])
    assert Forecast(y, y_hat, mean).measure("hit_rate") == 0.5
    assert Forecast(y, y_hat, mean).measure("auc") == 0.5


@pytest.mark.parametrize("overrides", [
    ["horizon=volume", "horizon.size=3000"],
    ["horizon=events", "target=triple_barrier", "backtest.latency=5s"],
    ["target=volatility", "target.look_back=3m"],
], ids=" ".join)  # fmt: skip
def test_no_train_row_shares_an_instant_with_a_test_row(configure, overrides):
    """Row by row: spans of unequal length, the execution leg and the look-back of the label's unit are purged."""
    config = configure("debug=tiny", *overrides)
    with Stages() as stages:
        rows, _ = experiment.pool_samples(
            experiment.prepare_dataset(SampleSettings.of(config), Workers(config.threads), stages).sessions
        )
    rows = rows.filter(pl.col("y").is_not_null())
    length = (rows["label_end"] - rows["label_start"]).to_numpy()
    assert (len(np.unique(length)) > 100) == (config.target.unit != "volatility")
    spans = rows.select("first_used", "label_start", "label_end").rows()
    folds = build_walk_forward_folds(read_intervals(rows), folds=3, first_train=0.4, embargo=0)
    assert sum(f.purged for f in folds) > 0
    for fold in folds:
        test = [spans[i] for i in fold.test]
        for used, start, end in (spans[i] for i in fold.train):
            assert not any(min(used, start) <= t_end and end >= t_start for _, t_start, t_end in test)
    if config.target.unit == "volatility":
        assert (rows["bar_close"] - rows["first_used"]).min() == 180 * SECOND
