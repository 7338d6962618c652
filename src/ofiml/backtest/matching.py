"""How orders meet the recorded book.

A marketable order walks the shown levels from the best one on and takes at most `share_of_shown` of each. What is left
is cancelled, or rests at the worst price reached. A post-only order is rejected if it would cross; else it rests behind
what is shown at its price, and is filled

    by trades      at its price, by what they leave of the queue ahead; beyond it, by the whole trade (see `queue`)
    by quotes      if the opposite best quote is at its price or beyond at a message's end: by the lots shown there

up to `share_of_traded` of each trade and `share_of_shown` of what is shown. Own orders of one trader share these lots
by price, then by arrival. What they took is not there again while the level may still show it (see `taken`).

Nothing is filled by messages before or after which the market is not tradable. Orders that arrive then wait.
"""

from ofiml._numba import keep_apart
from ofiml.backtest.desk import Desk, add_fill, end_order, find_wake, is_alive, rest_order
from ofiml.backtest.orders import (
    CANCELLED,
    EXACT,
    NEVER,
    REJECTED,
    REQUESTS_ON_WAY,
    SENT,
    SLOTS,
    TOUCH,
    WAITING,
)
from ofiml.backtest.queue import count_lots, pass_cancels
from ofiml.backtest.taken import find_free, take_lots


def receive_all(desk: Desk, until: int) -> None:
    """Let the requests of all traders arrive that arrive up to `until`, and find when each has something to do next."""
    wake = NEVER
    for s in range(len(desk.traders)):
        trader = desk.traders[s]
        if trader.wake <= until:
            receive_requests(desk, s, until)
            trader.wake = find_wake(trader)
        wake = min(wake, trader.wake)
    desk.scene.wake = wake


def receive_requests(desk: Desk, s: int, until: int) -> None:
    """Let the trader's requests arrive that arrive up to `until`, in the order of sending.

    A replaced order is cancelled before its replacement comes. A cancelled one may have ended, and another may have its
    row.
    """
    trader = desk.traders[s]
    while trader.received < trader.requests:
        number = trader.received
        j = number & (REQUESTS_ON_WAY - 1)
        at, old, new = trader.arrivals[j], trader.cancels[j], trader.places[j]
        if at > until:
            return
        trader.received = number + 1
        if old >= 0 and desk.orders[old].cancel_request == number and is_alive(desk.orders[old]):
            end_order(desk, s, old, CANCELLED, at)
        if new >= 0:
            receive_order(desk, s, new, at)


def receive_order(desk: Desk, s: int, i: int, at: int) -> None:
    """Let an order arrive: it meets the book, or waits until the market is tradable."""
    scene, o = desk.scene, desk.orders[i]
    o.arrived, o.mid2_arrived = at, scene.mid2
    if o.replaces >= 0:
        old = desk.orders[o.replaces]
        o.lots = max(0, o.asked - (old.filled - o.base_filled))
        if o.lots == 0:
            o.lots = o.asked  # nothing of it is placed: what it asked for was filled before
            end_order(desk, s, i, CANCELLED, at)
            return
    if scene.tradable == 0:
        o.state = WAITING
        scene.waiting += 1
        return
    meet_book(desk, s, i, at)


def release_waiting(desk: Desk, at: int) -> None:
    """Let all waiting orders meet the book, in order of their arrival."""
    for s in range(len(desk.traders)):
        while True:
            row = -1
            for k in range(SLOTS):
                i = desk.traders[s].slots[k]
                waits = i >= 0 and desk.orders[i].state == WAITING
                if waits and (row < 0 or desk.orders[i].request < desk.orders[row].request):
                    row = i
            if row < 0:
                break
            desk.orders[row].state = SENT
            desk.scene.waiting -= 1
            meet_book(desk, s, row, at)


def meet_book(desk: Desk, s: int, i: int, at: int) -> None:
    """Let an order meet the book as it stands."""
    scene, o = desk.scene, desk.orders[i]
    opposite = scene.ask if o.side > 0 else scene.bid
    if o.price < 0:
        if not walk_levels(desk, s, i, at):
            end_order(desk, s, i, CANCELLED, at)
            return
    elif opposite >= 0 and (o.price - opposite) * o.side >= 0:
        end_order(desk, s, i, REJECTED, at)
        return
    rest_order(desk, s, i)


@keep_apart  # few of many orders walk: without it, the others meet the book within their arrival
def walk_levels(desk: Desk, s: int, i: int, at: int) -> bool:
    """Fill a marketable order from the shown levels of the opposite side; return whether what is left rests, at the
    worst price reached.
    """
    scene, o, ladder = desk.scene, desk.orders[i], desk.ladder
    k = 1 if o.side > 0 else 0
    touch = scene.ask if o.side > 0 else scene.bid
    left = scene.shown[k]
    p, worst = touch, -1
    while 0 <= p < scene.span and left > 0 and o.filled < o.lots and scene.full == 0:
        if ladder[k, p] > 0:
            left -= 1
            lots = min(o.lots - o.filled, find_free(desk, s, k, p))
            if lots > 0:
                add_fill(desk, s, i, p, lots, 0, touch, 0, at)
                take_lots(desk, s, k, p, lots)
                worst = p
        p += o.side
    if o.filled == o.lots or worst < 0 or scene.rest == 0 or not _may_rest(o.reason):
        return False
    o.price = worst
    return True


def _may_rest(reason: int) -> bool:
    """Return whether what is left of a marketable order may rest: not of one that must get out."""
    return reason == 0 or reason == 1  # SIGNAL, EXPIRY


# --- resting orders --------------------------------------------------------------------------------------------------


def change_level(desk: Desk, first: int, before: int, after: int, order_time: int, at: int) -> None:
    """Move up the orders that rest at a level as its size goes from `before` to `after`; `first` is the ladder's.

    Orders of several traders often have the same place in the queue, and then move as the one before. None moves if the
    level grows, but for one that was cleared: there, more may have been ahead than it shows.
    """
    scene, moves, row = desk.scene, after < before or before == 0, first
    queue, power, ahead, traded, moved_ahead, moved_traded = -1, 0.0, 0.0, 0, 0.0, 0
    while row > 0:
        o = desk.orders[row - 1]
        if moves:
            trader = desk.traders[o.trader]
            if o.ahead == ahead and o.traded == traded and trader.queue == queue != EXACT and trader.power == power:
                o.ahead, o.traded = moved_ahead, moved_traded
            else:
                queue, power, ahead, traded = trader.queue, trader.power, o.ahead, o.traded
                pass_cancels(queue, power, o, before, after, order_time, at)
                moved_ahead, moved_traded = o.ahead, o.traded
        if o.traded > 0 and o.touched == 0:
            o.touched = scene.touched if scene.touched > 0 else row  # the first one has itself
            scene.touched = row
        row = o.next


def forget_trades(desk: Desk, at: int) -> None:
    """Forget trades whose change of the level has come, at the end of its message, but not those of the same time."""
    row, following = 0, desk.scene.touched
    desk.scene.touched = 0
    while following != row:
        row = following
        o = desk.orders[row - 1]
        following, o.touched = o.touched, 0
        if at > o.traded_at:
            o.traded = 0


def meet_trade(desk: Desk, side: int, price: int, size: int, at: int) -> None:
    """Fill resting orders from a trade; `side` is its aggressor's, 0 if unknown."""
    if side <= 0:
        fill_all(desk, 1, price, size, False, at)
    if side >= 0:
        fill_all(desk, -1, price, size, False, at)


def meet_quotes(desk: Desk, bid: int, ask: int, at: int) -> None:
    """Fill resting orders from opposite best quotes at or beyond their prices, at the end of a message."""
    if ask >= 0:
        fill_all(desk, 1, ask, 0, True, at)
    if bid >= 0:
        fill_all(desk, -1, bid, 0, True, at)


def fill_all(desk: Desk, side: int, price: int, size: int, quotes: bool, at: int) -> None:
    """Fill the resting orders of a side of all traders from a trade of `size` at `price`, or from opposite quotes from
    `price` on; the best price first, then the first that arrived.
    """
    scene, k = desk.scene, 0 if side > 0 else 1
    scene.meetings += 1
    p = scene.best_bid if side > 0 else scene.best_ask
    while (p - price) * side >= 0 and desk.ladder[2 + k, p] == 0:
        p -= side
    if side > 0:
        scene.best_bid = p
    else:
        scene.best_ask = p
    while (p - price) * side >= 0:
        following = desk.ladder[2 + k, p]
        while following > 0:
            i = following - 1
            following = desk.orders[i].next
            fill_order(desk, i, price, size, quotes, at)
        p -= side


def fill_order(desk: Desk, i: int, price: int, size: int, quotes: bool, at: int) -> None:
    """Fill a resting order; see `fill_all`."""
    scene, o, s = desk.scene, desk.orders[i], desk.orders[i].trader
    trader, rest = desk.traders[s], o.lots - o.filled
    if not quotes:
        if trader.met != scene.meetings:
            trader.met, trader.used = scene.meetings, 0
        lots = count_lots(trader.queue, o, size, trader.used, scene.share_of_traded, o.price != price, at)
        trader.used += lots
    elif trader.queue == TOUCH:
        lots = rest
    else:
        lots = take_up_to(desk, s, o.side, price, o.price, rest)
    if lots > 0:
        add_fill(desk, s, i, o.price, lots, 1, o.price, 0, at)
        if o.filled == o.lots:
            end_order(desk, s, i, CANCELLED, at)


def take_up_to(desk: Desk, s: int, side: int, touch: int, limit: int, lots: int) -> int:
    """Take at most `lots` that the opposite side of an order shows from its best price `touch` to `limit`."""
    k = 1 if side > 0 else 0
    got, p = 0, touch
    while got < lots and (limit - p) * side >= 0:
        free = min(lots - got, find_free(desk, s, k, p))
        if free > 0:
            take_lots(desk, s, k, p, free)
            got += free
        p += side
    return got
