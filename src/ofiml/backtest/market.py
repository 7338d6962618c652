"""The messages of the tape, as the loop passes them: they change the ladder, and fill orders that rest.

While no order rests or waits, only the ladder is kept: `pass_quiet`. Both ways pass the messages that happen up to a
time, and end early after a message is known whose quotes are outside of the bounds of some trader. Then they return
True. `scene.message` and `scene.received` are the first messages that have not happened and are not known.
"""

from typing import Any

from ofiml._numba import keep_apart
from ofiml._typing import Bool, Int64
from ofiml.backtest.desk import Desk
from ofiml.backtest.ladder import clear_levels
from ofiml.backtest.matching import (
    change_level,
    forget_trades,
    meet_quotes,
    meet_trade,
    receive_all,
    release_waiting,
)
from ofiml.backtest.taken import forget_taken, is_passed
from ofiml.samples.tape_kernel import CLEAR, HIDE, LEVEL, TRADE, Tape


def pass_known(scene: Any, receipt: Int64, bid: Int64, ask: Int64, now: int) -> bool:
    """Pass the messages that are known up to `now`, of those that happened."""
    r, m = scene.received, scene.message
    if scene.watching == 0:
        while r < m and receipt[r] <= now:
            r += 1
        scene.received = r
        return False
    low_bid, high_bid, low_ask, high_ask = scene.low_bid, scene.high_bid, scene.low_ask, scene.high_ask
    hit = False
    while not hit and r < m and receipt[r] <= now:
        hit = bid[r] <= low_bid or bid[r] >= high_bid or ask[r] <= low_ask or ask[r] >= high_ask
        r += 1
    scene.received = r
    return hit


@keep_apart
def pass_quiet(tape: Tape, desk: Desk, stop: int, now: int) -> bool:
    """Pass the messages before `stop` that happen up to `now`, while no order rests or waits."""
    scene, ladder, shown = desk.scene, desk.ladder, desk.scene.shown
    exchange, first, bid, ask = tape.exchange, tape.first, tape.bid, tape.ask
    kind, side, price, size = tape.kind, tape.side, tape.price, tape.size
    watching, took = scene.watching != 0, scene.took != 0
    m = scene.message
    hit = False
    while m < stop and exchange[m] <= now:
        if watching:  # what was known before the message happens; it is itself not known before
            scene.message = m
            if pass_known(scene, tape.receipt, bid, ask, exchange[m] - 1):
                hit = True
                break
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
    scene.message = m
    return hit


@keep_apart
def pass_busy(tape: Tape, desk: Desk, stop: int, now: int) -> bool:
    """Pass the messages before `stop` that happen up to `now`, and fill the orders that rest or wait.

    So do requests of traders that act on no news. Ends early, too, with `scene.changed`, if some trader has something
    to do before `now`, or no order rests or waits any more.
    """
    scene, ladder, shown = desk.scene, desk.ladder, desk.scene.shown
    exchange, first, bid, ask, tradable = tape.exchange, tape.first, tape.bid, tape.ask, tape.tradable
    kind, side, price, size = tape.kind, tape.side, tape.price, tape.size
    watching, lazy = scene.watching != 0, scene.eager == 0
    m = scene.message
    hit = False
    while m < stop and exchange[m] <= now:
        x = exchange[m]
        if lazy and scene.wake < x:
            show_book(scene, bid, ask, tradable, m)
            receive_all(desk, x - 1)
            if scene.resting + scene.waiting == 0:
                scene.changed = 1
            if scene.changed != 0:
                break
        if watching:
            scene.message = m
            if pass_known(scene, tape.receipt, bid, ask, x - 1):
                hit = True
                break
        trades = m > 0 and tradable[m - 1] and tradable[m]
        for e in range(first[m], first[m + 1]):
            p, k = price[e], 0 if side[e] > 0 else 1
            if kind[e] == LEVEL:
                old, new = ladder[k, p], size[e]
                if ladder[2 + k, p] > 0:
                    change_level(desk, ladder[2 + k, p], abs(old), new, tape.order_time[e], x)
                ladder[k, p] = new
                shown[k] += (1 if new > 0 else 0) - (1 if old > 0 else 0)
            elif kind[e] == TRADE:
                if trades and ((side[e] <= 0 and p <= scene.best_bid) or (side[e] >= 0 and p >= scene.best_ask)):
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
            forget_trades(desk, x)
        m += 1
        if scene.waiting > 0 and tradable[m - 1]:
            show_book(scene, bid, ask, tradable, m)
            release_waiting(desk, x)
        if scene.changed != 0:
            break
    scene.message = m
    return hit


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
