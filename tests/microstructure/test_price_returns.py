"""Returns on the clocks of trades and bars, and sizes of orders, by hand."""

import numpy as np
import pytest

from ofiml.bars.time import select_states
from ofiml.data.schema import F_LAST, F_SNAPSHOT
from ofiml.microstructure.order_sizes import list_limit_sizes, list_market_sizes
from ofiml.microstructure.price_returns import (
    compute_mid_returns,
    compute_quote_returns,
    compute_trade_returns,
    list_trade_times,
)
from tests.books import SECOND, session


def bps(after, before):
    return 1e4 * np.log(after / before)


@pytest.fixture
def day():
    def trade(t, bid, ask, price, size, side="B", **more):
        return {"t": t, "book": [(bid, 5, ask, 5)], "action": "T", "price": price, "size": size, "side": side} | more

    return session(
        [
            {"t": 1, "book": [(100, 5, 102, 5)], "size": 30},
            trade(2, 100, 104, 102, 3, flags=0),
            trade(2, 101, 105, 104, 4),
            trade(3, 101, 107, 105, 2, side="A"),
            {"t": 4, "book": [(110, 5, 112, 5)], "flags": F_LAST | F_SNAPSHOT, "size": 70},
            trade(5, 111, 113, 112, 6),
            trade(6, None, 113, 113, 1, side="N"),
            trade(7, 112, 113, None, 8),
            trade(8, 113, 115, 114, 9),
            trade(8, 113, 115, 116, 4, side="A"),
        ]
    )


def test_returns_on_the_clock_of_trades(day):
    book, at = select_states(day, "message"), list_trade_times(day)
    assert at.tolist() == [t * SECOND for t in (2, 3, 5, 6, 7, 8)]
    # No return across the snapshot at 4, nor with the missing bid at 6.
    assert compute_quote_returns(book, at, "bid_px_00").tolist() == pytest.approx([0.0, bps(113, 112)])
    asks = [bps(107, 105), 0.0, 0.0, bps(115, 113)]
    assert compute_quote_returns(book, at, "ask_px_00").tolist() == pytest.approx(asks)
    assert compute_mid_returns(book, at).tolist() == pytest.approx([bps(208, 206), bps(228, 225)])


def test_a_time_before_the_first_state_has_no_price(day):
    book = select_states(day, "message")
    at = np.array([0, 1, 2, 3]) * SECOND
    assert compute_mid_returns(book, at).tolist() == pytest.approx([bps(206, 202), bps(208, 206)])


def test_returns_of_the_trades_own_prices(day):
    prices = [104, 105, 112, 113, 116]  # the last of each time; one trade has no price
    assert compute_trade_returns(day) == pytest.approx(1e4 * np.diff(np.log(prices)))


def test_sizes_of_orders(day):
    assert list_limit_sizes(day).tolist() == [30], "a snapshot's row is no order"
    assert list_market_sizes(day).tolist() == [7, 2, 6, 1, 8, 9, 4]


def test_prices_of_zero_and_below_have_no_return():
    rows = [{"t": t, "book": [(bid, 5, bid + 2, 5)]} for t, bid in ((1, 2), (2, -1), (3, 3), (4, 6))]
    day = session(rows)
    book = select_states(day, "message")
    returns = compute_quote_returns(book, np.arange(1, 5) * SECOND, "bid_px_00")
    assert returns.tolist() == pytest.approx([bps(6, 3)])
