"""Trade the decisions of a study on the tapes of its sessions, one session in memory at a time."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, Self

import numpy as np

from ofiml._typing import Float, Int64
from ofiml.backtest.columns import Columns
from ofiml.backtest.executable import quote_executable
from ofiml.backtest.feed import Feed
from ofiml.backtest.fills import describe_fills, describe_orders, list_fills
from ofiml.backtest.latency import Latency, fix_latency
from ofiml.backtest.ledger import KINDS, Fills, Ledger, Totals, keep_ledger, total_fills
from ofiml.backtest.markouts import measure_markouts
from ofiml.backtest.money import MONEY_SCALE, Money, convert_amounts
from ofiml.backtest.orders import Queue
from ofiml.backtest.round_trips import list_round_trips
from ofiml.backtest.scenarios import MAIN, Variant, plan_scenarios
from ofiml.backtest.shown_trades import quote_round_trips
from ofiml.backtest.simulate import INVERSE, LINEAR, ContractNumbers, ExecutionRules, Scenario, Trades, simulate
from ofiml.backtest.timing import find_mean_gain
from ofiml.backtest.traded_bars import TradedBars
from ofiml.config import Backtest
from ofiml.errors import DataError
from ofiml.samples.tape import SessionTape, Tape
from ofiml.strategy.build import Plans, TradedSession
from ofiml.strategy.decisions import QUOTE, Decisions, Limits
from ofiml.units import PRICE_SCALE, parse_duration


@dataclass(frozen=True, slots=True)
class SessionResult:
    """A traded session (and path): the ledger and rows of its main scenario, and the totals of all variants of it.

    The rows of each table are arrays, which `result` joins. `decided` has the net gain of each predicted bar, from its
    mark to the next, in currency; `executable` the quotes in ticks one latency after each decision and after the end of
    its horizon (`entry_bid`, `entry_ask`, `exit_bid`, `exit_ask`), -1 where a side is missing, the market is not
    tradable or the session has ended. `shown` has the best quotes around a few round trips, to be drawn. `between` is
    what its mean position gained, in currency, `queue` the model of queue positions ("none" without resting orders) and
    `mean_price` the mean |mid| at its marks, 1e-9.
    """

    key: TradedSession
    ledger: Ledger
    fills: Columns
    orders: Columns
    round_trips: Columns
    gains: Columns
    decided: Columns
    executable: Columns
    shown: Columns
    between: float
    totals: dict[Variant, Totals]
    queue: str
    beyond_shown: int
    mean_price: int


@dataclass(frozen=True, slots=True)
class Execution:
    """How the orders of a study are executed: its config, the latency that each time may expect, the feed, whether any
    of its orders may rest, and the `variants` of a session that states the place of each order in its queue (True) or
    does not (False).
    """

    config: Backtest
    expected: Latency
    feed: Feed
    posts: bool
    variants: dict[bool, dict[Variant, Scenario]]

    @classmethod
    def of(cls, config: Backtest, latency: Latency, plans: Plans, seed: int) -> Self:
        """Look for orders that may rest in the plans of all sessions, so that each has the same variants.

        `latency` is that of the study's own scenario, and `seed` that of drawn latencies.
        """
        resting = any(limits.post or (decisions.kind == QUOTE).any() for decisions, limits in plans.values())
        posts = bool(resting or config.remainder == "rest")
        return cls(
            config=config,
            # That of a table, else the fixed one or the median of draws.
            expected=fix_latency(config.latency_ns) if latency.times is None else latency,
            feed=Feed.of(config, seed),
            posts=posts,
            variants={e: plan_scenarios(config, latency, exact=e, posts=posts, seed=seed) for e in (False, True)},
        )


class TradedMarket(NamedTuple):
    """The market of one session: its tape, and the money of its symbol."""

    tape: SessionTape
    money: Money


def trade_session(
    market: TradedMarket, bars: TradedBars, key: TradedSession, plans: Plans, execution: Execution
) -> SessionResult:
    """Trade one session: its predicted bars, and its decisions of `plans`."""
    decisions, limits = plans[key]
    (tape, meta), config, money = market.tape, execution.config, market.money
    variants = execution.variants[meta.exact]
    scenarios = {id(scenario): scenario for scenario in variants.values()}  # each once, the main one first
    trades = simulate_session(market, decisions, limits, execution, list(scenarios.values()))
    times = np.append(bars.close, meta.close)
    mark2, rate = _mark(tape, times), config.financing_rate
    main = keep_ledger(list_fills(trades[:1], tape), money, times, mark2, financing_rate=rate)
    totals = [main.totals]
    if others := trades[1:]:
        counts = [len(each.fills) for each in others]
        totals += total_fills(list_fills(others, tape), counts, money, int(mark2[-1]), financing_rate=rate)
    by_scenario = dict(zip(scenarios, totals, strict=True))
    fills = describe_fills(trades[0], main.fills, tape)
    trips = list_round_trips(main, money)
    move = convert_amounts(np.diff(money.worth(np.ones(2, np.int64), mark2[[0, -1]])))
    return SessionResult(
        key=key,
        ledger=main,
        fills=fills | {"position": main.held} | _measure_markouts(main.fills, market.tape, config) | _list_costs(main),
        orders=describe_orders(trades[0], tape),
        round_trips=trips | {"net_ticks": _count_ticks(trips, money, tape.tick)},
        gains=_list_gains(main),
        decided={"bar_close": bars.close, "net": convert_amounts(np.diff(main.net))},
        executable=quote_executable(tape, bars, meta.close, execution.expected, execution.feed.median),
        shown=quote_round_trips(trips, tape),
        between=find_mean_gain(main.fills.filled, main.fills.lots, int(times[0]), meta.close, float(move[0])),
        totals={variant: by_scenario[id(scenario)] for variant, scenario in variants.items()},
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
    """Release the ledger's marks and amounts once the rows are made; its totals stay.

    They may be Python integers, which take several times the memory of the rows.
    """
    nothing = np.empty(0, object)
    return replace(result, ledger=replace(result.ledger, amounts={}, gross=nothing, net=nothing))


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


def _measure_markouts(fills: Fills, tape: SessionTape, config: Backtest) -> Columns:
    horizons = {f"markout_{text}": parse_duration(text, "backtest.markouts") for text in config.markouts}
    return measure_markouts(fills, tape.tape, tape.meta.close, horizons)


def _list_costs(ledger: Ledger) -> Columns:
    """List the costs of each fill by kind, in currency."""
    return {kind: convert_amounts(ledger.amounts[kind]) for kind in KINDS}


def _count_ticks(trips: Columns, money: Money, tick: int) -> Float:
    """Count the net gain of round trips in ticks a lot; that of an inverse contract to first order around its entry."""
    per_tick = float(money.unit) * tick / PRICE_SCALE
    scale = trips["entry"] ** 2 if money.inverse else 1.0
    return trips["net"] / trips["lots"] * scale * (1 / per_tick)


def _list_gains(ledger: Ledger) -> Columns:
    """List the gain up to each mark since the one before, in currency, and the lots held; one row per time, though the
    last bar may close when the session does.
    """
    last = np.append(ledger.times[1:] != ledger.times[:-1], True)
    return {
        "bar_close": ledger.times[last],
        "gross": convert_amounts(np.diff(ledger.gross[last], prepend=0)),
        "net": convert_amounts(np.diff(ledger.net[last], prepend=0)),
        "lots": ledger.position[last],
    }
