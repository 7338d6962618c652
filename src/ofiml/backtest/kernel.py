"""The event loop: one pass over a tape for all traders.

Time is that of the world. A message happens at tape.exchange and is known at tape.receipt; a request sent at t happens
at t plus its latency; what happens to an order is known one response later. At each time come, in this order:

    1. the messages that happen up to it, each with the fills that it brings
    2. the messages that are known up to it, on which stops and limits look
    3. the requests that arrive, and what becomes known of own orders
    4. `flat_from`, and the decisions

An order that arrives at t therefore meets the book after all messages up to t, and a decision at t knows what was
received up to t. Between the times at which some trader has something to do, the loop only keeps the ladder. A trader
without stop, take-profit and loss limit has nothing to do when something of its orders becomes known: it learns of it
at its next decision. Decisions that repeat the one before are passed over while all traders are settled: their orders
are as wanted, or they wait for an answer.

`run_py` is the specification, `run` its njit.
"""

from typing import Any, NamedTuple

from ofiml._numba import compiled
from ofiml._typing import Int64, UInt8
from ofiml.backtest.closing import close_session, keep_closing
from ofiml.backtest.desk import Desk, find_wake
from ofiml.backtest.market import pass_busy, pass_known, pass_quiet, show_book
from ofiml.backtest.matching import receive_all
from ofiml.backtest.orders import BEFORE_ALL, CLOSE, NEVER, SLOTS
from ofiml.backtest.requests import decide
from ofiml.backtest.trader import NOT_LEAVING, learn_news, set_bounds, watch_market
from ofiml.samples.tape_kernel import Tape
from ofiml.strategy.decisions import HOLD, TARGET

#: `run` returns FULL if a table of orders or fills is too short.
DONE, FULL = 0, 1


class Plan(NamedTuple):
    """The decisions (D,) with prices as indexes, which may be off the ladder; the number of messages up to the close,
    and the last of them after which the book has two sides, -1 for none.
    """

    time: Int64
    kind: UInt8
    target: Int64
    until: Int64
    bid: Int64
    bid_size: Int64
    ask: Int64
    ask_size: Int64
    messages: int
    last_book: int


def run_py(tape: Tape, plan: Plan, desk: Desk, closing: Int64) -> int:
    """Trade a session; return DONE or FULL. The desk's tables then hold orders and fills.

    `closing` (2, n, 2) takes index and lots of the last two-sided book, each side's best level first.
    """
    return trade_session(tape, plan, desk, closing)  # a callee, as it counts no references


def trade_session(tape: Tape, plan: Plan, desk: Desk, closing: Int64) -> int:
    """Trade a session; see `run_py`."""
    scene = desk.scene
    scene.stop = plan.last_book + 1 if plan.last_book >= 0 else plan.messages
    d = 0
    while scene.full == 0:
        first = find_decision(scene, plan, d)
        now = find_time(scene, plan.time[first] if first < len(plan.time) else NEVER, first > d)
        busy = scene.resting + scene.waiting > 0
        hit = pass_busy(tape, desk, scene.stop, now) if busy else pass_quiet(tape, desk, scene.stop, now)
        if not hit and scene.message == scene.stop < plan.messages and scene.changed == 0:
            keep_closing(desk, closing, tape.bid[scene.stop - 1], tape.ask[scene.stop - 1])
            scene.stop, scene.changed = plan.messages, 1
        if scene.eager == 0 and scene.wake <= now and scene.changed == 0:
            show_book(scene, tape.bid, tape.ask, tape.tradable, scene.message)
            receive_all(desk, now)
        if scene.changed != 0:  # before `now`, there is something else to do
            scene.changed = 0
            continue
        hit = hit or pass_known(scene, tape.receipt, tape.bid, tape.ask, now)
        if hit:
            now = tape.receipt[scene.received - 1]
        show_known(scene, tape.bid, tape.ask)
        scene.now = now
        d = pass_settled(desk, plan, d, first, now)
        if hit:
            look_at_market(desk, now)
        elif scene.wake <= now:
            show_book(scene, tape.bid, tape.ask, tape.tradable, scene.message)
            step_traders(desk, now)
        elif scene.is_flat == 0 and now >= scene.flat_from:
            start_closing_all(desk, now)
        else:
            while d < len(plan.time) and plan.time[d] <= now:
                act_on(desk, plan, d, now)
                d += 1
            if scene.wake > now >= scene.close:
                break
    if plan.last_book >= 0 and plan.last_book + 1 == plan.messages:
        keep_closing(desk, closing, tape.bid[plan.last_book], tape.ask[plan.last_book])
    for s in range(len(desk.traders)):
        close_session(desk, s, closing, scene.close)
    return DONE if scene.full == 0 else FULL


def act_on(desk: Desk, plan: Plan, d: int, now: int) -> None:
    """Let all traders act on a decision."""
    kind, target, until = plan.kind[d], plan.target[d], plan.until[d]
    bid, bid_size, ask, ask_size = plan.bid[d], plan.bid_size[d], plan.ask[d], plan.ask_size[d]
    # `pass_repeats` has seen that those before `repeated` are repeats, and that this one is none.
    repeated = desk.scene.repeated
    repeats, settled_until = d < repeated or (d > repeated and is_repeat(plan, d)), NEVER
    for s in range(len(desk.traders)):
        trader = desk.traders[s]
        if trader.news <= now:
            learn_news(desk, s, now)
        if repeats and now < trader.settled_until:
            if kind == TARGET:
                trader.until = until
        elif kind != HOLD or now >= trader.until:
            decide(desk, s, kind, target, until, bid, bid_size, ask, ask_size, now)
        settled_until = min(settled_until, trader.settled_until)
    desk.scene.settled_until = settled_until


# --- decisions that repeat the one before ----------------------------------------------------------------------------


def is_repeat(plan: Plan, d: int) -> bool:
    """Return whether a decision wants what the one before wanted."""
    kind = plan.kind[d]
    if d == 0 or kind == HOLD or kind != plan.kind[d - 1]:
        return False
    if kind == TARGET:
        return plan.target[d] == plan.target[d - 1]
    return (
        plan.bid[d] == plan.bid[d - 1]
        and plan.ask[d] == plan.ask[d - 1]
        and plan.bid_size[d] == plan.bid_size[d - 1]
        and plan.ask_size[d] == plan.ask_size[d - 1]
    )


def pass_repeats(plan: Plan, d: int) -> int:
    """Return the first decision from `d` on that does not repeat the one before."""
    while d < len(plan.time) and is_repeat(plan, d):
        d += 1
    return d


def pass_settled(desk: Desk, plan: Plan, d: int, stop: int, now: int) -> int:
    """Pass the decisions before `now`, up to `stop`, for which all traders were settled; return the next one."""
    first = d
    while d < stop and plan.time[d] < now:
        d += 1
    if d > first and plan.kind[d - 1] == TARGET:
        for s in range(len(desk.traders)):
            desk.traders[s].until = plan.until[d - 1]
    return d


# --- time ------------------------------------------------------------------------------------------------------------


def find_decision(scene: Any, plan: Plan, d: int) -> int:
    """Find the next decision from `d` on that has to be acted on if all traders stay settled."""
    if d == len(plan.time) or plan.time[d] >= scene.settled_until:
        return d
    if scene.repeated < d:
        scene.repeated = pass_repeats(plan, d)
    return scene.repeated


def find_time(scene: Any, decision: int, passes: bool) -> int:
    """Find the next time at which some trader has something to do, at most the close; `decision` is that of the next
    decision, and `passes` whether others before it are passed over while all traders are settled.

    Sets `scene.goal`: until then, the loop has to know of what happens to own orders.
    """
    time = min(decision, scene.close)
    if scene.is_flat == 0:
        time = min(time, scene.flat_from)
    if passes:
        time = min(time, scene.settled_until)
    if scene.eager != 0 or scene.resting + scene.waiting == 0:
        time = min(time, scene.wake)
    scene.goal = time if passes or scene.eager != 0 else BEFORE_ALL
    return time


# --- what is seen of the market --------------------------------------------------------------------------------------


def show_known(scene: Any, bid: Int64, ask: Int64) -> None:
    """Show the quotes of the last message that is known."""
    r = scene.received
    scene.known_bid = scene.known_ask = -1
    if r > 0:
        scene.known_bid, scene.known_ask = bid[r - 1], ask[r - 1]
    for k in range(r - 1, scene.known_scanned - 1, -1):
        if bid[k] >= 0 and ask[k] >= 0:
            scene.known_mid2 = bid[k] + ask[k]
            break
    scene.known_scanned = r


def look_at_market(desk: Desk, now: int) -> None:
    """Let those traders look at the known quotes whose bounds they pass."""
    scene = desk.scene
    b, a = scene.known_bid, scene.known_ask
    for s in range(len(desk.traders)):
        t = desk.traders[s]
        if b <= t.low_bid or b >= t.high_bid or a <= t.low_ask or a >= t.high_ask:
            watch_market(desk, s, now)
            set_bounds(desk, s)
    gather_bounds(desk)


def gather_bounds(desk: Desk) -> None:
    """Gather the bounds of all traders, outside of which some trader looks at quotes."""
    scene = desk.scene
    scene.low_bid = scene.low_ask = -2
    scene.high_bid = scene.high_ask = NEVER
    for s in range(len(desk.traders)):
        t = desk.traders[s]
        scene.low_bid, scene.low_ask = max(scene.low_bid, t.low_bid), max(scene.low_ask, t.low_ask)
        scene.high_bid, scene.high_ask = min(scene.high_bid, t.high_bid), min(scene.high_ask, t.high_ask)
    low, high = max(scene.low_bid, scene.low_ask), min(scene.high_bid, scene.high_ask)
    scene.watching = 1 if low > -2 or high < NEVER else 0


# --- traders ---------------------------------------------------------------------------------------------------------


def step_traders(desk: Desk, now: int) -> None:
    """Let requests arrive, and eager traders learn what is known; find when there is more of it."""
    receive_all(desk, now)
    wake, watching = NEVER, False
    for s in range(len(desk.traders)):
        trader = desk.traders[s]
        if trader.wake <= now:
            learn_news(desk, s, now)
            watch_market(desk, s, now)
            watching = set_bounds(desk, s) or watching
            trader.wake = find_wake(trader)
        wake = min(wake, trader.wake)
    desk.scene.wake = wake
    if watching:
        gather_bounds(desk)


def start_closing_all(desk: Desk, now: int) -> None:
    """From now on all traders only close."""
    desk.scene.is_flat = 1
    for s in range(len(desk.traders)):
        start_closing(desk, s, now)
    gather_bounds(desk)


def start_closing(desk: Desk, s: int, now: int) -> None:
    """From now on the trader only closes, which it does as soon as it can."""
    trader = desk.traders[s]
    if trader.news <= now:
        learn_news(desk, s, now)
    trader.closing = trader.eager = desk.scene.eager = 1
    trader.settled_until = desk.scene.settled_until = BEFORE_ALL
    outstanding = False
    for k in range(SLOTS):
        outstanding = outstanding or desk.traders[s].slots[k] >= 0
    if trader.leave == NOT_LEAVING and outstanding:
        trader.leave = CLOSE
    watch_market(desk, s, now)
    set_bounds(desk, s)
    trader.wake = find_wake(trader)
    desk.scene.wake = min(desk.scene.wake, trader.wake)


run = compiled(run_py)
