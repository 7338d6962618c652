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
from ofiml._typing import Bool, Int64, UInt8
from ofiml.backtest.desk import Desk, end_order, report_order, send_order
from ofiml.backtest.ladder import clear_levels, copy_shown
from ofiml.backtest.matching import (
    change_level,
    forget_trades,
    meet_quotes,
    meet_trade,
    receive_requests,
    release_waiting,
    walk_closing,
)
from ofiml.backtest.orders import (
    CLOSE,
    ENDED,
    EXPIRED,
    LATE,
    MARKET,
    MARKET_SLOT,
    NEVER,
    SENT,
    SLOTS,
)
from ofiml.backtest.taken import forget_taken, is_passed
from ofiml.backtest.trader import NOT_LEAVING, decide, find_wake, learn_fates, set_bounds, watch_market
from ofiml.samples.tape import Tape
from ofiml.samples.tape_kernel import CLEAR, HIDE, LEVEL, TRADE
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
    scene, ladder, shown = desk.scene, desk.ladder, desk.scene.shown
    exchange, receipt, first, bid, ask = tape.exchange, tape.receipt, tape.first, tape.bid, tape.ask
    kind, side, price, size, tradable = tape.kind, tape.side, tape.price, tape.size, tape.tradable
    close, traders = scene.close, len(desk.traders)
    m = r = d = 0
    stop = plan.last_book + 1 if plan.last_book >= 0 else plan.messages
    while scene.full == 0:
        now = find_next_time(scene, plan.time, d)
        hit = False
        watching, low_bid, high_bid, low_ask, high_ask = (
            scene.watching != 0,
            scene.low_bid,
            scene.high_bid,
            scene.low_ask,
            scene.high_ask,
        )
        busy, took = scene.resting + scene.waiting > 0, scene.took != 0
        while m < stop and exchange[m] <= now:
            x = exchange[m]
            if watching:
                while receipt[r] < x:  # r < m, as no message is known before it happens
                    b, a = bid[r], ask[r]
                    r += 1
                    if b <= low_bid or b >= high_bid or a <= low_ask or a >= high_ask:
                        hit = True
                        break
                if hit:
                    break
            if busy:
                trades = m > 0 and tradable[m - 1] and tradable[m]
                for e in range(first[m], first[m + 1]):
                    p, k = price[e], 0 if side[e] > 0 else 1
                    if kind[e] == LEVEL:
                        old, new = ladder[k, p], size[e]
                        own = ladder[2 + k, p]
                        if own > 0:
                            change_level(
                                scene,
                                desk.traders,
                                desk.orders,
                                own,
                                1 - 2 * k,
                                p,
                                abs(old),
                                new,
                                tape.order_time[e],
                                x,
                            )
                        ladder[k, p] = new
                        shown[k] += (1 if new > 0 else 0) - (1 if old > 0 else 0)
                    elif kind[e] == TRADE:
                        if trades and (
                            (side[e] <= 0 and p <= scene.best_bid) or (side[e] >= 0 and p >= scene.best_ask)
                        ):
                            show_book(scene, bid, ask, tradable, m)
                            meet_trade(desk, side[e], p, size[e], x)
                    elif kind[e] == HIDE:
                        ladder[k, p] = -ladder[k, p]
                        shown[k] -= 1
                    else:
                        clear_levels(ladder, p, size[e])
                        shown[0] = shown[1] = 0
                if scene.took != 0 and is_passed(scene, bid[m], ask[m]):
                    forget_taken(desk, bid[m], ask[m])
                if tradable[m] and (0 <= ask[m] <= scene.best_bid or bid[m] >= scene.best_ask):
                    show_book(scene, bid, ask, tradable, m)
                    meet_quotes(desk, bid[m], ask[m], x)
                if scene.touched != 0:
                    forget_trades(scene, desk.traders, desk.orders, x)
                m += 1
                if scene.waiting > 0 and tradable[m - 1]:
                    show_book(scene, bid, ask, tradable, m)
                    release_waiting(desk, x)
                if scene.changed != 0:
                    scene.changed = 0
                    find_wakes(desk)
                    now = min(now, scene.wake)
                    busy, took = scene.resting + scene.waiting > 0, scene.took != 0
            else:
                for e in range(first[m], first[m + 1]):
                    if kind[e] == LEVEL:
                        p, k = price[e], 0 if side[e] > 0 else 1
                        shown[k] += (1 if size[e] > 0 else 0) - (1 if ladder[k, p] > 0 else 0)
                        ladder[k, p] = size[e]
                    elif kind[e] == HIDE:
                        p, k = price[e], 0 if side[e] > 0 else 1
                        ladder[k, p] = -ladder[k, p]
                        shown[k] -= 1
                    elif kind[e] == CLEAR:
                        clear_levels(ladder, price[e], size[e])
                        shown[0] = shown[1] = 0
                if took and is_passed(scene, bid[m], ask[m]):
                    forget_taken(desk, bid[m], ask[m])
                    took = scene.took != 0
                m += 1
        if not hit and m == stop and stop < plan.messages:
            keep_closing(desk, closing, bid[m - 1], ask[m - 1])
            stop = plan.messages
            continue
        while watching and not hit and r < m and receipt[r] <= now:
            b, a = bid[r], ask[r]
            r += 1
            hit = b <= low_bid or b >= high_bid or a <= low_ask or a >= high_ask
        while not watching and r < m and receipt[r] <= now:
            r += 1
        if hit:
            now = receipt[r - 1]
        show_book(scene, bid, ask, tradable, m)
        show_known(scene, bid, ask, r)
        scene.now = now
        if hit:
            look_at_market(desk, now)
            continue
        if scene.wake <= now and step_traders(desk, now):
            continue
        if scene.is_flat == 0 and now >= scene.flat_from:
            scene.is_flat = 1
            for s in range(traders):
                start_closing(desk, s, now)
            gather_bounds(desk)
            continue
        while d < len(plan.time) and plan.time[d] <= now:
            for s in range(traders):
                if plan.kind[d] == HOLD and now < desk.traders[s].until:
                    continue
                decide(
                    desk,
                    s,
                    plan.kind[d],
                    plan.target[d],
                    plan.until[d],
                    plan.bid[d],
                    plan.bid_size[d],
                    plan.ask[d],
                    plan.ask_size[d],
                    now,
                )
            d += 1
        if scene.changed != 0:
            scene.changed = 0
            find_wakes(desk)
        if scene.wake > now >= close:
            break
    if plan.last_book >= 0 and plan.last_book + 1 == plan.messages:
        keep_closing(desk, closing, bid[plan.last_book], ask[plan.last_book])
    for s in range(traders):
        close_session(desk, s, closing, close)
    return DONE if scene.full == 0 else FULL


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


def show_book(scene: Any, bid: Int64, ask: Int64, tradable: Bool, m: int) -> None:
    """Show the book as it stands at the exchange before message m, and twice the last mid of two sides."""
    scene.message = m
    scene.bid = scene.ask = -1
    scene.tradable = 0
    if m > 0:
        scene.bid, scene.ask = bid[m - 1], ask[m - 1]
        scene.tradable = 1 if tradable[m - 1] else 0
    for k in range(m - 1, scene.scanned - 1, -1):
        if bid[k] >= 0 and ask[k] >= 0:
            scene.mid2 = bid[k] + ask[k]
            break
    scene.scanned = m


def show_known(scene: Any, bid: Int64, ask: Int64, r: int) -> None:
    """Show the quotes of the last message that is known, before message r."""
    scene.received = r
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


def step_traders(desk: Desk, now: int) -> bool:
    """Let requests arrive and fates become known; return whether there were any."""
    stepped = False
    for s in range(len(desk.traders)):
        t = desk.traders[s]
        if t.wake <= now:
            receive_requests(desk, s, now)
            if learn_fates(desk, s, now):
                watch_market(desk, s, now)
            set_bounds(desk, s)
            stepped = True
            t.changed = 1
    if stepped:
        gather_bounds(desk)
    return stepped


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


# --- the close -------------------------------------------------------------------------------------------------------


def keep_closing(desk: Desk, closing: Int64, bid: int, ask: int) -> None:
    """Keep the levels shown now: the last two-sided book, at which positions are closed."""
    scene = desk.scene
    scene.closing[0] = copy_shown(desk.ladder, 0, bid, scene.shown[0], closing[0])
    scene.closing[1] = copy_shown(desk.ladder, 1, ask, scene.shown[1], closing[1])


def close_session(desk: Desk, s: int, closing: Int64, close: int) -> None:
    """End the trader's orders, and close its position at the last two-sided book."""
    scene, trader = desk.scene, desk.traders[s]
    for k in range(SLOTS):
        i = desk.traders[s].slots[k]
        if i < 0:
            continue
        if desk.orders[s, i].state != ENDED:
            end_order(desk, s, i, LATE if desk.orders[s, i].state == SENT else EXPIRED, close)
        report_order(desk, s, i)
    if trader.position == 0 or scene.closing[0] == 0 or scene.full != 0:
        return
    side = -1 if trader.position > 0 else 1
    scene.mid2 = scene.known_mid2 = closing[0, 0, 0] + closing[1, 0, 0]
    i = send_order(desk, s, MARKET_SLOT, side, MARKET, abs(trader.position), CLOSE, close)
    if i < 0:
        return
    o = desk.orders[s, i]
    o.arrived, o.mid2_arrived = close, scene.mid2
    k = 0 if side < 0 else 1
    walk_closing(desk, s, i, closing[k], scene.closing[k], close)
    end_order(desk, s, i, EXPIRED, close)
    report_order(desk, s, i)


run = compiled(run_py)
