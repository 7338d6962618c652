"""The event loop: one pass over a tape for all traders.

Time is that of the world. A message happens at tape.exchange and is known at tape.receipt; a request sent at t happens
at t plus its latency; what happens to an order is known one response later. At each time come, in this order:

    1. the messages that happen up to it, each with the fills that it brings
    2. the messages that are known up to it, on which stops and limits look
    3. the requests that arrive, and what becomes known of own orders
    4. `flat_from`, and the decisions

An order that arrives at t therefore meets the book after all messages up to t, and a decision at t knows what was
received up to t. Between the times at which some trader has something to do, the loop only keeps the ladder.

`run_py` is the specification, `run` its njit.
"""

from typing import Any, NamedTuple

from ofiml._numba import compiled
from ofiml._typing import Int64, UInt8
from ofiml.backtest.closing import close_session, keep_closing
from ofiml.backtest.desk import Desk
from ofiml.backtest.market import pass_busy, pass_known, pass_quiet, show_book
from ofiml.backtest.matching import receive_requests
from ofiml.backtest.orders import CLOSE, NEVER, SLOTS
from ofiml.backtest.requests import decide
from ofiml.backtest.trader import NOT_LEAVING, find_wake, learn_fates, set_bounds, watch_market
from ofiml.samples.tape import Tape
from ofiml.strategy.decisions import HOLD

#: `run` returns FULL if a table of orders or fills is too short.
DONE, FULL = 0, 1


class Plan(NamedTuple):
    """The decisions (D,) with prices as indexes, -1 off the ladder; the number of messages up to the close, and the
    last of them after which the book has two sides, -1 for none.
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
    d = 0
    stop = plan.last_book + 1 if plan.last_book >= 0 else plan.messages
    while scene.full == 0:
        now = find_next_time(scene, plan.time, d)
        if scene.resting + scene.waiting > 0:
            hit = pass_busy(tape, desk, stop, now)
        else:
            hit = pass_quiet(tape, desk, stop, now)
        if scene.changed != 0:
            scene.changed = 0
            find_wakes(desk)
            continue
        m = scene.message
        if not hit and m == stop and stop < plan.messages:
            keep_closing(desk, closing, tape.bid[m - 1], tape.ask[m - 1])
            stop = plan.messages
            continue
        if not hit:
            hit = pass_known(scene, tape.receipt, tape.bid, tape.ask, now)
        if hit:
            now = tape.receipt[scene.received - 1]
        show_known(scene, tape.bid, tape.ask)
        scene.now = now
        if hit:
            look_at_market(desk, now)
            continue
        if scene.wake <= now:
            show_book(scene, tape.bid, tape.ask, tape.tradable, m)
            step_traders(desk, now)
            continue
        if scene.is_flat == 0 and now >= scene.flat_from:
            scene.is_flat = 1
            for s in range(len(desk.traders)):
                start_closing(desk, s, now)
            gather_bounds(desk)
            continue
        while d < len(plan.time) and plan.time[d] <= now:
            act_on(desk, plan, d, now)
            d += 1
        if scene.changed != 0:
            scene.changed = 0
            find_wakes(desk)
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
    for s in range(len(desk.traders)):
        if kind != HOLD or now >= desk.traders[s].until:
            decide(desk, s, kind, target, until, bid, bid_size, ask, ask_size, now)


# --- time ------------------------------------------------------------------------------------------------------------


def find_next_time(scene: Any, decisions: Int64, d: int) -> int:
    """Find the next time at which some trader has something to do, at most the close."""
    time = min(scene.close, scene.wake)
    if d < len(decisions):
        time = min(time, decisions[d])
    if scene.is_flat == 0:
        time = min(time, scene.flat_from)
    return time


def find_wakes(desk: Desk) -> None:
    """Find when each trader has something to do but for decisions and quotes, and the first of these times."""
    first = NEVER
    for s in range(len(desk.traders)):
        trader = desk.traders[s]
        if trader.changed != 0:
            trader.changed = 0
            trader.wake = find_wake(desk, s)
        first = min(first, trader.wake)
    desk.scene.wake = first


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
    """Gather the bounds of all traders, outside of which some trader looks at quotes, and when they have to act."""
    scene = desk.scene
    scene.low_bid = scene.low_ask = -2
    scene.high_bid = scene.high_ask = NEVER
    for s in range(len(desk.traders)):
        t = desk.traders[s]
        scene.low_bid, scene.low_ask = max(scene.low_bid, t.low_bid), max(scene.low_ask, t.low_ask)
        scene.high_bid, scene.high_ask = min(scene.high_bid, t.high_bid), min(scene.high_ask, t.high_ask)
    low, high = max(scene.low_bid, scene.low_ask), min(scene.high_bid, scene.high_ask)
    scene.watching = 1 if low > -2 or high < NEVER else 0
    scene.changed = 0
    find_wakes(desk)


# --- traders ---------------------------------------------------------------------------------------------------------


def step_traders(desk: Desk, now: int) -> None:
    """Let requests arrive and fates become known."""
    watching = False
    for s in range(len(desk.traders)):
        t = desk.traders[s]
        if t.wake <= now:
            receive_requests(desk, s, now)
            if learn_fates(desk, s, now):
                watch_market(desk, s, now)
            watching = set_bounds(desk, s) or watching
            t.changed = 1
    if watching:
        gather_bounds(desk)
    desk.scene.changed = 0
    find_wakes(desk)


def start_closing(desk: Desk, s: int, now: int) -> None:
    """From now on the trader only closes."""
    trader = desk.traders[s]
    trader.closing = 1
    outstanding = False
    for k in range(SLOTS):
        outstanding = outstanding or desk.traders[s].slots[k] >= 0
    if trader.leave == NOT_LEAVING and outstanding:
        trader.leave = CLOSE
    watch_market(desk, s, now)
    set_bounds(desk, s)


run = compiled(run_py)
