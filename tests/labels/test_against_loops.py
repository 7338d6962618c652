"""Labels on every clock against loops over the rows of random books, and that none is known before it ends."""

import math
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ofiml.bars.time import cut_time_bars, select_states
from ofiml.config import Horizon, Target
from ofiml.data.schema import F_LAST, extract_times
from ofiml.labels import build_label_table
from ofiml.labels.barrier import MISSING, find_first_touch, find_first_touch_py
from tests.books import SECOND, TICK, busy_session, session
from tests.conftest import slow_but_each

MS = 1_000_000
PLAIN = Target("forecast", "return", "ticks", look_back=None, dead_band=0.0, stop=None, take_profit=None)


def barriers(stop, take_profit):
    return replace(PLAIN, form="triple_barrier", stop=stop, take_profit=take_profit)


def made(s, per, step, target, horizon, latency):
    book = select_states(s, per)
    bars = cut_time_bars(s, book, step)
    return bars, build_label_table(s, book, bars, target, horizon, latency)


class Loops:
    """A session's rows, one after another."""

    def __init__(self, s, per):
        rows = s.events.with_columns(pl.Series("at", extract_times(s.events))).to_dicts()
        self.session = s
        self.trades = [(r["at"], r["size"]) for r in rows if r["action"] == "T"]
        self.states = [
            (r["at"], None if r["bid_px_00"] is None or r["ask_px_00"] is None else
             (r["bid_px_00"] + r["ask_px_00"]) / 2 / s.tick)
            for r in rows if per == "row" or r["flags"] & F_LAST
        ]  # fmt: skip

    def mid(self, t):
        known = None
        for at, mid in self.states:
            if at <= t:
                known = mid
        return known

    def over(self, horizon, since):
        """When the horizon is over that begins then; None if the session has no such event."""
        if horizon.clock == "time":
            return since + horizon.length_ns
        counted = [(at, 1) for at, _ in self.states] if horizon.clock == "events" else self.trades
        total = 0
        for at, amount in counted:
            if at > since:
                total += amount
                if total >= horizon.size:
                    return at
        return None

    def label(self, t, target, horizon, latency):
        """(y, move, label end, hold until) of a bar that closes at t."""
        begin = t + horizon.delay_ns
        last, until = self.over(horizon, begin), self.over(horizon, t)
        origin = self.mid(begin)
        inside = last is not None and last <= self.session.close
        y, final = 0.0, None if last is None else self.mid(last)
        if target.form == "triple_barrier" and origin is not None:
            for at, mid in self.states:
                if at <= begin or mid is None or at > self.session.close or (last is not None and at > last):
                    continue
                if mid - origin >= target.take_profit or origin - mid >= target.stop:
                    y, final, last = float(np.sign(mid - origin)), mid, at
                    inside = inside or horizon.clock != "time"
                    until = at if until is None else min(until, at)
                    break
        end = self.session.close if last is None else max(last, (until or 0) + latency)
        if not inside or origin is None or final is None:
            return None, None, end, until
        return (final - origin if target.form == "return" else y), final - origin, end, until


HORIZONS = {
    "time": lambda n: Horizon("time", f"{n}s", None, "0ms"),
    "events": lambda n: Horizon("events", None, 2 * n, "0ms"),
    "volume": lambda n: Horizon("volume", None, 5 * n, "0ms"),
}


@pytest.mark.parametrize("clock", slow_but_each(3, HORIZONS))
@given(seed=st.integers(0, 10**6), n=st.integers(1, 12), per=st.sampled_from(["row", "message"]),
       delay=st.sampled_from(["0ms", "300ms", "2s"]), latency=st.sampled_from([0, 300 * MS, 4 * SECOND]),
       stop=st.sampled_from([None, 1, 2.5]), take_profit=st.sampled_from([1, 3]))  # fmt: skip
@settings(max_examples=25)
def test_labels_are_those_of_loops_over_the_rows(clock, seed, n, per, delay, latency, stop, take_profit):
    s = busy_session(seed, 60)
    horizon = replace(HORIZONS[clock](n), delay=delay)
    target = PLAIN if stop is None else barriers(stop, take_profit)
    bars, table = made(s, per, 2 * SECOND, target, horizon, latency)
    loops = Loops(s, per)
    for row, t in zip(table.iter_rows(named=True), bars.close.tolist(), strict=True):
        y, move, end, until = loops.label(t, target, horizon, latency)
        assert (row["y"], row["move_ticks"], row["hold_until"]) == (y, move, until)
        assert row["label_end"] == end
        assert row["label_start"] == t <= end


@pytest.mark.parametrize("clock", HORIZONS)
@given(seed=st.integers(0, 10**6), where=st.floats(0.1, 0.9), stop=st.sampled_from([None, 2]))
@settings(max_examples=15)
def test_what_ends_by_t_is_that_of_the_data_up_to_t(clock, seed, where, stop):
    s = busy_session(seed, 80)
    target = PLAIN if stop is None else barriers(stop, 2)
    t = s.open + int(where * (s.close - s.open))
    cut = replace(s, events=s.events.filter(pl.Series(extract_times(s.events) <= t)))
    if not ((cut.events["flags"] & F_LAST) != 0).any():
        return
    horizon = replace(HORIZONS[clock](5), delay="300ms")
    whole, known = (made(x, "message", 2 * SECOND, target, horizon, 100 * MS)[1] for x in (s, cut))
    ended = whole["label_end"] <= t
    assert whole.filter(ended).equals(known.filter(ended))
    # That a horizon is over is known when it is, neither before nor after.
    for a, b in zip(whole["hold_until"].to_list(), known["hold_until"].to_list(), strict=True):
        assert a == b if (a is not None and a <= t) else (b is None or b > t)
    # Scales are known at the close.
    volatile = replace(PLAIN, unit="volatility", look_back="4s")
    scales = [made(x, "message", 2 * SECOND, volatile, horizon, 0) for x in (s, cut)]
    closed = scales[0][0].close <= t
    first, second = (table["scale"].filter(pl.Series(closed)) for _, table in scales)
    assert first.equals(second)


@pytest.mark.parametrize("clock", slow_but_each(3, HORIZONS))
@given(seed=st.integers(0, 10**6), look_back=st.sampled_from([2, 7, 20]))
@settings(max_examples=15)
def test_volatility_is_that_of_loops_over_the_bars(clock, seed, look_back):
    s = busy_session(seed, 80)
    horizon, step = HORIZONS[clock](5), 2 * SECOND
    target = replace(PLAIN, unit="volatility", look_back=f"{look_back}s")
    bars, table = made(s, "message", step, target, horizon, 0)
    plain = made(s, "message", step, PLAIN, horizon, 0)[1]
    loops = Loops(s, "message")
    length = 5 * SECOND if clock == "time" else horizon.size
    for k, t in enumerate(bars.close.tolist()):
        squares = ran = 0
        for j in range(k + 1):
            a, b = int(bars.edges[j]), int(bars.edges[j + 1])
            if a >= t - look_back * SECOND and loops.mid(a) is not None and loops.mid(b) is not None:
                squares += (loops.mid(b) - loops.mid(a)) ** 2
                counted = loops.trades if clock == "volume" else [(at, 1) for at, _ in loops.states]
                ran += b - a if clock == "time" else sum(amount for at, amount in counted if a < at <= b)
        known = ran > 0 and t - look_back * SECOND >= s.open
        if not known:
            assert table["scale"][k] is None
            assert table["y"][k] is None
            continue
        assert table["scale"][k] == pytest.approx(math.sqrt(max(squares, 0.25) * length / ran))
        move = plain["y"][k]
        assert table["y"][k] is None if move is None else table["y"][k] == pytest.approx(move / table["scale"][k])


@given(seed=st.integers(0, 10**6), up=st.sampled_from([1, 2.5, 6]), down=st.sampled_from([1, 2, 6]))
@settings(max_examples=30)
def test_the_kernel_is_its_plain_twin(seed, up, down):
    rng = np.random.default_rng(seed)
    doubled = rng.integers(-2, 3, 50).cumsum().astype(np.int64)
    doubled[rng.random(50) < 0.1] = MISSING
    start = rng.integers(-1, 50, 30).astype(np.int64)
    last = np.minimum(start + rng.integers(-3, 30, 30), 49).astype(np.int64)
    out = np.full(30, -77, np.int64)
    find_first_touch_py(doubled, start, last, up, down, out)
    assert find_first_touch(doubled, start, last, up, down).tolist() == out.tolist()


def test_a_volume_of_coins_is_counted_in_whole_lots():
    """0.3 coins are three lots of 0.1, not a bit more."""
    rows = [{"t": 0.5 + k, "book": [(100 + k, 1, 102 + k, 1)], "action": "T", "size": 1} for k in range(8)]
    s = replace(session(rows, close=8), size_unit=0.1)
    _, table = made(s, "message", SECOND, PLAIN, Horizon("volume", None, 0.3, "0ms"), 0)
    assert table["label_end"][0] == 3.5 * SECOND
    assert table["y"][0] == 3


def test_a_busy_book_has_labels_of_every_sort():
    """What the loops are held against is no desert."""
    s = busy_session(3, 200)
    for clock, make in HORIZONS.items():
        y = made(s, "message", 2 * SECOND, barriers(2, 2), replace(make(8), delay="300ms"), 0)[1]["y"]
        assert {-1, 0, 1} <= set(y.drop_nulls()) or clock != "time"
        assert {-1, 1} <= set(y.drop_nulls())
        assert s.tick == TICK
