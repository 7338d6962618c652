"""A feed that is late: what moves with it, and what does not."""

import numpy as np
import pytest

from ofiml.backtest.feed import Feed
from ofiml.backtest.result import tabulate
from ofiml.config import Backtest
from ofiml.errors import ConfigError
from ofiml.samples.tape import build_tape
from ofiml.strategy.decisions import LAST
from tests.backtest.scripts import NO_LIMITS, at, book, decide, make_session
from tests.backtest.traded import DEEP, collect, make_config, trade, walk
from tests.books import SECOND

FALL = [*walk([100, 100, 100]), book(3, (94, DEEP, 96, DEEP)), *[book(t, (90, DEEP, 92, DEEP)) for t in (4, 5, 6)]]


def list_fills(rows, decisions, **keys):
    """Fills (t, price in ticks, lots) and the reasons of the orders."""
    limits = NO_LIMITS._replace(**{name: keys.pop(name) for name in ("stop",) if name in keys})
    result = collect([trade(rows, decisions, config=make_config(**keys), limits=limits, close=7)])
    fills = result.fills.select(t=result.fills["filled"] / SECOND, price=result.fills["price"] / 10**7, lots="lots")
    reasons = result.orders["reason"].to_list()
    return [(round(t, 9), round(price), lots) for t, price, lots in fills.iter_rows()], reasons


def test_a_stop_sees_the_market_later():
    """The bid falls at 3 s, which is known at 3.75 s; the order is there 0.5 s later, when the bid is lower still."""
    bought = decide(at(2, "target", 5))
    fills, reasons = list_fills(FALL, bought, stop=4, latency="500ms")
    assert (fills, reasons) == ([(2.5, 101, 5), (3.5, 94, -5)], ["signal", "stop"])
    fills, reasons = list_fills(FALL, bought, stop=4, latency="500ms", feed_latency="750ms")
    assert (fills, reasons) == ([(3.25, 96, 5), (5.25, 90, -5)], ["signal", "stop"])
    # Bought at 96, the bid of 94 is no stop, but that of 90 is: from 4 s on, known at 4.75 s.
    fills, _ = list_fills(FALL, decide(at(1, "target", 5)), stop=4, latency="500ms", feed_latency="750ms")
    assert fills == [(2.25, 101, 5), (4.25, 90, -5)]


def test_a_decision_is_as_much_later_and_counts_from_the_mid_of_its_bar():
    result = collect([trade(FALL, decide(at(2, "target", 5)), config=make_config(feed_latency="1s"), close=7)])
    (order,) = result.orders.filter(result.orders["reason"] == "signal").iter_rows(named=True)
    assert (order["decided"], order["arrived"]) == (3 * SECOND, 3 * SECOND)
    first = result.fills.row(0, named=True)
    assert (first["mid2_decided"], first["mid2_arrived"]) == (200 * 10**7, 190 * 10**7)
    assert first["latency"] == pytest.approx(-5 * 0.05)
    assert result.summary.slippage_ticks == pytest.approx(
        (5 * (96 - 100) - 5 * (90 - 91)) / 10
    )  # the sale was bid at 91 - 1


def test_holding_times_end_at_the_same_bar():
    held = decide(at(1, "target", 5, until=3), at(2, "hold"), at(3, "hold"), at(4, "hold"))
    for feed in ("0s", "750ms", "1s"):
        fills, reasons = list_fills(FALL, held, feed_latency=feed)
        late = {"0s": 0.0, "750ms": 0.75, "1s": 1.0}[feed]
        assert [t for t, *_ in fills] == [1 + late, 3 + late]
        assert reasons == ["signal", "expired"]


def test_quotes_follow_a_price_that_they_know():
    """A posted entry follows the bid, which stands at 105 from 3 s on: it is as late as the feed."""
    rows = [*walk([100, 100, 100]), book(3, (105, DEEP, 107, DEEP))]
    decisions = decide(at(2, "target", 5), at(2.5, "target", 5), at(3.5, "target", 5))

    def follow(feed):
        limits = NO_LIMITS._replace(post=True)
        result = collect([trade(rows, decisions, config=make_config(feed_latency=feed), limits=limits, close=6)])
        return [(o["sent"] / SECOND, round(o["price"] / 10**7)) for o in result.orders.iter_rows(named=True)]

    assert follow("0s") == [(2.0, 99), (3.5, 105)]
    assert follow("1s") == [(3.0, 99), (4.5, 105)]


def test_the_executable_return_is_as_much_later_and_marks_are_not():
    rows, bars = walk([100, 110, 120, 130, 140]), decide(at(1, "hold"), at(2, "hold"))
    late = trade(rows, bars, config=make_config(latency="100ms", feed_latency="500ms"))
    slow = trade(rows, bars, config=make_config(latency="600ms"))
    assert tabulate([late], "executable").equals(tabulate([slow], "executable"))
    assert late.ledger.times.tolist() == trade(rows, bars).ledger.times.tolist()
    assert late.mean_price == trade(rows, bars).mean_price


def test_no_message_overtakes_another_and_no_decision_the_messages_of_its_bar():
    tape = build_tape(make_session(walk([100 + k % 3 for k in range(60)])))
    decisions = decide(*[at(t, "target", 1, until=t + 1.5) for t in range(1, 60)])
    for median, jitter in ((SECOND // 4, 0.0), (SECOND // 4, 2.0), (10 * SECOND, 0.0)):
        late, later = Feed(median, jitter, 3).delay(tape, decisions)
        assert (np.diff(late.receipt) >= 0).all()
        assert (late.receipt > tape.receipt).all()
        assert (np.diff(later.time) >= 0).all()
        for before, after in zip(decisions.time, later.time, strict=True):
            assert after >= max(before + median, late.receipt[tape.receipt <= before].max())
        assert (later.until > decisions.until).all()
        if not jitter:
            assert (late.receipt - tape.receipt == median).all()
            assert (later.time - decisions.time == median).all()
    drawn = Feed(SECOND // 4, 2.0, 3).draw(20_000)
    assert np.median(drawn) == pytest.approx(SECOND // 4, rel=0.05)
    assert np.log(drawn).std() == pytest.approx(2.0, rel=0.05)
    assert (Feed(SECOND // 4, 2.0, 3).draw(5) == Feed(SECOND // 4, 2.0, 3).draw(5)).all()
    assert (Feed(SECOND // 4, 2.0, 4).draw(5) != Feed(SECOND // 4, 2.0, 3).draw(5)).all()


def test_without_delay_nothing_is_touched():
    tape, decisions = build_tape(make_session(FALL)), decide(at(1, "target", 5))
    late, later = Feed().delay(tape, decisions)
    assert late is tape
    assert later is decisions
    assert Feed(1).delay(tape, decisions)[1].until.tolist() == [LAST]


def test_a_deviation_of_nothing_is_refused():
    with pytest.raises(ConfigError, match=r"backtest\.feed_jitter draws around backtest\.feed_latency, which is 0"):
        Backtest(enabled=True, latency="0s", feed_jitter=1.0)
