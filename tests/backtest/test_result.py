"""Sessions by hand from decisions to the summary: what adds up, what reconciles, what must be earned."""

import math
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ofiml.backtest.ledger import KINDS
from ofiml.backtest.measures import build_cost_grid, find_break_even
from ofiml.backtest.money import MONEY_SCALE
from ofiml.backtest.scenarios import Variant, make_latency
from ofiml.backtest.trading import Execution, SessionResult, count_contract
from ofiml.errors import DataError
from ofiml.strategy.build import TradedSession
from tests.backtest.fills import Fees, make_money
from tests.backtest.scripts import NO_LIMITS, at, book, decide, make_session
from tests.backtest.scripts import trade as print_trade
from tests.backtest.single_money import fee, gain, sale_fee
from tests.backtest.test_kernel import draw_decisions, draw_session
from tests.backtest.traded import collect, make_config, make_targets, trade, walk
from tests.books import SECOND

CENT = MONEY_SCALE // 100
FEES = make_money(taker=Fees(per_unit=0.001), maker=Fees(per_unit=-0.0005))


def draw_result(seed: int, **keys: Any) -> SessionResult:
    """A session with all that feeds and traders do."""
    session, _ = draw_session(seed)
    bars = np.linspace(session.open, session.close, 30)[1:] / SECOND
    config = make_config(**{"latency": "30ms", "remainder": "rest" if seed % 2 else "cancel", **keys})
    limits = NO_LIMITS._replace(cap=8, stop=3 * (seed % 3), post=seed % 4 == 0)
    decisions = draw_decisions(seed, session, len(bars))._replace(time=np.rint(bars * SECOND).astype(np.int64))
    return trade(session, decisions, config=config, money=FEES, limits=limits)


seeds = st.integers(0, 12)
quick = settings(max_examples=10)


@quick
@given(seed=seeds)
def test_all_sums_agree(seed: int) -> None:
    session = draw_result(seed)
    result = collect([session])
    summary, totals = result.summary, session.ledger.totals
    assert totals.gross - sum(getattr(totals, kind) for kind in KINDS) == totals.net == session.ledger.net[-1]
    net = totals.net / MONEY_SCALE
    assert summary.net_pnl == net
    for table in (result.gains, result.days, result.round_trips, result.decided):
        assert table["net"].sum() == pytest.approx(net, abs=1e-9)
    assert result.equity["net"][-1] == pytest.approx(net, abs=1e-9)
    assert result.equity["gross"][-1] == pytest.approx(summary.gross_pnl, abs=1e-9)
    assert session.ledger.position[-1] == 0  # flat at the close
    assert summary.costs == pytest.approx(result.fills.select(pl.sum_horizontal(KINDS).sum()).item(), abs=1e-9)
    orders = summary.orders
    ended = orders.filled + orders.partly + orders.cancelled + orders.rejected + orders.expired + orders.late
    assert ended == orders.sent == result.orders.height
    split = summary.profit_by_session
    assert split.between + split.within == pytest.approx(summary.gross_pnl)


@quick
@given(seed=seeds)
def test_the_cost_grid_multiplies_what_is_paid(seed: int) -> None:
    """The session has fills of both kinds, a rebate for resting ones, and moves of the mid in favour and against."""
    session = draw_result(seed)
    result = collect([session])
    summary, fills = result.summary, result.fills
    assert summary.earned is not None
    by_kind, kept = asdict(summary.costs_by_kind), asdict(summary.earned)
    for kind in KINDS:
        each = fills[kind] if kind in ("spread", "commission") else pl.Series([fills[kind].sum()])
        assert kept[kind] == pytest.approx(-each.clip(upper_bound=0).sum(), abs=1e-9)
    paid = {kind: by_kind[kind] + kept[kind] for kind in KINDS}
    grid = {(p.commission_factor, p.other_factor): p.net_pnl for p in summary.cost_grid}
    assert len(grid) == 25
    assert grid[1, 1] == summary.net_pnl
    other = sum(paid.values()) - paid["commission"]
    for (a, b), net in grid.items():
        assert net == pytest.approx(summary.gross_pnl + sum(kept.values()) - a * paid["commission"] - b * other)
        assert all(net >= later for (c, d), later in grid.items() if c >= a and d >= b)
    at_break_even = summary.break_even_bps * summary.traded_value / 1e4
    assert at_break_even == pytest.approx(summary.net_pnl + sum(paid.values()))


def test_a_profit_from_resting_alone_is_no_profit_of_higher_costs():
    """A bid is filled a tick below the mid, and so is the ask that closes it above: both earn the spread."""
    rows = [book(t, (100, 20, 102, 20)) for t in (1, 2)]
    rows += [print_trade(3, "A", 100, 26, (99, 20, 102, 20)), book(3.5, (100, 20, 102, 20))]
    rows += [print_trade(5, "B", 102, 26, (100, 20, 103, 20)), book(5.5, (100, 20, 102, 20))]
    quotes = decide(at(2, "quote", 100, 6, 0, 0), at(4, "quote", 0, 0, 102, 6), at(9, "hold"))
    session = trade(rows, quotes, config=make_config(queue="proportional"), limits=NO_LIMITS, close=10)
    totals = session.ledger.totals
    assert (totals.gross, totals.costs, totals.net) == (0, -12 * CENT, 12 * CENT)
    assert {(p.commission_factor, p.other_factor): p.net_pnl for p in build_cost_grid(totals)} == {
        (a, b): 0.12 for a in (0, 0.5, 1, 1.5, 2) for b in (0, 0.5, 1, 1.5, 2)
    }
    assert find_break_even(totals) == pytest.approx(1e4 * 12 * CENT / totals.traded_value)


@pytest.mark.parametrize("seed", range(3))
def test_a_variant_equals_a_study_of_its_own(seed: int) -> None:
    """Each point of a study's curve is the main run of a study with that latency or size, and its own point its own."""
    result = draw_result(seed, latency_curve=["0ms", "30ms", "400ms"], sizes=[0.5, 1, 3])
    for text in ("0ms", "30ms", "400ms"):
        own = draw_result(seed, latency=text)
        assert result.totals[Variant("latency", text)] == own.ledger.totals
    assert result.totals[Variant("size", "1")] == result.ledger.totals
    assert result.totals[Variant("size", "0.5")] != result.ledger.totals
    drawn = draw_result(seed, latency_jitter=0.7, latency_curve=["30ms", "400ms"])
    assert drawn.totals[Variant("latency", "30ms")] == drawn.ledger.totals
    again = draw_result(seed, latency="400ms", latency_jitter=0.7)
    assert drawn.totals[Variant("latency", "400ms")] == again.ledger.totals


def test_the_queue_model_lies_in_its_bracket_by_lots_at_one_price():
    rows = [book(t, (100, 20, 102, 20)) for t in (1, 2)]
    rows += [print_trade(t, "A", 100, 8, (100, 20 - 8, 102, 20)) for t in (3, 4, 5)]
    quotes = decide(at(2, "quote", 100, 6, 0, 0), at(9, "hold"))
    session = trade(rows, quotes, config=make_config(), limits=NO_LIMITS, close=10)
    traded = {v.name: t.traded for v, t in session.totals.items()}
    assert traded["through"] == 0
    assert traded["touch"] == 12  # bought and closed
    assert 0 <= traded["main"] <= 12
    summary = collect([session]).summary
    assert summary.queue == "proportional"
    assert [v.name for v in summary.queues] == ["through", "touch"]


def test_each_session_has_the_same_variants():
    """A session without an order that rests has a bracket, too, so that it adds up."""
    rows = walk([100] * 6)
    key, other = TradedSession("TEST", "1970-01-01"), TradedSession("TEST", "1970-01-02")
    quotes, idle = decide(at(2, "quote", 100, 6, 0, 0)), decide(at(2, "hold"))
    plans = {key: (quotes, NO_LIMITS), other: (idle, NO_LIMITS)}
    latency = make_latency(make_config(), 0)
    assert Execution.of(make_config(), latency, plans, 0).posts
    assert not Execution.of(make_config(), latency, {other: plans[other]}, 0).posts
    assert Execution.of(make_config(remainder="rest"), latency, {other: plans[other]}, 0).posts
    post = NO_LIMITS._replace(post=True)
    assert Execution.of(make_config(), latency, {other: (idle, post)}, 0).posts
    session = trade(rows, idle)
    assert session.queue == "none"


# --- by hand ---------------------------------------------------------------------------------------------------------


def test_a_bar_that_closes_with_the_session_has_one_gain():
    """The mark at the close is of the same time as that of the last bar."""
    session = trade(walk([100, 102, 104, 103, 103, 103]), make_targets([1, 2, 5], [2, -3, 0]), money=FEES, close=5)
    assert session.gains["bar_close"].tolist() == [k * SECOND for k in (1, 2, 5)]
    assert session.gains["lots"].tolist()[-1] == 0
    net = session.ledger.totals.net / 10**12
    assert sum(session.gains["net"]) == pytest.approx(net)
    assert sum(session.decided["net"]) == pytest.approx(net)


def test_a_short_session_by_hand():
    # Bars close at 1 … 5 s; the mid is 100, 102, 104, 103, 103 ticks of 0.01 there. Half the spread is a tick.
    session = trade(
        walk([100, 102, 104, 103, 103, 103]), make_targets([1, 2, 3, 4, 5], [2, 2, -3, -3, 0]), money=FEES, close=6
    )
    gross = [0.04, 0.04, 0.03, 0.0, 0.0]  # 2 lots up twice by two ticks, 3 short over one down
    cost = [2 * 0.011, 0, 5 * 0.011, 0, 3 * 0.011]
    got = session.decided
    assert got["bar_close"].tolist() == [k * SECOND for k in range(1, 6)]
    assert got["net"].tolist() == pytest.approx(np.subtract(gross, cost))
    assert session.gains["net"].tolist() == pytest.approx([0, *np.subtract(gross, cost)])
    assert session.gains["lots"].tolist() == [0, 2, 2, -3, -3, 0]
    summary = collect([session], cap=10).summary
    assert summary.gross_pnl == pytest.approx(0.11)
    assert summary.costs_by_kind.spread == pytest.approx(0.10)
    assert summary.costs_by_kind.commission == pytest.approx(0.01)
    assert (summary.fills, summary.traded, summary.orders.filled, summary.orders.sent) == (3, 10, 3, 3)
    assert summary.traded_value == pytest.approx(2 * 1.01 + 5 * 1.03 + 3 * 1.04)
    assert summary.break_even_bps == pytest.approx(1e4 * 0.11 / summary.traded_value)
    assert summary.slippage_ticks == pytest.approx(1.0)
    mids = [1.00, 1.02, 1.04, 1.03, 1.03, 1.03]
    assert summary.capital == pytest.approx(10 * np.mean(mids), abs=1e-7)
    assert summary.return_on_capital == pytest.approx(summary.net_pnl / summary.capital)
    equity = np.cumsum([0, *np.subtract(gross, cost)])
    assert summary.max_drawdown == pytest.approx(max(np.maximum.accumulate(equity) - equity))
    # From 1 s to the close at 6 s: 2 lots for 2 s, -3 for 2 s, none for 1 s: -0.4 lots; a lot gained 3 ticks.
    assert summary.profit_by_session.between == pytest.approx(-0.4 * 0.03)
    moves = np.diff([0, *equity])[1:]
    ratio = np.mean(np.diff(equity, prepend=0)) / np.std(np.diff(equity, prepend=0), ddof=1)
    assert len(moves) == 5
    assert summary.sharpe_net == pytest.approx(math.sqrt(252 * 100) * ratio)
    assert math.isnan(summary.sharpe_daily)
    assert summary.net_pnl == 0
    assert (summary.days, summary.losing_days) == (1, 0)  # to the last digit


@pytest.mark.parametrize("latency", ["0ms", "250ms", "1500ms"])
def test_decided_gains_add_up_at_any_latency(latency: str) -> None:
    mids = 1000 + np.cumsum(np.random.default_rng(1).integers(-2, 3, 40))
    targets = np.random.default_rng(2).integers(-5, 6, 38).tolist()
    session = trade(walk(mids.tolist()), make_targets(range(1, 39), targets), config=make_config(latency=latency))
    assert session.decided["net"].sum() == pytest.approx(session.ledger.totals.net / MONEY_SCALE)
    assert session.ledger.totals.fills >= 20


def test_the_last_bar_may_close_with_the_session():
    session = trade(walk([100, 102, 104]), make_targets([1, 2, 3], [2, 2, 2]), close=3)
    assert session.ledger.position[-1] == 0
    assert session.decided["net"].sum() == pytest.approx(session.ledger.totals.net / MONEY_SCALE)
    result = collect([session])
    assert result.equity["bar_close"].to_list() == [SECOND, 2 * SECOND, 3 * SECOND]
    assert result.equity["net"][-1] == pytest.approx(result.summary.net_pnl)


def test_an_order_after_the_close_is_late_and_looked_for_no_size():
    rows = [book(0.5, (99, 9, 101, 3)), book(2, (99, 9, 101, 3))]
    session = trade(rows, make_targets([1, 3.9], [5, -5]), config=make_config(latency="200ms"), close=4)
    orders = collect([session]).summary.orders
    # 5 wanted and 3 there; then an order that comes too late; then the close.
    assert (orders.sent, orders.partly, orders.late, orders.filled) == (3, 1, 1, 1)
    assert (orders.unfilled, orders.beyond_shown) == (2, 0)
    assert math.isnan(orders.fill_rate)


def test_lots_beyond_the_closing_book_are_counted():
    rows = [book(0.5, (99, 9, 101, 9)), book(2, (99, 4, 101, 9))]
    session = trade(rows, make_targets([1], [7]), close=4)
    summary = collect([session]).summary
    assert summary.orders.beyond_shown == 3
    assert summary.net_pnl == pytest.approx(-7 * 0.02)


def test_resting_orders_have_a_rate_of_fills():
    rows = [book(t, (100, 20, 102, 20)) for t in (1, 2)] + [print_trade(3, "A", 100, 24, (99, 20, 102, 20))]
    session = trade(rows, decide(at(2, "quote", 100, 10, 102, 6)), limits=NO_LIMITS, close=10)
    orders = collect([session]).summary.orders
    assert orders.fill_rate == 4 / 16


def test_one_bar_and_no_order():
    session = trade(walk([100, 101]), decide(at(1, "hold")), config=make_config(markouts=["1s"], sizes=[2.0]))
    summary = collect([session], config=make_config(markouts=["1s"])).summary
    assert (summary.fills, summary.net_pnl, summary.max_drawdown, summary.orders.sent) == (0, 0, 0, 0)
    for value in (summary.sharpe_net, summary.break_even_bps, summary.slippage_ticks, summary.orders.fill_rate):
        assert math.isnan(value)
    assert summary.concentration is None
    assert [(m.horizon, m.lots) for m in summary.markouts] == [("1s", 0)]
    assert [v.net_pnl for v in summary.sizes] == [0]
    assert summary.trades.round_trips == 0


def test_a_book_that_never_has_two_sides_is_not_traded():
    rows = [book(k + 0.5, (100, 5, None, 0)) for k in range(5)]
    session = trade(rows, make_targets([1, 2, 3], [1, -1, 2]), close=5)
    assert session.ledger.totals.fills == 0
    quotes = collect([session]).executable
    assert quotes.select(pl.exclude("symbol", "session", "bar_close")).null_count().row(0) == (0, 3, 0, 3)


def test_a_side_that_leaves_keeps_the_last_mark():
    rows = [book(0.5, (99, 9, 101, 9)), book(2.5, (90, 9, None, 0)), book(4.5, (94, 9, 96, 9))]
    session = trade(rows, make_targets([1, 2, 3, 4, 5], [1, 1, 1, 1, 1]), close=6)
    assert session.gains["gross"].tolist() == pytest.approx([0, 0, 0, 0, -0.05, 0])


def test_an_inverse_contract_in_coins():
    money = make_money(contract="inverse", settlement="BTC", multiplier=1.0, taker=Fees(bps=5))
    session = trade(walk([5000, 5100, 5100]), make_targets([1, 2], [100, 0]), money=money)
    totals = session.ledger.totals
    assert totals.gross / MONEY_SCALE == pytest.approx(100 / 50.00 - 100 / 51.00)
    assert totals.net / MONEY_SCALE == pytest.approx(100 / 50.01 * 0.9995 - 100 / 50.99 * 1.0005)
    (trip,) = collect([session], money={"TEST": money}).round_trips.rows(named=True)
    # About 98 ticks from price to price less fees of 2 x 2.5 ticks, to first order around the entry.
    assert trip["net_ticks"] == pytest.approx(98 - 5, rel=0.03)


def test_the_loss_limit_counts_the_ledgers_money():
    """The kernel's numbers value a lot, its gain and its fees as the ledger does."""
    for keys in ({}, {"contract": "inverse", "settlement": "BTC"}):
        money = make_money(
            **keys,
            multiplier=3.0,
            size_unit=0.5,
            taker=Fees(bps=5, per_contract=0.2),
            maker=Fees(bps=1),
            seller=Fees(bps=3, per_contract=0.1),
        )
        tick = 10**7
        numbers = count_contract(money, tick)
        low, high = 5000, 5100
        earned = gain(money, 7, low * tick, high * tick) / MONEY_SCALE
        sale = sale_fee(money, -7, low * tick) / 2 / MONEY_SCALE
        if numbers.contract:
            assert 7 * numbers.factor * (1 / low - 1 / high) == pytest.approx(earned)
            value = numbers.factor / low
        else:
            assert 7 * numbers.factor * (high - low) == pytest.approx(earned)
            value = numbers.factor * low
        taker = 7 * (numbers.taker_lot + numbers.taker_rate * value)
        assert taker == pytest.approx(fee(money, 7, low * tick) / MONEY_SCALE + sale)
        maker = 7 * (numbers.maker_lot + numbers.maker_rate * value)
        assert maker == pytest.approx(fee(money, 7, low * tick, maker=True) / MONEY_SCALE + sale)


def test_a_queue_is_called_exact_only_where_it_is() -> None:
    cancel = {"action": "C", "side": "B", "price": 10, "size": 2}
    rows = [book(0, (10, 9, 12, 9)), *(book(t, (10, 9 - 2 * t, 12, 9)) | cancel for t in (1, 2))]

    def name(queue: str, *times: float | None) -> str:
        config = make_config(remainder="rest", queue=queue)
        return trade(make_session(rows, order_times=times), make_targets([1, 2], [1, 0]), config=config).queue

    assert name("auto", None, 0.1, 0.2) == "exact"
    assert name("exact", None, 0.1, 0.2) == "exact"
    assert name("auto", 0.1, 0.2, None) == "proportional"
    assert name("exact", 0.1, 0.2, None) == "exact where known, else proportional"
    with pytest.raises(DataError, match="do not state the place of orders in the queue, as order-by-order data do"):
        name("exact", None, None, None)


# --- several sessions, symbols and paths -----------------------------------------------------------------------------


def test_symbols_are_added_at_each_time_and_days_are_dates():
    a = trade(walk([100, 102, 104]), make_targets([1, 2], [1, 0]), key=TradedSession("A", "d1"))
    b = trade(walk([200, 199, 199, 199]), make_targets([1, 2, 3], [2, 0, 0]), key=TradedSession("B", "d1"))
    c = trade(walk([100, 105, 105]), make_targets([1, 2], [-1, 0]), key=TradedSession("A", "d2"))
    day = 86_400 * SECOND
    later = [c.gains, c.decided]
    c = replace(c, gains=later[0] | {"bar_close": later[0]["bar_close"] + day})
    money = {"A": make_money(), "B": make_money()}
    result = collect([a, b, c], money=money)
    assert result.equity["bar_close"].to_list() == [
        *(t * SECOND for t in (1, 2, 2.5, 3, 3.5)),
        *(day + t * SECOND for t in (1, 2, 2.5)),
    ]
    total = sum(s.ledger.totals.net for s in (a, b, c)) / MONEY_SCALE
    assert result.equity["net"][-1] == pytest.approx(total)
    at_two = result.equity.filter(pl.col("bar_close") == 2 * SECOND)["gross"].item()
    assert at_two == pytest.approx(0.02 - 0.02)
    assert result.days["session"].to_list() == ["d1", "d2"]
    assert result.days["gross"].to_list() == pytest.approx([0.0, -0.05])
    assert result.summary.losing_days == 2
    mean = {"A": np.mean([1.0, 1.02, 1.04, 1.0, 1.05, 1.05]), "B": np.mean([2.0, 1.99, 1.99, 1.99])}
    assert result.summary.capital == pytest.approx(10 * sum(mean.values()), abs=0.02)


def test_the_daily_sharpe_ratio_needs_five_days():
    sessions = [
        trade(walk([100, 100 + move, 100 + move]), make_targets([1, 2], [1, 0]), key=TradedSession("TEST", f"d{k}"))
        for k, move in enumerate([4, 6, 1, 8, 5])
    ]
    days = np.array([0.04, 0.06, 0.01, 0.08, 0.05]) - 0.02
    got = collect(sessions).summary
    assert got.sharpe_daily == pytest.approx(math.sqrt(252) * days.mean() / days.std(ddof=1))
    assert (got.days, got.losing_days) == (5, 1)
    assert math.isnan(collect(sessions[:4]).summary.sharpe_daily)


def test_paths_are_averaged_and_kept_apart():
    sessions = [
        trade(walk([100, 104, 104]), make_targets([1, 2], [lots, 0]), key=TradedSession("TEST", "d", path))
        for path, lots in enumerate([1, 3, 0])
    ]
    result = collect(sessions)
    s = result.summary
    assert s.net_pnl == pytest.approx((0.02 + 0.06 + 0) / 3)
    assert s.fills == pytest.approx(4 / 3)
    assert s.paths is not None
    assert s.spread is not None
    assert [p.net_pnl for p in s.paths] == pytest.approx([0.02, 0.06, 0])
    assert (s.spread.net_pnl.min, s.spread.net_pnl.max) == pytest.approx((0, 0.06))
    assert result.equity.group_by("path", maintain_order=True).agg(pl.col("net").last())[
        "net"
    ].to_list() == pytest.approx([0.02, 0.06, 0])
    grid = {(p.commission_factor, p.other_factor): p.net_pnl for p in s.cost_grid}
    assert grid[1, 1] == pytest.approx(s.net_pnl)
    # The path without a trade has no concentration; the mean is over those that have one, in any order of paths.
    idle_first = collect([replace(x, key=x.key._replace(path=2 - x.key.path)) for x in reversed(sessions)])
    assert s.concentration is not None
    assert idle_first.summary.concentration == s.concentration
