"""Moves over other horizons, and what a forecast knows of them."""

import numpy as np
import polars as pl
import pytest

from ofiml.bars import cut_bars
from ofiml.bars.time import select_states
from ofiml.data.synthetic import simulate
from ofiml.evaluation.bootstrap import BlockBootstrap
from ofiml.evaluation.decay import measure_decay
from ofiml.labels.decay import build_decay_table, format_horizon, name_decay_columns
from ofiml.samples.prepare import prepare_session
from ofiml.samples.settings import SampleSettings
from ofiml.splits.rows import Intervals
from ofiml.units import SECOND

H = 10 * SECOND
MULTIPLES = [0.1, 0.2, 0.5, 1, 2, 5, 10]


@pytest.fixture(scope="module")
def small(configure):
    config = configure("dataset.session_length=20m", "dataset.sessions=1")
    return config, simulate(config.dataset, 0)[0]


@pytest.mark.slow
def test_moves_are_those_of_the_mids_at_these_times(small):
    config, session = small
    book = select_states(session, config.bars.per)
    bars = cut_bars(session, book, config.bars)
    table = build_decay_table(
        session, book, bars, pl.Series(np.full(len(bars.close), 0.5)), config.horizon, config.evaluation.decay
    )
    events = book.events.select(mid=(pl.col("bid_px_00") + pl.col("ask_px_00")) / (2 * session.tick))["mid"].to_list()
    rng = np.random.default_rng(3)
    for k in rng.integers(0, len(bars.close), 40):
        start = int(bars.close[k]) + 50_000_000
        for name, multiple in zip(name_decay_columns(MULTIPLES), MULTIPLES, strict=True):
            end = start + int(multiple * 10 * SECOND)
            if end > session.close:
                assert table[name][int(k)] is None
                continue
            first, last = (max(i for i in range(len(events)) if book.stamps[i] <= t) for t in (start, end))
            expected = None if events[first] is None or events[last] is None else 2 * (events[last] - events[first])
            assert table[name][int(k)] == expected


@pytest.mark.parametrize("unit", ["ticks", "bps"])
def test_at_the_studys_own_horizon_it_is_the_label(configure, small, unit):
    _, session = small
    rows = prepare_session(session, SampleSettings.of(configure("dataset.session_length=20m", f"target.unit={unit}")))
    move, y = (rows.rows[c].fill_null(float("nan")).to_numpy() for c in ("ahead_03", "y"))
    assert move == pytest.approx(y, rel=1e-3, nan_ok=True)  # a return in bps is of the mid one delay later
    assert rows.rows["ahead_06"].null_count() == 11  # whose 50 ms and 100 s do not fit
    impact = prepare_session(
        session, SampleSettings.of(configure("dataset.session_length=20m", "target=impact", "model=ols"))
    )
    assert not [c for c in impact.rows.columns if c.startswith("ahead")]


@pytest.mark.parametrize("clock", [["horizon=events", "horizon.size=400"], ["horizon=volume", "horizon.size=900"]])
def test_on_clocks_of_activity_too(configure, small, clock):
    _, session = small
    config = configure("dataset.session_length=20m", *clock)
    rows = prepare_session(session, SampleSettings.of(config)).rows
    assert rows["ahead_03"].equals(rows["y"], null_equal=True)
    # Twice the horizon is the label of who asks for twice as much.
    size = f"horizon.size={2 * config.horizon.size}"
    assert rows["ahead_04"].equals(
        prepare_session(session, SampleSettings.of(configure("dataset.session_length=20m", *clock, size))).rows["y"]
    )
    assert format_horizon(config.horizon, 0.5) == f"{config.horizon.size / 2:g} {config.horizon.clock}"


def decay(rows, config, train=None):
    bootstrap = BlockBootstrap.of(config.evaluation, config.seed)
    return measure_decay(rows, config.horizon, config.evaluation.decay, bootstrap, (train or {}).items())


def predictions(y_hat, moves):
    n = len(y_hat)
    closes = 10 * SECOND * np.arange(1, n + 1)
    flat = {
        "symbol": "A",
        "session": "d",
        "bar_close": closes,
        "label_start": closes,
        "label_end": closes + H,
        "y_hat": y_hat,
    }
    return pl.DataFrame(flat | {name: moves[:, i] for i, name in enumerate(name_decay_columns(MULTIPLES))})


@pytest.fixture(scope="module")
def judged(configure):
    return configure("evaluation.bootstrap_samples=300")


def walk(seed, n=3000):
    """Forecasts that know nothing, and moves of a random walk over the seven horizons."""
    rng = np.random.default_rng(seed)
    steps = rng.normal(size=(n, 7)) * np.sqrt(np.diff([0, *MULTIPLES]))
    return rng.normal(size=n), steps


@pytest.mark.parametrize("where", [0, 3, 6])
def test_a_signal_of_one_horizon_shows_there(judged, where):
    y_hat, steps = walk(1)
    steps[:, where] += 1.5 * y_hat * np.sqrt(np.diff([0, *MULTIPLES])[where])
    found = decay(predictions(y_hat, np.cumsum(steps, axis=1)), judged)
    for i, entry in enumerate(found):
        assert (entry.new_low > 0.5) == (i == where)
        assert abs(entry.new_ic) < 0.06 or i == where
        assert (entry.low > 0) == (i >= where)  # the whole move has it from then on
    assert found[where].ic == max(e.ic for e in found)
    assert [e.horizon for e in found] == ["1 s", "2 s", "5 s", "10 s", "20 s", "50 s", "100 s"]


def test_a_random_walk_is_flat(judged):
    outside = 0
    for seed in range(8):
        y_hat, steps = walk(seed + 10)
        found = decay(predictions(y_hat, np.cumsum(steps, axis=1)), judged)
        outside += sum(e.new_low > 0 or e.new_high < 0 for e in found)
        assert max(abs(e.ic) for e in found) < 0.08
    assert outside <= 8  # of 56, at 95 %


def test_rows_whose_session_ends_do_not_count(judged):
    y_hat, steps = walk(3, 1200)
    moves = np.cumsum(steps, axis=1)
    moves[-300:, 6] = np.nan
    whole = decay(predictions(y_hat, moves), judged)
    part = decay(predictions(y_hat[:900], moves[:900]), judged)
    assert whole[6].low < whole[6].high
    assert [e.rows for e in whole] == [1200] * 6 + [900]
    assert repr(whole[6]) == repr(part[6])


def test_moves_that_meet_what_the_fold_was_taught_do_not_count(judged):
    """A train row right behind the test block, as a purge of one horizon leaves it, and one long before."""
    y_hat, steps = walk(3, 300)
    moves = np.cumsum(steps, axis=1)
    rows = predictions(y_hat, moves).with_columns(fold=pl.lit(0, pl.Int32))
    last = int(rows["label_end"][-1])
    edge = np.array([last + 1, -5 * H])
    taught = {0: Intervals(edge, edge, edge + H)}
    found = decay(rows, judged, taught)
    assert [e.rows for e in found] == [300, 300, 300, 300, 299, 296, 291]
    assert [e.rows for e in decay(rows, judged, {1: taught[0]})] == [300] * 7
    looking_back = Intervals(edge[:1], edge[:1] + 20 * H, edge[:1] + 21 * H)  # its features reach behind the block
    assert [e.rows for e in decay(rows, judged, {0: looking_back})] == [e.rows for e in found]
    plain = decay(rows[:291], judged)
    assert repr(found[6].ic) == repr(plain[6].ic)


def test_none_is_asked_for(configure):
    y_hat, steps = walk(4, 50)
    assert decay(predictions(y_hat, steps), configure("evaluation.decay=[]")) is None
    assert decay(pl.DataFrame({"y_hat": y_hat}), configure()) is None
