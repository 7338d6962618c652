"""Short markets written by hand, and what a trader did in them, in seconds, ticks and lots."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from ofiml.backtest.latency import Latency, fix_latency
from ofiml.backtest.orders import Queue, Reason, Status
from ofiml.backtest.simulate import ContractNumbers, ExecutionRules, Scenario, Trades, simulate
from ofiml.data.schema import F_LAST, TIME, Session
from ofiml.samples.tape import Tape, build_tape
from ofiml.strategy.decisions import HOLD, LAST, QUOTE, TARGET, Decisions, Limits
from tests.books import SECOND, TICK, Row, session

Level = tuple[int | None, int, int | None, int]
NO_LIMITS = Limits(cap=100, stop=0, take=0, flat_from=LAST, loss=float("inf"), post=False)


def book(t: float, *levels: Level) -> Row:
    """The book from t on; each level is (bid, lots, ask, lots)."""
    return {"t": t, "book": list(levels), "action": "A", "side": "N", "price": 0}


def trade(t: float, aggressor: str, price: float, size: int, *levels: Level) -> Row:
    """A trade at t and the book after it; the aggressor is B, A or N."""
    return {"t": t, "book": list(levels), "action": "T", "side": aggressor, "price": price, "size": size}


def make_session(
    rows: Sequence[Row], *, received: Sequence[float] = (), order_times: Sequence[float | None] = ()
) -> Session:
    """A session of rows with as many levels as the widest; without `received` each is known when it happens."""
    levels = max(len(row["book"]) for row in rows)
    padded = [row | {"book": [*row["book"], *[(None, 0, None, 0)] * (levels - len(row["book"]))]} for row in rows]
    made = session(padded, levels=levels)
    columns = {}
    if received:
        columns["ts_recv"] = pl.Series([round(t * SECOND) for t in received]).cast(TIME)
    if order_times:
        stamps = [None if t is None else round(t * SECOND) for t in order_times]
        columns["order_time"] = pl.Series(stamps, dtype=pl.Int64).cast(TIME)
    return replace(made, events=made.events.with_columns(**columns))


def at(
    t: float, kind: str, *values: int, until: float | None = None
) -> tuple[float, str, tuple[int, ...], float | None]:
    """A decision: at(1, "target", 5, until=3), at(2, "quote", bid, lots, ask, lots), at(3, "hold")."""
    return t, kind, values, until


def decide(*decisions: tuple[float, str, tuple[int, ...], float | None]) -> Decisions:
    columns: dict[str, list[int]] = {name: [] for name in Decisions._fields}
    for t, kind, values, until in decisions:
        target = values[0] if kind == "target" else 0
        bid, bid_size, ask, ask_size = values if kind == "quote" else (0, 0, 0, 0)
        row = (
            round(t * SECOND),
            {"hold": HOLD, "target": TARGET, "quote": QUOTE}[kind],
            target,
            LAST if until is None else round(until * SECOND),
            bid * TICK,
            bid_size,
            ask * TICK,
            ask_size,
        )
        for name, value in zip(columns, row, strict=True):
            columns[name].append(value)
    arrays = {name: np.array(c, np.uint8 if name == "kind" else np.int64) for name, c in columns.items()}
    return Decisions(**arrays)


class Done(NamedTuple):
    """What came of it: fills (t, price, lots), makers or takers, orders (reason, status, filled, lots)."""

    fills: list[tuple[float, int, int]]
    makers: list[int]
    orders: list[tuple[str, str, int, int]]
    trades: Trades
    tape: Tape


def act(
    rows: Sequence[Row],
    decisions: Decisions,
    *,
    latency: float | Latency = 0,
    response: float = 0,
    queue: Queue = Queue.PESSIMISTIC,
    power: float = 1.0,
    size_factor: float = 1.0,
    close: float | None = None,
    numbers: ContractNumbers = ContractNumbers(),  # noqa: B008
    rules: ExecutionRules = ExecutionRules(),  # noqa: B008
    received: Sequence[float] = (),
    order_times: Sequence[float | None] = (),
    **limits: Any,
) -> Done:
    """Trade a market by hand; `limits` change NO_LIMITS."""
    made = make_session(rows, received=received, order_times=order_times)
    tape = build_tape(made)
    way = latency if isinstance(latency, Latency) else fix_latency(round(latency * SECOND), round(response * SECOND))
    (trades,) = simulate(
        tape,
        decisions,
        NO_LIMITS._replace(**limits),
        numbers,
        [Scenario(way, queue, power, size_factor)],
        close=made.close if close is None else round(close * SECOND),
        rules=rules,
    )
    assert trades.position == 0
    return read(trades, tape)


def read(trades: Trades, tape: Tape) -> Done:
    fills, orders = trades.fills, trades.orders
    return Done(
        fills=[(f["time"] / SECOND, int(f["price"]) + tape.base, int(f["lots"])) for f in fills],
        makers=fills["maker"].tolist(),
        orders=[(Reason(o["reason"]).name, Status(o["status"]).name, int(o["filled"]), int(o["lots"])) for o in orders],
        trades=trades,
        tape=tape,
    )


__all__ = ["F_LAST", "Done", "act", "at", "book", "decide", "make_session", "read", "trade"]
