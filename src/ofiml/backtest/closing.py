"""The session's close: open orders end, and positions are closed at the last two-sided book."""

from ofiml._typing import Int64
from ofiml.backtest.desk import Desk, add_fill, end_order, report_order, send_order
from ofiml.backtest.ladder import copy_shown, find_part
from ofiml.backtest.orders import CLOSE, ENDED, EXPIRED, LATE, MARKET, MARKET_SLOT, SENT, SLOTS


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
        if desk.orders[i].state != ENDED:
            end_order(desk, s, i, LATE if desk.orders[i].state == SENT else EXPIRED, close)
        report_order(desk, s, i)
    if trader.position == 0 or scene.closing[0] == 0 or scene.full != 0:
        return
    side = -1 if trader.position > 0 else 1
    scene.mid2 = scene.known_mid2 = closing[0, 0, 0] + closing[1, 0, 0]
    i = send_order(desk, s, MARKET_SLOT, side, MARKET, abs(trader.position), CLOSE, -1, close)
    if i < 0:
        return
    o = desk.orders[i]
    o.arrived, o.mid2_arrived = close, scene.mid2
    k = 0 if side < 0 else 1
    walk_closing(desk, s, i, closing[k], scene.closing[k], close)
    end_order(desk, s, i, EXPIRED, close)
    report_order(desk, s, i)


def walk_closing(desk: Desk, s: int, i: int, closing: Int64, count: int, at: int) -> None:
    """Fill an order whole from the last two-sided book; lots beyond the shown ones at the last level."""
    scene, o = desk.scene, desk.orders[i]
    for n in range(count):
        rest = o.lots - o.filled
        shown = find_part(closing[n, 1], scene.share_of_shown)
        lots = rest if n == count - 1 else min(rest, shown)
        if lots > 0 and scene.full == 0:
            add_fill(desk, s, i, closing[n, 0], lots, 0, closing[0, 0], max(0, lots - shown), at)
