"""Labels: known answers by hand, and intervals that cover the delay and never cross the session's end."""

import pytest

from ofiml.bars.time import build_bar_table, cut_time_bars, select_states
from ofiml.config import Horizon, Target
from ofiml.labels import build_label_table
from tests.books import SECOND, session

MS = 1_000_000


def labels(rows, *, kind="forecast", form="return", unit="ticks", length="2s", delay="500ms", latency=0, close=6):
    s = session(rows, close=close)
    book = select_states(s, "message")
    bars = cut_time_bars(s, book, SECOND)
    target = Target(kind, form, unit, look_back=None, dead_band=0.0, stop=None, take_profit=None)
    horizon = Horizon("time", length, None, delay)
    return build_bar_table(s, book, bars), build_label_table(s, book, bars, target, horizon, latency)


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


# Mid in ticks: -4 from 0.5 s, 0 from 1.4 s, 6 from 3.6 s, -2 from 5.2 s.
THROUGH_ZERO = [{"t": t, "book": [(mid - 1, 1, mid + 1, 1)]} for t, mid in ((0.5, -4), (1.4, 0), (3.6, 6), (5.2, -2))]


def test_a_return_in_bps_has_the_sign_of_its_move_and_none_at_a_mid_of_zero():
    _, out = labels(THROUGH_ZERO, unit="bps", delay="0ms", close=8)
    # Bars close at 1, 2, … s; each label runs over 2 s.
    assert out["move_ticks"].to_list()[:6] == [4, 6, 6, -8, -8, 0]
    expected = [1e4 * 4 / 4, None, None, -1e4 * 8 / 6, -1e4 * 8 / 6, 0]
    assert out["y"].to_list()[:6] == [pytest.approx(y) if y is not None else None for y in expected]
    assert out["scale"].to_list() == [
        pytest.approx(s) if s else None for s in (4e-4, 0, 0, 6e-4, 6e-4, 2e-4, 2e-4, 2e-4)
    ]
    # A forecast equal to the label is converted back to the move.
    known = out.filter(out["y"].is_not_null())
    assert (known["y"] * known["scale"]).to_list() == pytest.approx(known["move_ticks"].to_list())


@pytest.mark.parametrize("kind", ["forecast", "impact"])
@pytest.mark.parametrize(("form", "unit"), [("return", "ticks"), ("return", "bps"), ("direction", "ticks")])
def test_the_labels_of_a_mirrored_market_have_the_other_sign(kind, form, unit):
    mirror = [{"t": r["t"], "book": [(-a, n, -b, m) for b, m, a, n in r["book"]]} for r in THROUGH_ZERO]
    (_, ours), (_, theirs) = (labels(rows, kind=kind, form=form, unit=unit, close=8) for rows in (THROUGH_ZERO, mirror))
    assert theirs["y"].to_list() == [None if y is None else -y for y in ours["y"]]
    assert theirs["scale"].to_list() == ours["scale"].to_list()
    assert ours["y"].null_count() < ours.height


def test_labels_in_ticks_do_not_depend_on_the_level_of_prices():
    high = [{"t": r["t"], "book": [(b + 10**8, m, a + 10**8, n) for b, m, a, n in r["book"]]} for r in THROUGH_ZERO]
    barriers = Target("forecast", "triple_barrier", "ticks", look_back=None, dead_band=0.0, stop=3.0, take_profit=3.0)
    volatility = Target("forecast", "return", "volatility", look_back="2s", dead_band=0.0, stop=None, take_profit=None)
    for target in (barriers, volatility, None):
        low, up = (
            table(rows, Horizon("time", "2s", None, "0ms"), target=target, close=8) for rows in (THROUGH_ZERO, high)
        )
        assert low.equals(up)
        assert low["y"].null_count() < low.height


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


def table(rows, horizon, *, target=None, close=6, latency=0):
    s = session(rows, close=close)
    book = select_states(s, "message")
    plain = Target("forecast", "return", "ticks", look_back=None, dead_band=0.0, stop=None, take_profit=None)
    return build_label_table(s, book, cut_time_bars(s, book, SECOND), target or plain, horizon, latency)


def test_a_horizon_of_events_lasts_until_so_many_states_have_come():
    out = table(ROWS, Horizon("events", None, 1, "500ms"))
    # From 1.5 s (102) to the next state, at 3.6 s (105); the bars at 4 s and later see none.
    assert out["y"].to_list() == [3, 3, 3, None, None, None]
    assert out["label_end"].to_list()[:3] == [3600 * MS] * 3
    # Without the delay the first bar's horizon is over at 1.4 s.
    assert out["hold_until"].to_list() == [1400 * MS, 3600 * MS, 3600 * MS, None, None, None]
    assert out["label_end"].to_list()[3:] == [6 * SECOND] * 3
    late = table(ROWS, Horizon("events", None, 1, "500ms"), latency=3 * SECOND)
    assert late["label_end"].to_list()[:3] == [4400 * MS, 6600 * MS, 6600 * MS]


def test_a_horizon_of_events_holds_whole_timestamps():
    rows = [*ROWS, {"t": 3.6, "book": [(108, 1, 110, 1)]}]
    assert table(rows, Horizon("events", None, 1, "500ms"))["y"].to_list()[:3] == [7, 7, 7]


def test_a_horizon_of_volume_lasts_until_so_much_is_traded():
    traded = [{**ROWS[1], "action": "T", "size": 3}, {"t": 2.2, "book": [(101, 1, 103, 1)], "action": "T", "size": 4},
              {"t": 2.9, "book": [(103, 1, 105, 1)], "size": 50},
              {"t": 3.6, "book": [(104, 1, 106, 1)], "action": "T", "size": 1}]  # fmt: skip
    out = table([ROWS[0], *traded], Horizon("volume", None, 5, "0ms"))
    # From 1 s: 3 lots at 1.4 s and 4 at 2.2 s. From 2 s: 4 and, at 3.6 s, 1. Later ones are never over.
    assert out["y"].to_list() == [1, 3, None, None, None, None]
    assert out["hold_until"].to_list() == [2200 * MS, 3600 * MS, None, None, None, None]


def test_a_triple_barrier_is_what_the_mid_meets_first():
    barrier = Target("forecast", "triple_barrier", "ticks", look_back=None, dead_band=0.0, stop=2, take_profit=3)
    path = ((0.5, 100), (1.5, 102), (2.5, 103), (3.1, 101), (4.2, 99), (5.2, 99))
    rows = [{"t": t, "book": [(mid - 1, 1, mid + 1, 1)]} for t, mid in path]
    out = table(rows, Horizon("time", "3s", None, "0ms"), target=barrier, close=7)
    # From 100 at 1 s: +3 at 2.5 s. From 102 at 2 s: -3 at 4.2 s, the stop. From 103 at 3 s: -2 at 3.1 s. From 101 at
    # 4 s: -2 at 4.2 s. From 5 s on the horizon ends after the session, and there is no label, met or not.
    assert out["y"].to_list() == [1, -1, -1, -1, None, None, None]
    assert out["move_ticks"].to_list() == [3, -3, -2, -2, None, None, None]
    ends = [2500 * MS, 4200 * MS, 3100 * MS, 4200 * MS]
    assert out["label_end"].to_list()[:4] == out["hold_until"].to_list()[:4] == ends
    still = table(rows[:2], Horizon("time", "3s", None, "0ms"), target=barrier, close=7)
    assert still["y"].to_list()[:4] == [0, 0, 0, 0]
    assert still["label_end"].to_list()[:4] == [4 * SECOND, 5 * SECOND, 6 * SECOND, 7 * SECOND]


def test_volatility_by_hand():
    volatile = Target("forecast", "return", "volatility", look_back="2s", dead_band=0.0, stop=None, take_profit=None)
    out = table(ROWS, Horizon("time", "2s", None, "0ms"), target=volatile)
    # Bars' moves: unknown, 1, 0, 3, 0, 0. A horizon is two bars long, and so is the look-back, once it is known.
    quiet = 0.25**0.5
    expected = [None, (2 * 1) ** 0.5, 1, 3, 3, quiet]
    assert out["scale"].to_list() == [e if e is None else pytest.approx(e) for e in expected]
    assert out["y"].to_list() == [None, pytest.approx(3 / 2**0.5), 3, 0, None, None]


def test_a_dead_band_leaves_the_move_to_each_fold():
    band = Target("forecast", "direction", "ticks", look_back=None, dead_band=0.5, stop=None, take_profit=None)
    out = table(ROWS, Horizon("time", "2s", None, "500ms"), target=band)
    assert out["y"].to_list() == out["move_ticks"].to_list() == [0, 3, 3, None, None, None]
    assert out["scale"].to_list() == [1.0] * 6


def test_a_scale_turns_labels_into_ticks():
    _, bps = labels(ROWS, unit="bps")
    assert bps["scale"].to_list()[1] == pytest.approx(102e-4)
    _, ticks = labels(ROWS)
    assert ticks["scale"].to_list() == [1.0] * 6
