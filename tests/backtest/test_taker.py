"""The backtest: a session by hand to the cent, and laws that hold for any signal."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ofiml.backtest.taker import backtest
from ofiml.config import Backtest
from ofiml.strategy.rules.threshold import ThresholdStrategy
from tests.books import SECOND, TICK

CLOSING = {("X", "day"): {"bid": 100 * TICK, "ask": 102 * TICK, "bid_sz": 50, "ask_sz": 4, "time": 100 * SECOND}}

RULE_OF_TAKER = {
    **{"name": "threshold", "entry": "take", "sizing": "fixed", "lots": None, "hold": None, "stop_ticks": None},
    **{"take_profit_ticks": None, "flat_before_close": "0s", "loss_limit": None, "threshold": "cost", "quantile": 0.9},
}


def settings_of(*, max_position=10, edge_multiple=1.0, **changes):
    """The settings of the backtest, and those of the strategy that it follows."""
    base = {"enabled": True, "latency": "50ms", "fee_per_unit": 0.001, "fee_bps": 0.0, "days_per_year": 252}
    values = {"max_position": max_position, "edge_multiple": edge_multiple}
    return Backtest(**(base | changes)), ThresholdStrategy(**(RULE_OF_TAKER | values))


def rows(*bars, latency=50_000_000):
    """Bars of 10 s: (edge, bid, ask) at the close and (bid, ask, bid size, ask size) when the order arrives."""
    table = [
        {
            "symbol": "X",
            "session": "day",
            "bar_close": (i + 1) * 10 * SECOND,
            "edge_ticks": float(edge),
            "hold_until": (i + 2) * 10 * SECOND,
            "bid": bid * TICK,
            "ask": ask * TICK,
            "mid": (bid + ask) / 2,
            "spread_ticks": float(ask - bid),
            "tick": TICK,
            "fill_time": (i + 1) * 10 * SECOND + latency,
            "fill_bid": None if fill[0] is None else fill[0] * TICK,
            "fill_ask": None if fill[1] is None else fill[1] * TICK,
            "fill_bid_sz": fill[2],
            "fill_ask_sz": fill[3],
        }
        for i, (edge, bid, ask, fill) in enumerate(bars)
    ]
    return pl.DataFrame(table)


def trade(table, closing=CLOSING, **changes):
    return backtest(table, closing, *settings_of(**changes), bar="10s", size_unit=1.0)


def test_a_session_by_hand():
    wide = (100, 102, 99, 99)
    result = trade(
        rows(
            (+5, 100, 102, (101, 103, 99, 99)),  # buys 10 at 103, the ask one latency later
            (+0, 104, 106, (104, 106, 4, 99)),  # the signal has expired: sells, but only 4 are bid for, at 104
            (-5, 104, 106, (103, 105, 99, 99)),  # wants -10 from +6: sells 16 at 103
            (-5, 100, 102, wide),  # stays
            (0.5, 100, 102, (None, 102, 0, 9)),  # expired, but nobody bids or the quote is gone: keeps -10
        )
    )
    fills = result.fills.select("side", "size", "price", "position", "reason").rows()
    assert fills == [
        ("buy", 10, pytest.approx(1.03), 10, "signal"),
        ("sell", 4, pytest.approx(1.04), 6, "expired"),
        ("sell", 16, pytest.approx(1.03), -10, "signal"),
        ("buy", 10, pytest.approx(1.02), 0, "close"),
    ]
    # Cash in cents: -10·103 + 4·104 + 16·103 - 10·102 = 14; the half-spread is 1 cent on each of 40 lots.
    s = result.summary
    assert s.costs_by_kind.spread == pytest.approx(0.40)
    assert s.costs_by_kind.commission == pytest.approx(40 * 0.001)
    assert s.gross_pnl == pytest.approx(0.14 + 0.40)
    assert s.net_pnl == pytest.approx(0.14 - 0.04)
    assert (s.fills, s.traded, s.unfilled, s.beyond_shown) == (4, 40, 6 + 10, 6)


@pytest.mark.parametrize(("bid", "ask"), [(-102, -100), (-1, 1), (100, 102), (0, 1)])
def test_a_fee_in_bps_is_paid_on_the_size_of_the_price(bid, ask):
    quote = (bid, ask, 99, 99)
    closing = {("X", "day"): CLOSING["X", "day"] | {"bid": bid * TICK, "ask": ask * TICK, "bid_sz": 50, "ask_sz": 50}}
    result = trade(rows((+900, bid, ask, quote), (-900, bid, ask, quote)), closing, fee_per_unit=0.0, fee_bps=10.0)
    # Buys 10 at the ask, sells 20 at the bid, buys 10 back at the ask.
    fees = [lots * abs(price) * 0.01 * 10e-4 for lots, price in ((10, ask), (20, bid), (10, ask))]
    assert result.fills["commission"].to_list() == pytest.approx(fees, abs=1e-9)
    assert (result.fills["commission"] >= 0).all()
    assert result.summary.costs_by_kind.commission == pytest.approx(sum(fees), abs=1e-9)
    assert result.summary.net_pnl == pytest.approx(result.summary.gross_pnl - result.summary.costs, abs=1e-12)


def test_the_profit_of_a_mirrored_market_is_the_same():
    """Prices p -> -p with bid and ask swapped, and the opposite forecasts."""
    bars = [
        (+5, -1, 1, (0, 2, 9, 3)),
        (-5, 3, 5, (2, 4, 7, 5)),
        (0, -3, -1, (-4, -2, 8, 8)),
        (+4, -2, 0, (-2, 0, 4, 6)),
    ]
    mirror = [(-edge, -ask, -bid, (-f[1], -f[0], f[3], f[2])) for edge, bid, ask, f in bars]
    quote = CLOSING["X", "day"]
    other = quote | {"bid": -quote["ask"], "ask": -quote["bid"], "bid_sz": quote["ask_sz"], "ask_sz": quote["bid_sz"]}
    ours = trade(rows(*bars), fee_bps=50.0)
    theirs = trade(rows(*mirror), {("X", "day"): other}, fee_bps=50.0)
    assert ours.summary == theirs.summary
    assert ours.summary.fills > 2
    assert ours.equity.equals(theirs.equity)


def test_a_price_below_zero_makes_no_trade_cheaper():
    # Half the spread is 1 tick, the fee 10 bps of 1000 ticks: 1 tick. The edge of 1.5 ticks is not enough.
    for bid, ask in ((999, 1001), (-1001, -999)):
        quote = (bid, ask, 99, 99)
        assert trade(rows((1.5, bid, ask, quote)), fee_per_unit=0.0, fee_bps=10.0).summary.fills == 0
        assert trade(rows((2.5, bid, ask, quote)), fee_per_unit=0.0, fee_bps=10.0).summary.fills > 0


def test_it_trades_only_beyond_its_costs():
    # Half the spread is 1 tick, the fee 0.1 tick.
    quote = (100, 102, 99, 99)
    assert trade(rows((1.05, 100, 102, quote))).summary.fills == 0
    assert trade(rows((1.15, 100, 102, quote))).summary.fills == 2
    assert trade(rows((1.15, 100, 102, quote)), edge_multiple=2.0).summary.fills == 0
    assert trade(rows((1.05, 100, 102, quote)), fee_per_unit=0.0).summary.fills == 2
    # One basis point of a mid of 101 ticks is 0.0101 ticks: 20 of them with the half-spread exceed 1.15.
    assert trade(rows((1.15, 100, 102, quote)), fee_per_unit=0.0, fee_bps=20.0).summary.fills == 0


def test_costs_come_off_when_they_are_paid():
    result = trade(rows((5, 100, 102, (100, 102, 99, 99)), (5, 100, 102, (100, 102, 99, 99))))
    assert result.equity["gross"].to_list() == pytest.approx([0, 0, 0])
    assert result.equity["net"].to_list() == pytest.approx([0, -0.11, -0.22])
    assert result.summary.max_drawdown == pytest.approx(0.22)


def test_sharpe_and_drawdown_of_a_known_curve():
    quote = (100, 102, 99, 99)
    result = trade(rows((5, 100, 102, quote), (5, 103, 105, quote), (5, 101, 103, quote)), fee_per_unit=0.0)
    net = np.array([0.0, (3 - 1) * 0.1, (1 - 1) * 0.1, -0.2])
    assert result.equity["net"].to_list() == pytest.approx(net.tolist())
    gains = np.diff(net, prepend=0)
    assert result.summary.sharpe_net == pytest.approx(gains.mean() / gains.std(ddof=1) * np.sqrt(252 * 4))
    assert result.summary.max_drawdown == pytest.approx(0.4)


prices = st.integers(50, 150)
bar = st.tuples(
    st.floats(-5, 5),
    prices,
    st.integers(1, 4),
    st.tuples(prices, st.integers(1, 4), st.integers(0, 15), st.integers(0, 15)),
)


@settings(deadline=None)
@given(st.lists(bar, min_size=1, max_size=25), st.floats(0, 3), st.floats(0, 0.01), st.floats(0, 5))
def test_laws(bars, multiple, fee, bps):
    table = rows(*[(e, b, b + s, (fb, fb + fs, bq, aq)) for e, b, s, (fb, fs, bq, aq) in bars])
    result = trade(table, edge_multiple=multiple, fee_per_unit=fee, fee_bps=bps)
    s, fills = result.summary, result.fills
    assert s.net_pnl == pytest.approx(s.gross_pnl - s.costs, abs=1e-9)
    assert s.costs >= 0
    signed = [(1 if f["side"] == "buy" else -1) * f["size"] for f in fills.iter_rows(named=True)]
    assert sum(signed) == 0  # flat at the close
    assert fills["position"].to_list() == np.cumsum(signed).tolist()
    assert all(abs(p) <= 10 for p in fills["position"])
    cash = -sum(q * p for q, p in zip(signed, fills["price"], strict=True)) - fills["commission"].sum()
    assert s.net_pnl == pytest.approx(cash, abs=1e-9)
    assert result.equity["net"][-1] == pytest.approx(s.net_pnl)


def test_a_size_unit_scales_money_and_nothing_else():
    table = rows((5, 100, 102, (101, 103, 99, 99)), (-5, 104, 106, (103, 105, 99, 99)))
    whole = trade(table)
    milli = backtest(table, CLOSING, *settings_of(), bar="10s", size_unit=0.001)
    for key in ("gross_pnl", "net_pnl", "costs"):
        assert getattr(milli.summary, key) == pytest.approx(getattr(whole.summary, key) / 1000)
    assert milli.fills["commission"].sum() == pytest.approx(whole.fills["commission"].sum() / 1000)
