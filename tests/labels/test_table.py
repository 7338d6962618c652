"""Labels: known answers by hand, and intervals that cover the delay and never cross the session's end."""

import pytest

from ofiml.bars.time import bar_table, states, time_bars
from ofiml.config import Horizon, Target
from ofiml.labels import label_table
from tests.books import SECOND, session

MS = 1_000_000


def labels(rows, *, kind="forecast", form="return", unit="ticks", length="2s", delay="500ms", latency=0, close=6):
    s = session(rows, close=close)
    book = states(s, "message")
    bars = time_bars(s, book, SECOND)
    target = Target(kind, form, unit, look_back=None, dead_band=0.0, stop=None, take_profit=None)
    horizon = Horizon("time", length, None, delay)
    return bar_table(s, book, bars), label_table(s, book, bars, target, horizon, latency)


# Mid in ticks: 101 from 0.5 s, 102 from 1.4 s, 105 from 3.6 s.
ROWS = [{"t": t, "book": [(mid - 1, 1, mid + 1, 1)]} for t, mid in ((0.5, 101), (1.4, 102), (3.6, 105))]


def test_a_forecast_begins_after_the_delay():
    bars, out = labels(ROWS)
    assert bars["mid"].to_list() == [101, 102, 102, 105, 105, 105]
    # Bar closing at 1 s: from 1.5 s (102) to 3.5 s (102); at 2 s: from 2.5 s (102) to 4.5 s (105).
    assert out["y"].to_list() == [0, 3, 3, None, None, None][:3] + [None] * 3
    assert out["label_start"].to_list() == [k * SECOND for k in range(1, 7)]
    assert out["label_end"][0] == 3500 * MS


def test_a_label_may_end_at_the_close_and_not_after_it():
    _, out = labels(ROWS, close=6, delay="0ms", length="2s")
    assert out["y"].is_null().to_list() == [False] * 4 + [True] * 2


def test_the_interval_covers_the_execution_leg():
    _, out = labels(ROWS, latency=900 * MS)
    assert out["label_end"][0] == 3900 * MS


def test_units_and_direction():
    _, bps = labels(ROWS, unit="bps")
    assert bps["y"][1] == pytest.approx(1e4 * 3 / 102)
    assert bps["move_ticks"][1] == 3
    _, direction = labels(ROWS, form="direction")
    assert direction["y"].to_list()[:3] == [0, 1, 1]


def test_an_impact_label_is_the_same_bar():
    bars, out = labels(ROWS, kind="impact")
    assert out["y"].to_list() == [None, 1, 0, 3, 0, 0]  # the first bar has no mid at its open
    assert out["label_start"].to_list() == bars["bar_open"].to_list()
    assert out["label_end"].to_list() == bars["bar_close"].to_list()
    assert set(out["kind"]) == {"impact"}


def test_a_missing_side_gives_no_label():
    rows = [*ROWS, {"t": 4.2, "book": [(None, 0, 106, 1)]}]
    bars, out = labels(rows)
    assert bars["mid"].to_list()[4:] == [None, None]
    assert out["y"].to_list()[1:3] == [None, None]
