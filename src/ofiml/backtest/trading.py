"""Trade the decisions of a study on the tapes of its sessions, one session in memory at a time."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, Self

import numpy as np
import polars as pl

from ofiml._typing import Int64
from ofiml.backtest.feed import Feed
from ofiml.backtest.fills import list_fills, tabulate_fills, tabulate_orders
from ofiml.backtest.latency import Latency, fix_latency
from ofiml.backtest.ledger import KINDS, Amounts, Ledger, Totals, keep_ledger, total_fills
from ofiml.backtest.markouts import find_quotes, measure_markouts
from ofiml.backtest.money import MONEY_SCALE, Money
from ofiml.backtest.orders import Queue
from ofiml.backtest.round_trips import list_round_trips
from ofiml.backtest.scenarios import MAIN, Variant, plan_scenarios
from ofiml.backtest.shown_trades import quote_round_trips
from ofiml.backtest.simulate import INVERSE, LINEAR, ContractNumbers, ExecutionRules, Scenario, Trades, simulate
from ofiml.backtest.timing import find_mean_gain
from ofiml.config import Backtest
from ofiml.errors import DataError
from ofiml.samples.tape import SessionTape, Tape
from ofiml.strategy.build import Plans, TradedSession
from ofiml.strategy.decisions import QUOTE, Decisions, Limits
from ofiml.units import PRICE_SCALE, parse_duration


@dataclass(frozen=True, slots=True)
class SessionResult:
    """A traded session (and path): the ledger and tables of its main scenario, and the totals of all variants of it.

    `decided` has the net gain of each predicted bar, from its mark to the next, in currency; `executable` the quotes in
    ticks one latency after each decision and after the end of its horizon (`entry_bid`, `entry_ask`, `exit_bid`,
    `exit_ask`), null where a side is missing, the market is not tradable or the session has ended. `shown` has the best
    quotes around a few round trips, to be drawn. `between` is what
    its mean position gained, in currency, `queue` the model of queue positions ("none" without resting orders) and
    `mean_price` the mean |mid| at its marks, 1e-9.
    """

    key: TradedSession
    ledger: Ledger
    fills: pl.DataFrame
    orders: pl.DataFrame
    round_trips: pl.DataFrame
    gains: pl.DataFrame
    decided: pl.DataFrame
    executable: pl.DataFrame
    shown: pl.DataFrame
    between: float
    totals: dict[Variant, Totals]
    queue: str
    beyond_shown: int
    mean_price: int


@dataclass(frozen=True, slots=True)
class Execution:
    """How the orders of a study are executed: its config, the latency of its own scenario, the feed, whether any of its
    orders may rest, and the seed of drawn latencies.
    """

    config: Backtest
    latency: Latency
    feed: Feed
    posts: bool
    seed: int

    @classmethod
    def of(cls, config: Backtest, latency: Latency, plans: Plans, seed: int) -> Self:
        """Look for orders that may rest in the plans of all sessions, so that each has the same variants."""
        posts = any(limits.post or (decisions.kind == QUOTE).any() for decisions, limits in plans.values())
        return cls(config, latency, Feed.of(config, seed), bool(posts or config.remainder == "rest"), seed)


class TradedMarket(NamedTuple):
    """The market of one session: its tape, and the money of its symbol."""

    tape: SessionTape
    money: Money


def trade_session(
    market: TradedMarket, rows: pl.DataFrame, key: TradedSession, plans: Plans, execution: Execution
) -> SessionResult:
    """Trade one session: its predicted bars `rows`, in time order, and its decisions of `plans`."""
    decisions, limits = plans[key]
    (tape, meta), config, money = market.tape, execution.config, market.money
    variants = plan_scenarios(config, execution.latency, exact=meta.exact, posts=execution.posts, seed=execution.seed)
    scenarios = {id(scenario): scenario for scenario in variants.values()}  # each once, the main one first
    trades = simulate_session(market, decisions, limits, execution, list(scenarios.values()))
    times = np.append(rows["bar_close"].to_numpy(), meta.close)
    mark2, rate = _mark(tape, times), config.financing_rate
    main = keep_ledger(tabulate_fills(trades[0], tape), money, times, mark2, financing_rate=rate)
    others = (total_fills(list_fills(t, tape), money, int(mark2[-1]), financing_rate=rate) for t in trades[1:])
    totals = dict(zip(scenarios, (main.totals, *others), strict=True))
    horizons = {f"markout_{text}": parse_duration(text, "backtest.markouts") for text in config.markouts}
    fills = main.fills.hstack(measure_markouts(main.fills, tape, meta.close, horizons))
    trips = list_round_trips(main, money)
    executable = _quote_executable(tape, rows, execution, meta.close)
    move = np.diff(money.worth(np.ones(2, np.int64), mark2[[0, -1]]))[0] / MONEY_SCALE
    names = _make_names(key)
    return SessionResult(
        key=key,
        ledger=main,
        fills=_name_rows(_add_money(fills, main), names),
        orders=_name_rows(tabulate_orders(trades[0], tape), names),
        round_trips=_name_rows(_add_ticks(trips, money, tape.tick), names),
        gains=_name_rows(_list_gains(main), names),
        decided=_name_rows(_list_decided(main, rows), names),
        executable=_name_rows(executable, names),
        shown=_name_rows(quote_round_trips(trips, tape), names),
        between=find_mean_gain(fills, int(times[0]), meta.close, move),
        totals={variant: totals[id(scenario)] for variant, scenario in variants.items()},
        queue=_name_queue(market.tape, variants[MAIN].queue) if execution.posts else "none",
        beyond_shown=int(fills["beyond_shown"].sum()),
        mean_price=int(np.abs(mark2).mean()) // 2,
    )


def simulate_session(
    market: TradedMarket, decisions: Decisions, limits: Limits, execution: Execution, scenarios: Sequence[Scenario]
) -> list[Trades]:
    """Send the orders of one session's decisions to its market, as they are known there, in each scenario."""
    (tape, meta), config = market.tape, execution.config
    rules = ExecutionRules(config.remainder == "rest", config.share_of_shown, config.share_of_traded)
    contract = count_contract(market.money, tape.tick)
    known_tape, known_decisions = execution.feed.delay(tape, decisions)
    return simulate(known_tape, known_decisions, limits, contract, scenarios, close=meta.close, rules=rules)


def release_marks(result: SessionResult) -> SessionResult:
    """Release the ledger's marks and amounts once the tables are made; its totals stay.

    They are Python integers, which take several times the memory of the tables.
    """
    nothing = np.empty(0, object)
    kept = replace(result.ledger, fills=result.ledger.fills.clear(), amounts={}, gross=nothing, net=nothing)
    return replace(result, ledger=kept)


def _name_queue(tape: SessionTape, queue: Queue) -> str:
    """Name the queue model of a session. Raises DataError for an exact one if no order's place is known."""
    if queue != Queue.EXACT or tape.meta.exact:
        return queue.name.lower()
    if not (tape.tape.order_time >= 0).any():
        raise DataError(
            f"backtest.queue=exact: the data of {tape.meta.symbol} on {tape.meta.date} do not state the place of "
            "orders in the queue, as order-by-order data do: use backtest.queue=auto."
        )
    return "exact where known, else proportional"


def count_contract(money: Money, tick: int) -> ContractNumbers:
    """Count what the loss limit needs of an instrument, for prices in ticks (1e-9 units each).

    Half of what sellers pay more counts for each side: once a position is closed, the sum is that of the sale.
    """
    price = tick / PRICE_SCALE
    taker, maker = money.taker, money.maker
    sale_lot, sale_rate = money.seller.per_lot / 2, money.seller.share / 2
    return ContractNumbers(
        contract=INVERSE if money.inverse else LINEAR,
        factor=float(money.unit) / price if money.inverse else float(money.unit) * price,
        taker_lot=float(taker.per_lot + sale_lot) / MONEY_SCALE,
        taker_rate=float(taker.share + sale_rate),
        maker_lot=float(maker.per_lot + sale_lot) / MONEY_SCALE,
        maker_rate=float(maker.share + sale_rate),
    )


def _mark(tape: Tape, times: Int64) -> Int64:
    """Mark at bid + ask, 1e-9, of the last two-sided book known at each time; before it, of the first one."""
    rows = np.flatnonzero((tape.bid >= 0) & (tape.ask >= 0))
    if len(rows) == 0:
        return np.full(len(times), 2 * tape.tick)
    index = np.maximum(np.searchsorted(tape.receipt[rows], times, side="right") - 1, 0)
    return (tape.bid[rows][index] + tape.ask[rows][index] + 2 * tape.base) * tape.tick


def _make_names(key: TradedSession) -> list[pl.Series]:
    """Make the names of a traded session, one row each: its symbol, session and, if there are several, path."""
    names = [pl.Series("symbol", [key.symbol]), pl.Series("session", [key.session])]
    return names if key.path is None else [*names, pl.Series("path", [key.path], pl.Int32)]


def _name_rows(table: pl.DataFrame, names: list[pl.Series]) -> pl.DataFrame:
    """Put the names of the session before the columns. Changes the table."""
    for k, name in enumerate(names):
        table.insert_column(k, name.new_from_index(0, table.height))
    return table


def _add_money(fills: pl.DataFrame, ledger: Ledger) -> pl.DataFrame:
    """Add the costs of each fill in currency."""
    amounts = [pl.Series(kind, [a / MONEY_SCALE for a in ledger.amounts[kind]], pl.Float64) for kind in KINDS]
    return fills.hstack(amounts)


def _add_ticks(trips: pl.DataFrame, money: Money, tick: int) -> pl.DataFrame:
    """Add `net_ticks`, the net gain in ticks a lot; that of an inverse contract to first order around its entry."""
    per_tick = float(money.unit) * tick / PRICE_SCALE
    scale = pl.col("entry").pow(2) if money.inverse else pl.lit(1.0)
    return trips.with_columns((pl.col("net") / pl.col("lots") * scale / per_tick).alias("net_ticks"))


def _list_gains(ledger: Ledger) -> pl.DataFrame:
    """List the gain up to each mark since the one before, in integer money, and the lots held; one row per time, though
    the last bar may close when the session does.
    """
    last = np.append(ledger.times[1:] != ledger.times[:-1], True)
    return pl.DataFrame(
        {
            "bar_close": ledger.times[last],
            "gross": _to_currency(np.diff(ledger.gross[last], prepend=0)),
            "net": _to_currency(np.diff(ledger.net[last], prepend=0)),
            "lots": ledger.position[last],
        }
    )


def _list_decided(ledger: Ledger, rows: pl.DataFrame) -> pl.DataFrame:
    """List the net gain of each bar, from its mark to the next."""
    return pl.DataFrame([rows["bar_close"], pl.Series("net", _to_currency(np.diff(ledger.net)), pl.Float64)])


def _to_currency(amounts: Amounts) -> list[float]:
    return [amount / MONEY_SCALE for amount in amounts]


def _expect_latency(execution: Execution) -> Latency:
    """Return the latency that each time may expect: that of a table, else the fixed one or the median of draws."""
    if execution.latency.times is not None:
        return execution.latency
    return fix_latency(execution.config.latency_ns)


def _quote_executable(tape: Tape, rows: pl.DataFrame, execution: Execution, close: int) -> pl.DataFrame:
    """Quote each bar's entry and exit, in ticks above the tape's base; null where a side is missing, or too late."""
    latency, feed = _expect_latency(execution), execution.feed.median
    until = pl.col("hold_until").cast(pl.Int64)
    close_at, exit_at, has_exit = rows.select(
        pl.col("bar_close").cast(pl.Int64), until.fill_null(close), until.is_not_null().alias("has_exit")
    )
    columns = {}
    for name, at, is_known in (("entry", close_at.to_numpy(), True), ("exit", exit_at.to_numpy(), has_exit.to_numpy())):
        times = at + feed + latency.expect(at + feed)
        for side, index in zip(("bid", "ask"), find_quotes(tape, times), strict=True):
            columns[f"{name}_{side}"] = np.where(is_known & (times <= close), index, -1)
    quotes = pl.DataFrame(columns).select(pl.when(pl.all() >= 0).then(pl.all()))
    return quotes.insert_column(0, rows["bar_close"])
