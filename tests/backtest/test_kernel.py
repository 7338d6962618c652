"""What holds of every session: limits, mirrors, bounds of the queue models, scenarios side by side, the plain twin."""

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ofiml.backtest import kernel
from ofiml.backtest import simulate as simulate_module
from ofiml.backtest.latency import Latency, draw_latency, fix_latency
from ofiml.backtest.orders import Queue, Reason, Status
from ofiml.backtest.simulate import ContractNumbers, ExecutionRules, Scenario, Trades, simulate
from ofiml.data.schema import Session
from ofiml.errors import DataError
from ofiml.samples.tape import Tape, build_tape
from ofiml.strategy.decisions import HOLD, LAST, QUOTE, TARGET, Decisions, Limits
from tests.books import SECOND, TICK, busy_session, mirrored

_TOP = 10_000 * TICK
NO_LIMITS = Limits(cap=1000, stop=0, take=0, flat_from=LAST, loss=float("inf"), post=False)


def draw_decisions(seed: int, session: Session, count: int = 40) -> Decisions:
    """Decisions of all kinds at random times and prices around 1000 ticks."""
    rng = np.random.default_rng(seed)
    time = np.sort(rng.integers(session.open, session.close + 1, count))
    bid = rng.integers(990, 1006, count)
    return Decisions(
        time=time,
        kind=rng.choice([HOLD, TARGET, QUOTE], count).astype(np.uint8),
        target=rng.integers(-12, 13, count),
        until=time + rng.integers(0, 20, count) * SECOND,
        bid=bid * TICK,
        bid_size=rng.integers(0, 9, count),
        ask=(bid + rng.integers(1, 12, count)) * TICK,
        ask_size=rng.integers(0, 9, count),
    )


@cache
def draw_session(seed: int) -> tuple[Session, Tape]:
    """A session with all that feeds do."""
    session = busy_session(seed, 150, 1 + seed % 3, resets=0.02)
    return session, build_tape(session)


def draw_case(seed: int, **changes: Any) -> dict[str, Any]:
    """A session, and a trader with all that a trader may have."""
    rng = np.random.default_rng(seed + 1)
    session, tape = draw_session(seed)
    limits = Limits(
        cap=int(rng.integers(1, 15)),
        stop=int(rng.integers(0, 6)),
        take=int(rng.integers(0, 6)),
        flat_from=int(rng.integers(session.open, session.close)) if rng.random() < 0.5 else LAST,
        loss=float(rng.choice([5.0, 50.0, np.inf])),
        post=bool(rng.random() < 0.5),
    )
    rules = ExecutionRules(bool(rng.random() < 0.5), float(rng.choice([1.0, 0.5])), float(rng.choice([1.0, 0.7])))
    latency = draw_latency(int(rng.choice([0, SECOND // 10, SECOND])), 0.5, seed, int(rng.choice([0, SECOND // 3])))
    case = {
        "tape": tape,
        "decisions": draw_decisions(seed, session),
        "limits": limits,
        "numbers": ContractNumbers(taker_lot=0.1, maker_rate=1e-4),
        "scenarios": [Scenario(latency, Queue(int(rng.integers(0, 6))), power=2.0)],
        "rules": rules,
        "close": session.close,
    }
    return case | changes


def run(case: dict[str, Any]) -> list[Trades]:
    return simulate(
        *(case[name] for name in ("tape", "decisions", "limits", "numbers", "scenarios")),
        close=case["close"],
        rules=case["rules"],
    )


def assert_same(a: Trades, b: Trades) -> None:
    np.testing.assert_array_equal(a.orders, b.orders)
    np.testing.assert_array_equal(a.fills, b.fills)
    assert a.position == b.position


seeds = st.integers(0, 60)  # few, as their sessions are drawn once
quick = settings(max_examples=40)


@quick
@given(seed=seeds)
def test_the_cap_holds_and_the_session_ends_flat(seed: int) -> None:
    case = draw_case(seed)
    (trades,) = run(case)
    position = np.cumsum(trades.fills["lots"])
    assert np.abs(position).max(initial=0) <= case["limits"].cap
    assert position[-1:].sum() == 0 or not ((case["tape"].bid >= 0) & (case["tape"].ask >= 0)).any()
    assert trades.position == position[-1:].sum()


@quick
@given(seed=seeds)
def test_orders_and_fills_add_up(seed: int) -> None:
    case = draw_case(seed)
    (trades,) = run(case)
    orders, fills = trades.orders, trades.fills
    lots = np.zeros(len(orders), np.int64)
    np.add.at(lots, fills["order"], np.abs(fills["lots"]))
    np.testing.assert_array_equal(lots, orders["filled"])
    assert (orders["filled"] <= orders["lots"]).all()
    assert ((orders["status"] == Status.FILLED) == (orders["filled"] == orders["lots"])).all()
    assert ((orders["status"] == Status.PARTLY) == ((lots > 0) & (lots < orders["lots"]))).all()
    assert (np.sign(fills["lots"]) == orders["side"][fills["order"]]).all()
    assert (fills["time"] >= orders["arrived"][fills["order"]]).all()
    assert (np.diff(fills["time"]) >= 0).all()
    assert (orders["ended"] >= orders["arrived"]).all()
    assert (orders["decided"] <= case["close"]).all()
    # Nobody buys above or sells below what was shown; makers are filled at their price.
    maker = fills["maker"] == 1
    assert ((fills["price"] - fills["touch"]) * np.sign(fills["lots"]) >= 0).all()
    assert (fills["price"][maker] == orders["price"][fills["order"][maker]]).all()


@quick
@given(seed=seeds)
def test_after_flat_from_only_closing_orders_are_sent(seed: int) -> None:
    case = draw_case(seed)
    (trades,) = run(case)
    late = trades.orders[trades.orders["sent"] >= case["limits"].flat_from]
    assert np.isin(late["reason"], [Reason.CLOSE, Reason.STOP, Reason.TAKE_PROFIT, Reason.LOSS_LIMIT]).all()
    stopped = np.flatnonzero(trades.orders["reason"] == Reason.LOSS_LIMIT)
    if len(stopped):
        assert np.isin(trades.orders["reason"][stopped[0] :], [Reason.LOSS_LIMIT, Reason.CLOSE]).all()


def mark_known(trades: Trades, tape: Tape, numbers: ContractNumbers, known: np.ndarray, m: np.ndarray) -> np.ndarray:
    """The profit less fees of the first `known` fills, marked at the closing side after message m; NaN without it.

    Written without the kernel: running sums of fills.
    """
    fills = trades.fills
    price = tape.base + fills["price"]
    fee = np.where(fills["maker"] == 1, numbers.maker_rate * np.abs(price), numbers.taker_lot) * np.abs(fills["lots"])
    cash = np.concatenate([[0.0], np.cumsum(-fills["lots"] * price - fee)])[known]
    position = np.concatenate([[0], np.cumsum(fills["lots"])])[known]
    quote = np.where(position > 0, tape.bid[m], np.where(position < 0, tape.ask[m], 0))
    return np.where(quote < 0, np.nan, cash + position * (quote + tape.base))


@quick
@given(seed=seeds, loss=st.sampled_from([3.0, 10.0, 30.0]))
def test_the_loss_limit_ends_trading_when_it_is_reached_and_not_before(seed: int, loss: float) -> None:
    case = draw_case(seed)
    case["limits"] = case["limits"]._replace(loss=loss, stop=0, take=0, flat_from=LAST)
    (trades,) = run(case)
    tape, orders, known = case["tape"], trades.orders, trades.fills["known"]
    every = np.arange(len(tape.receipt))
    profit = mark_known(trades, tape, case["numbers"], np.searchsorted(known, tape.receipt, side="right"), every)
    below = np.flatnonzero(profit < -loss - 1e-6)
    if len(below):
        first = tape.receipt[below[0]]
        after = orders[(orders["sent"] > first) & (orders["reason"] != Reason.CLOSE)]
        assert (after["reason"] == Reason.LOSS_LIMIT).all()
    sent = orders["sent"][orders["reason"] == Reason.LOSS_LIMIT]
    if len(sent):
        # It was reached at a message, before or after what else is known at its time, or when a fill was known.
        before = mark_known(trades, tape, case["numbers"], np.searchsorted(known, tape.receipt), every)
        last = np.searchsorted(tape.receipt, known, side="right") - 1
        filled = mark_known(trades, tape, case["numbers"], 1 + np.arange(len(known)), np.maximum(last, 0))
        marks = np.concatenate([profit, before, filled])
        times = np.concatenate([tape.receipt, tape.receipt, known])
        assert np.nanmin(marks[times <= sent[0]]) < -loss + 1e-6


@quick
@given(seed=seeds)
def test_the_mirrored_market_has_mirrored_fills(seed: int) -> None:
    session, _ = draw_session(seed)
    case = draw_case(seed)
    case["limits"] = case["limits"]._replace(flat_from=LAST)
    case["numbers"] = ContractNumbers(taker_lot=0.1)  # a share of the value has no mirror
    case["scenarios"] = [replace(case["scenarios"][0], latency=fix_latency(SECOND // 3))]  # nor has the order of draws
    d = case["decisions"]
    flipped = d._replace(target=-d.target, bid=_TOP - d.ask, bid_size=d.ask_size, ask=_TOP - d.bid, ask_size=d.bid_size)
    other = build_tape(mirrored(session, _TOP))
    (a,) = run(case)
    (b,) = run(case | {"tape": other, "decisions": flipped})
    # Orders sent at one time, and fills made at one, stand in the order bid, ask in both.
    mine, theirs = (
        sorted(zip(t.fills["time"], sign * t.fills["lots"], sign * (t.fills["price"] + base) + shift, strict=True))
        for t, sign, base, shift in ((a, 1, case["tape"].base, 0), (b, -1, other.base, 10_000))
    )
    assert mine == theirs
    mine, theirs = (
        sorted(zip(t.orders["sent"], sign * t.orders["side"], t.orders["status"], t.orders["ended"], strict=True))
        for t, sign in ((a, 1), (b, -1))
    )
    assert mine == theirs


@quick
@given(seed=seeds, shares=st.sampled_from([(1.0, 1.0), (0.5, 0.3)]), lots=st.integers(1, 40))
def test_every_model_lies_between_its_bounds(seed: int, shares: tuple[float, float], lots: int) -> None:
    session, tape = draw_session(seed)
    rng = np.random.default_rng(seed)
    one = np.zeros(1, np.int64)
    start = np.array([rng.integers(session.open, session.close)])
    bid = bool(rng.random() < 0.5)
    price = np.array([rng.integers(990, 1010)]) * TICK
    decisions = Decisions(
        start, np.array([QUOTE], np.uint8), one, one, price, one + lots * bid, price, one + lots * (not bid)
    )
    scenarios = [Scenario(fix_latency(0), queue, 2.0) for queue in Queue]
    results = simulate(
        tape,
        decisions,
        NO_LIMITS,
        ContractNumbers(),
        scenarios,
        close=session.close,
        rules=ExecutionRules(False, *shares),
    )

    def count(trades: Trades) -> np.ndarray:
        """Lots of the quote filled up to each message."""
        fills = trades.fills[trades.fills["maker"] == 1]
        total = np.concatenate([[0], np.cumsum(np.abs(fills["lots"]))])
        return total[np.searchsorted(fills["time"], tape.exchange, side="right")]

    counts = {queue: count(trades) for queue, trades in zip(Queue, results, strict=True)}
    for queue in Queue:
        assert (counts[Queue.THROUGH] <= counts[queue]).all()
        assert (counts[queue] <= counts[Queue.TOUCH]).all()


@quick
@given(seed=seeds)
def test_a_scenario_is_the_same_alone_and_among_others(seed: int) -> None:
    case = draw_case(seed)
    others = [Scenario(fix_latency(SECOND // 7 * k), Queue(k), size_factor=1.0 + k) for k in range(6)]
    scenarios = [*others[:3], *case["scenarios"], *others[3:]]
    together = run(case | {"scenarios": scenarios})
    for scenario, trades in zip(scenarios, together, strict=True):
        (alone,) = run(case | {"scenarios": [scenario]})
        assert_same(alone, trades)


@pytest.mark.parametrize("seed", range(12))
def test_passing_over_what_changes_nothing_changes_nothing(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    case = draw_case(seed)
    drawn = draw_decisions(seed, draw_session(seed)[0], 300)
    rows = np.arange(len(drawn.time)) // 20 * 20  # each decision is repeated
    case["decisions"] = Decisions(*(column[rows] for column in drawn))._replace(time=drawn.time, until=drawn.until)
    case["limits"] = case["limits"]._replace(stop=0, take=0, loss=float("inf"))
    case["scenarios"] = [
        Scenario(fix_latency(latency * SECOND, response * SECOND), queue)
        for latency, response, queue in ((0, 0, Queue.POWER), (0, 1, Queue.TOUCH), (2, 0, Queue.EXACT))
    ]
    case["scenarios"] = case["scenarios"][seed % 3 :]
    short = run(case)
    # A trader with a loss limit follows all that becomes known of its orders, and no decision is passed over.
    case["limits"] = case["limits"]._replace(loss=1e300)
    monkeypatch.setattr(kernel, "run", kernel.run_py)
    monkeypatch.setattr(kernel, "is_repeat", lambda plan, d: False)
    for a, b in zip(short, run(case), strict=True):
        assert_same(a, b)


@pytest.mark.parametrize("seed", range(12))
def test_the_kernel_is_its_plain_twin(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    case = draw_case(seed)
    case["scenarios"] += [Scenario(fix_latency(SECOND // 5), Queue.POWER, 1.5, 0.5)]
    compiled = run(case)
    monkeypatch.setattr(kernel, "run", kernel.run_py)
    for a, b in zip(compiled, run(case), strict=True):
        assert_same(a, b)


@pytest.mark.parametrize("seed", range(12))
def test_what_the_tables_held_before_changes_nothing(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    case = draw_case(seed)
    runs = []
    for content in (0, 0xAB):
        monkeypatch.setattr(
            simulate_module,
            "_make_rows",
            lambda count, record, content=content: np.full(count * record.itemsize, content, np.uint8).view(record),
        )
        runs.append(run(case))
    for a, b in zip(*runs, strict=True):
        assert_same(a, b)
    assert sum(len(trades.orders) for trades in runs[0])


def test_short_tables_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    case = draw_case(5)
    long = run(case)
    monkeypatch.setattr("ofiml.backtest.simulate._FIRST_ROWS", 1)
    monkeypatch.setattr("ofiml.backtest.simulate._LEAST_ROWS", 1)
    assert len(long[0].orders) > 4
    for a, b in zip(long, run(case), strict=True):
        assert_same(a, b)


@quick
@given(seed=seeds)
def test_nothing_knows_the_future(seed: int) -> None:
    case = draw_case(seed)
    tape = case["tape"]
    cut = len(tape.bid) // 2
    when = int(tape.exchange[cut]) - 1
    (whole,) = run(case)
    kept = int(np.searchsorted(tape.exchange, when, side="right"))
    short = tape._replace(
        **{name: getattr(tape, name)[:kept] for name in ("exchange", "receipt", "bid", "ask", "tradable")},
        first=tape.first[: kept + 1],
    )
    (early,) = run(case | {"tape": short})
    for name in ("orders", "fills"):
        clock = "sent" if name == "orders" else "time"
        a, b = (getattr(t, name) for t in (whole, early))
        fields = ["order", "time", "price", "lots"] if name == "fills" else ["sent", "side", "reason", "decided"]
        np.testing.assert_array_equal(a[a[clock] <= when][fields], b[b[clock] <= when][fields])


def test_an_empty_session_and_no_decisions() -> None:
    case = draw_case(3)
    none = Decisions(*(a[:0] for a in case["decisions"]))
    (trades,) = run(case | {"decisions": none})
    assert len(trades.orders) == len(trades.fills) == 0
    tape = case["tape"]
    empty = tape._replace(**{name: getattr(tape, name)[: name == "first"] for name in Tape._fields[:11]})
    assert len(run(case | {"tape": empty})[0].fills) == 0
    assert run(case | {"scenarios": []}) == []


def test_read_only_arrays_are_taken() -> None:
    case = draw_case(3)
    frozen = [a.copy() if isinstance(a, np.ndarray) else a for a in case["tape"]]
    for a in frozen[:11]:
        a.setflags(write=False)
    assert_same(run(case)[0], run(case | {"tape": Tape(*frozen)})[0])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: {"decisions": c["decisions"]._replace(time=c["decisions"].time[::-1])}, "in order of time"),
        (lambda c: {"rules": ExecutionRules(False, 0.0, 1.0)}, "at most 1"),
        (lambda c: {"rules": ExecutionRules(False, 1.0, 1.1)}, "at most 1"),
        (lambda c: {"limits": c["limits"]._replace(cap=-1)}, "below 0"),
        (lambda c: {"limits": c["limits"]._replace(loss=float("nan"))}, "below 0"),
        (lambda c: {"decisions": c["decisions"]._replace(bid_size=c["decisions"].bid_size - 99)}, "sizes of quotes"),
    ],
)
def test_what_cannot_be_traded_is_an_error(change: Any, message: str) -> None:
    case = draw_case(1)
    with pytest.raises(DataError, match=message):
        run(case | change(case))


def test_bad_scenarios_are_errors() -> None:
    with pytest.raises(DataError, match="none below 0"):
        fix_latency(-1)
    with pytest.raises(DataError, match="as many times"):
        Latency(np.array([1, 2]), times=np.array([2, 1]))
    with pytest.raises(DataError, match="above 0"):
        replace(Scenario(fix_latency(0)), size_factor=0.0)
