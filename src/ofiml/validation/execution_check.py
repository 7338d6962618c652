"""The part of the leak check that covers execution: orders and fills up to t must not change when the data after t do.

The session with the most orders is read again, everything after a bar's close t is replaced, and the decisions after t
are turned round. The functions of the study then build its tape and trade it. Orders that were sent before t, and what
became of them before t, must be those of the study.

Exchange and receipt have clocks of their own: what happened at the exchange before t may be received later, and is then
replaced. So all is compared up to the exchange's time of the last message that was received by t.
"""

from dataclasses import dataclass

import numpy as np
import polars as pl

from ofiml._typing import Int64
from ofiml.backtest import trading
from ofiml.backtest.fills import describe_fills, describe_orders, list_fills, tabulate_fills, tabulate_orders
from ofiml.backtest.money import Money
from ofiml.backtest.result import BacktestResult
from ofiml.backtest.run import Desk
from ofiml.backtest.scenarios import MAIN
from ofiml.backtest.trading import Execution, TradedMarket
from ofiml.data.schema import TIME, Session
from ofiml.errors import LeakError
from ofiml.samples import tape as tapes
from ofiml.samples.prepare import read_sessions
from ofiml.samples.session import SessionSamples
from ofiml.samples.tape import SessionTape, has_order_times
from ofiml.samples.tape_cache import read_tape
from ofiml.strategy.build import Plans, TradedSession
from ofiml.strategy.decisions import Decisions, Limits
from ofiml.validation.altered_future import SEED, alter_future
from ofiml.validation.perturbed_refit import SKIP_HINT

_SENT = ["order", "decided", "sent", "side", "lots", "posted", "reason"]
_LATER = ["arrived", "filled", "status"]  # of an order; known at its end
_FILL = [
    *("order", "decided", "arrived", "filled", "lots", "price", "touch", "mid2_decided", "mid2_arrived", "mid2_filled"),
    *("maker", "reason"),
]


@dataclass(frozen=True, slots=True)
class CheckedExecution:
    """The session that was traded again with everything after `time` (UTC) replaced, and the numbers of `orders` and
    `fills` before then, all equal to those of the study.
    """

    symbol: str
    session: str
    time: str
    orders: int
    fills: int


def check_execution(
    sessions: list[SessionSamples], plans: Plans, result: BacktestResult, desk: Desk
) -> CheckedExecution | None:
    """Trade the session with the most orders again, with another future from its middle order on, and compare.

    None if no order was sent. Raises LeakError for the first order or fill that differs.
    """
    if result.orders.height == 0:
        return None
    key = _choose_session(result.orders)
    orders, fills = (_select(table, key) for table in (result.orders, result.fills))
    decisions, limits = plans[key]
    t = _choose_time(decisions.time, orders)
    (samples,) = (s for s in sessions if s.key == (key.symbol, key.session))

    def make() -> SessionTape:
        (session,) = read_sessions([samples], desk.dataset)
        return record_altered(session, t)

    name = None if samples.input_name is None else f"{samples.input_name} {samples.key} altered {t} {SEED}"
    market = TradedMarket(read_tape(name, desk.store, make), Money.of(desk.instruments[key.symbol].instrument))
    execution = Execution.of(desk.config, desk.latency, plans, desk.seed)
    counts = compare_executions(market, turn_decisions(decisions, t), limits, execution, (orders, fills), key, t)
    return CheckedExecution(key.symbol, key.session, _format_time(t), *counts)


def record_altered(session: Session, t: int) -> SessionTape:
    """Record the tape of a session whose events after `t` (ns) are replaced.

    Whether the feed states the place of orders is no event: it stays, as the queue model depends on it.
    """
    # Called through the module, so that this is the function that the study itself calls.
    tape, meta = tapes.record_session(alter_future(session, t))
    return SessionTape(tape, meta._replace(exact=has_order_times(session.events)))


def turn_decisions(decisions: Decisions, t: int) -> Decisions:
    """Turn the decisions after `t` round: the other side is wanted, and the sizes of bid and ask are exchanged."""
    later = decisions.time > t
    return decisions._replace(
        target=np.where(later, -decisions.target, decisions.target),
        bid_size=np.where(later, decisions.ask_size, decisions.bid_size),
        ask_size=np.where(later, decisions.bid_size, decisions.ask_size),
    )


def compare_executions(
    market: TradedMarket,
    decisions: Decisions,
    limits: Limits,
    execution: Execution,
    study: tuple[pl.DataFrame, pl.DataFrame],
    key: TradedSession,
    t: int,
) -> tuple[int, int]:
    """Trade a market whose data after `t` (ns) are replaced, and compare with the orders and fills of the `study`.

    Returns the numbers of orders and fills compared. Raises LeakError for the first that differs.
    """
    tape, meta = market.tape
    scenario = execution.variants[meta.exact][MAIN]
    (trades,) = trading.simulate_session(market, decisions, limits, execution, [scenario])
    known = int(np.searchsorted(tape.receipt, t, side="right"))
    until = int(tape.exchange[known - 1]) if known else 0
    traded = describe_orders(trades, tape), describe_fills(trades, list_fills([trades], tape), tape)
    again = tabulate_orders(pl.DataFrame(traded[0])), tabulate_fills(pl.DataFrame(traded[1]))
    orders, orders_again = (_list_known_orders(table, until) for table in (study[0], again[0]))
    fills, fills_again = (_list_known_fills(table, until) for table in (study[1], again[1]))
    _require_equal("order", orders, orders_again, key, t)
    _require_equal("fill", fills, fills_again, key, t)
    return orders.height, fills.height


def _list_known_orders(orders: pl.DataFrame, until: int) -> pl.DataFrame:
    """List what was known of the orders before `until`: a price when they were posted, the rest at their end."""
    price = pl.when("posted").then("price").alias("price")
    later = [pl.when(pl.col("ended") < until).then(name).alias(name) for name in ("ended", *_LATER)]
    return orders.filter(pl.col("sent") < until).select(*_SENT, price, *later)


def _list_known_fills(fills: pl.DataFrame, until: int) -> pl.DataFrame:
    return fills.filter(pl.col("filled") < until).select(_FILL)


def _require_equal(what: str, study: pl.DataFrame, again: pl.DataFrame, key: TradedSession, t: int) -> None:
    if study.equals(again):
        return
    start = f"evaluation.leak_check: the execution of {key.symbol} {key.session} depends on the future: "
    for row, (was, now) in enumerate(zip(study.iter_rows(named=True), again.iter_rows(named=True), strict=False)):
        for name, value in was.items():
            if value != now[name]:
                raise LeakError(
                    f"{start}`{name}` of {what} {row} is {value}, but {now[name]} when everything after "
                    f"{_format_time(t)} is replaced. Fix the backtest; {SKIP_HINT}"
                )
    raise LeakError(
        f"{start}it has {study.height} {what}s by {_format_time(t)}, but {again.height} when everything after that is "
        f"replaced. Fix the backtest; {SKIP_HINT}"
    )


def _choose_session(orders: pl.DataFrame) -> TradedSession:
    """Choose the session (and path) with the most orders, the first one among equals."""
    by = [name for name in ("symbol", "session", "path") if name in orders.columns]
    counts = orders.group_by(by, maintain_order=True).len()
    return TradedSession(*counts.row(int(counts["len"].arg_max() or 0))[:-1])


def _select(table: pl.DataFrame, key: TradedSession) -> pl.DataFrame:
    of_path = pl.lit(True) if key.path is None else pl.col("path") == key.path
    return table.filter((pl.col("symbol") == key.symbol) & (pl.col("session") == key.session) & of_path)


def _choose_time(decided: Int64, orders: pl.DataFrame) -> int:
    """Choose the first decision after the middle order has ended, else the one before the last."""
    middle = np.sort(orders["ended"].to_numpy())[orders.height // 2]
    return int(decided[max(0, min(np.searchsorted(decided, middle, side="right"), len(decided) - 2))])


def _format_time(t: int) -> str:
    return str(pl.Series([t]).cast(TIME)[0])
