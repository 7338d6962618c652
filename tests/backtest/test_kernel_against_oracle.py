"""The event loop against a second implementation of its rules, order by order and fill by fill."""

import math
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from ofiml.backtest import simulate as kernel
from ofiml.backtest.feed import Feed
from ofiml.backtest.latency import Latency, draw_latency, find_latency, fix_latency
from ofiml.backtest.orders import Queue, Reason, Status
from ofiml.data.schema import Session
from ofiml.data.sessions import list_sources
from ofiml.samples.tape import TRADE, Tape, build_tape
from ofiml.strategy.decisions import HOLD, LAST, QUOTE, TARGET, Decisions, Limits
from tests.books import SECOND, busy_session
from tests.conftest import slow_but_each
from tests.oracle import execution as oracle
from tests.oracle.markets import draw_market
from tests.oracle.messages import ASK, BID, Clear, Level, Message, Trade, list_messages

_KINDS = {HOLD: "HOLD", TARGET: "TARGET", QUOTE: "QUOTE"}
ORDERS = (
    "decided",
    "arrived",
    "ended",
    "side",
    "price",
    "lots",
    "filled",
    "maker",
    "reason",
    "status",
    "ahead_at_join",
)
FILLS = (
    *("order", "time", "known", "price", "lots", "maker", "touch", "mid2_decided", "mid2_arrived", "mid2_filled"),
    "ahead_at_join",
)


def list_kernel(trades: kernel.Trades, tape: Tape) -> tuple[list[tuple], list[tuple]]:
    """Orders and fills with prices in ticks and names, as the oracle's; -1 stands for no time, price or mid."""

    def row(record: Any, names: Sequence[str]) -> tuple:
        values = []
        for name in names:
            value = record[name].item()
            if name == "ahead_at_join":
                value = round(value, 6)
            elif name == "reason":
                value = Reason(value).name
            elif name == "status":
                value = Status(value).name
            elif value >= 0 and name in ("price", "touch"):
                value += tape.base
            elif value >= 0 and name.startswith("mid2"):
                value += 2 * tape.base
            values.append(value)
        return tuple(values)

    return [row(o, ORDERS) for o in trades.orders], [row(f, FILLS) for f in trades.fills]


def list_oracle(outcome: oracle.Outcome) -> tuple[list[tuple], list[tuple]]:
    def fill_none(value: Any) -> Any:
        return -1 if value is None else value

    def join(order: oracle.Order) -> float:
        return 0.0 if order.ahead_at_join is None else round(order.ahead_at_join, 6)

    orders = [
        (
            *(fill_none(v) for v in (o.decided, o.arrived, o.ended, o.side, o.price)),
            *(o.lots, o.filled, int(o.post), o.reason, o.status, join(o)),
        )
        for o in outcome.orders
    ]
    fills = []
    for f in outcome.fills:
        joined = join(outcome.orders[f.order]) if f.maker else 0.0
        values = f.order, f.time, f.known, f.price, f.lots, int(f.maker), f.touch
        fills.append((*values, *(fill_none(v) for v in (f.mid2_decided, f.mid2_arrived, f.mid2_filled)), joined))
    return orders, fills


def scale(lots: int, factor: float) -> int:
    """Scale lots by a factor as it is written, rounded half away from 0."""
    whole = math.floor(abs(lots) * Fraction(repr(factor)) + Fraction(1, 2))
    return whole if lots >= 0 else -whole


def translate_decisions(decisions: Decisions, factor: float) -> list[oracle.Decision]:
    columns = [column.tolist() for column in decisions]
    return [
        oracle.Decision(
            time, _KINDS[kind], scale(target, factor), min(until, oracle.NEVER),
            bid, scale(bid_size, factor), ask, scale(ask_size, factor),
        )
        for time, kind, target, until, bid, bid_size, ask, ask_size in zip(*columns, strict=True)
    ]  # fmt: skip


def compare(
    session: Session,
    decisions: Decisions,
    limits: Limits,
    numbers: kernel.ContractNumbers,
    scenarios: Sequence[kernel.Scenario],
    rules: kernel.ExecutionRules,
    auctions: Sequence[tuple[int, int]] = (),
    feed: Feed = Feed(),  # noqa: B008
) -> int:
    """Hold the kernel against the oracle in each scenario; return how many fills they agree on."""
    tape, messages = build_tape(session), list_messages(session, auctions)
    late, later = feed.delay(tape, decisions)
    done = kernel.simulate(late, later, limits, numbers, scenarios, close=session.close, rules=rules)
    delays = feed.draw(len(messages)).tolist()
    total = 0
    for scenario, trades in zip(scenarios, done, strict=True):
        factor = scenario.size_factor
        known, decided = oracle.delay_feed(messages, translate_decisions(decisions, factor), delays, feed.median)
        outcome = oracle.simulate(
            session,
            decided,
            oracle.Limits(
                scale(limits.cap, factor),
                limits.stop,
                limits.take,
                min(limits.flat_from, oracle.NEVER),
                limits.loss * factor,
                limits.post,
            ),
            translate_scenario(scenario, rules),
            oracle.Money(Fraction(1), Fraction(numbers.taker_lot), Fraction(numbers.maker_lot)),
            known,
        )
        (orders, fills), (expected_orders, expected_fills) = list_kernel(trades, tape), list_oracle(outcome)
        for mine, theirs, names in ((fills, expected_fills, FILLS), (orders, expected_orders, ORDERS)):
            for i, (a, b) in enumerate(zip(mine, theirs, strict=False)):
                assert dict(zip(names, a, strict=True)) == dict(zip(names, b, strict=True)), (scenario.queue, i)
            assert len(mine) == len(theirs)
        assert trades.position == outcome.position
        assert trades.fills["beyond_shown"].sum() == outcome.beyond_shown
        total += len(fills)
    return total


def translate_scenario(scenario: kernel.Scenario, rules: kernel.ExecutionRules) -> oracle.Scenario:
    latency = scenario.latency
    times = latency.values if latency.times is None else latency.times
    table = np.column_stack([latency.values, times])

    def delay(number: int, now: int) -> int:
        return int(find_latency(table, 0, len(table), latency.times is not None, number, now))

    return oracle.Scenario(
        delay,
        latency.response,
        scenario.queue.name.lower(),
        scenario.power,
        "rest" if rules.rest else "cancel",
        rules.share_of_shown,
        rules.share_of_traded,
    )


# --- the tape --------------------------------------------------------------------------------------------------------


def list_tape(tape: Tape) -> list[Message]:
    """The messages of a tape, with the book that its events leave."""
    messages, book, hidden = [], {BID: {}, ASK: {}}, {BID: set(), ASK: set()}
    for m in range(len(tape.exchange)):
        changes: list[Any] = []
        for e in range(tape.first[m], tape.first[m + 1]):
            kind, side = int(tape.kind[e]), int(tape.side[e])
            price, size = int(tape.price[e]) + tape.base, int(tape.size[e])
            if kind == TRADE:
                changes.append((side, price, size))
            elif kind == 3:
                changes.append(Clear())
                book, hidden = {BID: {}, ASK: {}}, {BID: set(), ASK: set()}
            elif kind == 2:
                hidden[side].add(price)
                del book[side][price]
            else:
                hidden[side].discard(price)
                book[side][price] = size
                if size == 0:
                    del book[side][price]
                stamp = int(tape.order_time[e])
                changes.append(Level(side, price, size, None if stamp < 0 else stamp))
        shown = {side: dict(levels) for side, levels in book.items()}
        messages.append(Message(int(tape.exchange[m]), int(tape.receipt[m]), bool(tape.tradable[m]), changes, shown))
    return messages


def list_changes(messages: Sequence[Message]) -> list[list[Any]]:
    """The changes of each message with prints as the tape has them, and runs of level changes in order of side and
    price. The tape clears nothing twice, or before there was a level.
    """
    out, known = [], False
    for message in messages:
        changes = []
        for change in _list_changes(message):
            if not isinstance(change, Clear) or known:
                changes.append(change)
            if isinstance(change, Level | Clear):
                known = isinstance(change, Level)
        out.append(changes)
    return out


def _list_changes(message: Message) -> list[Any]:
    out: list[Any] = []
    run: list[Level] = []
    for change in [*message.changes, None]:
        if isinstance(change, Level):
            run.append(change)
            continue
        out += sorted(run, key=lambda c: (c.side, c.price, c.size))
        run = []
        if isinstance(change, Trade):
            if change.side == 0 and change.low != change.high:
                out += [(1, change.low, change.size), (-1, change.high, change.size)]
            else:
                out.append((change.side, change.high if change.side < 0 else change.low, change.size))
        elif change is not None:
            out.append(change)
    return out


def draw_session(seed: int, steps: int = 150) -> Session:
    """Every third session is one of random states, the others are of orders with time priority."""
    if seed % 3 == 0:
        return busy_session(seed, steps, 1 + seed % 4, resets=0.02)
    return draw_market(seed, steps)


def add_auctions(seed: int, session: Session, patch: pytest.MonkeyPatch) -> tuple[Session, list[tuple[int, int]]]:
    """Put two auctions into every second session, whose bounds often are times of messages."""
    if seed % 2:
        return session, []
    rng = np.random.default_rng([seed, 5])
    stamps = session.events["ts_recv"].to_physical().to_numpy()
    bounds = np.sort(rng.choice(stamps, 4, replace=False) + rng.choice([0, 0, 1, SECOND // 3], 4))
    patch.setattr("ofiml.samples.tape.list_auctions", lambda *_: (bounds[::2], bounds[1::2]))
    return replace(session, calendar="XNYS"), [(int(start), int(end)) for start, end in bounds.reshape(2, 2)]


@pytest.mark.parametrize("seed", slow_but_each(25, range(100)))
def test_the_tape_says_what_the_rows_say(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    session, auctions = add_auctions(seed, draw_session(seed, 200), monkeypatch)
    mine, theirs = list_tape(build_tape(session)), list_messages(session, auctions)
    assert len(mine) == len(theirs) > 50
    for i, (a, b) in enumerate(zip(list_changes(mine), list_changes(theirs), strict=True)):
        assert a == b, i
    for i, (a, b) in enumerate(zip(mine, theirs, strict=True)):
        assert (a.exchange, a.receipt, a.tradable, a.book) == (b.exchange, b.receipt, b.tradable, b.book), i


# --- trading ---------------------------------------------------------------------------------------------------------


def draw_decisions(rng: np.random.Generator, session: Session, count: int) -> Decisions:
    """Decisions near the market, at times that often are those of messages or of one another."""
    events = session.events
    stamps = events["ts_recv"].to_physical().to_numpy()
    time = np.where(
        rng.random(count) < 0.5, rng.choice(stamps, count), rng.integers(stamps[0] - SECOND, stamps[-1], count)
    )
    time = np.sort(np.where(rng.random(count) < 0.1, np.roll(time, 1), time))
    near = events["bid_px_00"].fill_null(1000 * session.tick).to_numpy()
    row = np.clip(np.searchsorted(stamps, time), 0, len(stamps) - 1)
    bid = near[row] // session.tick + rng.integers(-2, 3, count)
    kinds = rng.dirichlet([1, 1, 1]) if rng.random() < 0.5 else [[0.3, 0.7, 0.0], [0.1, 0.0, 0.9]][rng.integers(2)]
    return Decisions(
        time=time,
        kind=rng.choice([HOLD, TARGET, QUOTE], count, p=kinds).astype(np.uint8),
        target=rng.integers(-12, 13, count),
        until=np.where(rng.random(count) < 0.2, LAST, time + rng.integers(0, 20, count) * SECOND // 2),
        bid=bid * session.tick + rng.choice([0, session.tick // 2], count),
        bid_size=rng.integers(0, 9, count),
        ask=(bid + rng.integers(1, 5, count)) * session.tick - rng.choice([0, session.tick // 2], count),
        ask_size=rng.integers(0, 9, count),
    )


def draw_way(rng: np.random.Generator, session: Session, seed: int) -> Latency:
    response = int(rng.choice([0, 0, SECOND // 10, SECOND]))
    way = rng.integers(4)
    if way == 0:
        return fix_latency(0, response)
    if way == 1:
        return fix_latency(int(rng.choice([1, SECOND // 10, SECOND // 2])), response)
    if way == 2:
        return draw_latency(SECOND // 4, 1.0, seed, response)
    times = np.sort(rng.integers(session.open, session.close + 1, 9))
    return Latency(rng.integers(0, SECOND, 9), response, times)


@pytest.mark.parametrize("seed", slow_but_each(50, range(300), first=2))
def test_the_kernel_trades_as_the_oracle(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(1000 + seed)
    session, auctions = add_auctions(seed, draw_session(seed), monkeypatch)
    limits = Limits(
        cap=int(rng.integers(1, 20)),
        stop=int(rng.choice([0, 1, 3])),
        take=int(rng.choice([0, 1, 3])),
        flat_from=int(rng.integers(session.open, session.close)) if rng.random() < 0.2 else LAST,
        loss=float(rng.choice([np.inf, np.inf, 4.0, 30.0])),
        post=bool(rng.random() < 0.5),
    )
    rules = kernel.ExecutionRules(
        bool(rng.random() < 0.5), float(rng.choice([1.0, 1.0, 0.5, 0.3])), float(rng.choice([1.0, 1.0, 0.7, 0.25]))
    )
    numbers = kernel.ContractNumbers(
        taker_lot=float(rng.choice([0.0, 0.25])), maker_lot=float(rng.choice([0.0, -0.125]))
    )
    factors = np.random.default_rng([seed, 6]).choice([1.0, 1.0, 0.3, 0.5, 2.5, 10.0], len(Queue)).tolist()
    scenarios = [
        kernel.Scenario(draw_way(rng, session, seed), queue, float(rng.choice([0.5, 1.0, 2.0, 3.0])), factor)
        for queue, factor in zip(Queue, factors, strict=True)
    ]
    decisions = draw_decisions(rng, session, int(rng.integers(5, 80)))
    late = np.random.default_rng([seed, 7])
    feed = Feed(int(late.choice([0, 0, 1, SECOND // 3, 2 * SECOND])), float(late.choice([0.0, 1.5])), seed)
    compare(session, decisions, limits, numbers, scenarios, rules, auctions, feed)


# --- real markets ----------------------------------------------------------------------------------------------------

REAL = {
    "orders": ("databento_mbo", "databento/arl_20250717_mbo.csv", 8 * 60),
    "stock": ("lobster", "lobster/LOBSTER_SampleFile_AMZN_2012-06-21_5.zip", 20),
    "perpetual": ("binance", "binance/usdm_btcusdt_20240808.gz", 20),
}


def take_minutes(session: Session, minutes: int) -> Session:
    """The first minutes of a session, from its open or its first message on."""
    stamps = session.events["ts_recv"].to_physical().to_numpy()
    start = max(session.open, int(stamps[0]))
    close = min(session.close, int(stamps[-1]), start + minutes * 60 * SECOND)
    rows = int(np.searchsorted(stamps, close, side="right"))
    return replace(session, events=session.events.head(rows), open=start, close=close)


def draw_real_decisions(session: Session, kind: str, every: int, lots: int) -> Decisions:
    """A position that turns at random, or quotes around the touch, every so many ns."""
    rng = np.random.default_rng(7)
    stamps = session.events["ts_recv"].to_physical().to_numpy()
    time = np.arange(session.open, session.close, every)
    row = np.clip(np.searchsorted(stamps, time, side="right") - 1, 0, len(stamps) - 1)
    bid, ask = (
        session.events[f"{side}_px_00"].fill_null(strategy="forward").to_numpy()[row] for side in ("bid", "ask")
    )
    away = rng.choice([-1, 0, 1], (2, len(time)), p=[0.1, 0.8, 0.1]) * session.tick
    return Decisions(
        time=time,
        kind=np.full(len(time), QUOTE if kind == "quote" else TARGET, np.uint8),
        target=np.repeat(rng.integers(-2, 3, len(time) // 8 + 1), 8)[: len(time)] * lots,
        until=time + 3 * every,
        bid=bid + away[0],
        bid_size=np.full(len(time), lots),
        ask=ask + away[1],
        ask_size=np.full(len(time), lots),
    )


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["quote", "take", "post"])
@pytest.mark.parametrize("name", REAL)
def test_the_kernel_trades_real_markets_as_the_oracle(name: str, kind: str, configure: Any, data: Any) -> None:
    source, path, minutes = REAL[name]
    config = configure(f"dataset={source}", f"dataset.path={data(path)}").dataset
    session = take_minutes(next(list_sources(config)[0]()), minutes)
    assert build_tape(session).tradable.mean() > 0.5
    rules = kernel.ExecutionRules(rest=kind == "take", share_of_shown=0.5, share_of_traded=0.5)
    scenarios = [kernel.Scenario(draw_latency(SECOND // 100, 0.5, 3, SECOND // 200), queue, 2.0) for queue in Queue]
    every = max(SECOND, (session.close - session.open) // 600)
    size = int(np.median(session.events["bid_sz_00"].drop_nulls().to_numpy())) // 2 + 1
    limits = Limits(5 * size, stop=5, take=8, flat_from=session.close - 60 * SECOND, loss=1e6, post=kind == "post")
    decisions = draw_real_decisions(session, kind, every, size)
    fills = compare(session, decisions, limits, kernel.ContractNumbers(), scenarios, rules)
    assert fills > (15 if name == "orders" else 200)  # the orders are of a share that trades 46 times
