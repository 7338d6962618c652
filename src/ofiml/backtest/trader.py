"""What a trader knows, and the requests that follow from it.

A trader knows the market by receipt, and its own fills and ends of orders one `response` after they happen. It acts

    at a decision      TARGET: it orders what is wanted beyond its position, unless an order of its own is outstanding.
                       QUOTE: it places, keeps, replaces or cancels its bid and its ask, one request a side at a time.
                       HOLD: it closes a position whose time is over (`until`), as it does at any decision without a
                       new target.
    at every message   that it receives: on its stop, its take-profit and its loss limit. The first two compare the
                       closing side's best quote with the average entry price. The loss is the profit of all known
                       fills, marked at that quote, less fees.
    at `flat_from`     it closes its position, and trades no more.
    at the close       it asks for nothing, as no request would arrive in time.

To leave the market it cancels what rests and sends a marketable order, and another if that was not filled, until its
position is 0. No request makes the position with all that is outstanding exceed the cap.
"""

import math
from typing import Any

from ofiml.backtest.desk import (
    Desk,
    cancel_order,
    compute_fee,
    count_outstanding,
    is_arrival_known,
    price_in_ticks,
    report_order,
    send_order,
    value_lot,
)
from ofiml.backtest.orders import (
    ASK_SLOT,
    BEFORE_ALL,
    BID_SLOT,
    CLOSE,
    ENDED,
    LOSS_LIMIT,
    MARKET,
    MARKET_SLOT,
    NEVER,
    NEW_BID_SLOT,
    SLOTS,
    STOP,
    TAKE_PROFIT,
)

#: `leave` of a trader that may trade.
NOT_LEAVING = -1


# --- knowledge -------------------------------------------------------------------------------------------------------


def learn_news(desk: Desk, s: int, now: int) -> None:
    """Let the trader learn what is known at `now` of its fills and orders."""
    trader, slots = desk.traders[s], desk.traders[s].slots
    while trader.learnt < trader.fills and desk.fills[trader.first_row + trader.learnt].known <= now:
        f = desk.fills[trader.first_row + trader.learnt]
        trader.learnt += 1
        book_fill(desk.scene, trader, f.lots, f.price, f.maker != 0)
        for k in range(SLOTS):
            i = slots[k]
            if i >= 0 and desk.orders[i].number == f.order:
                desk.orders[i].known_filled += abs(f.lots)
    trader.news = NEVER
    if trader.learnt < trader.fills:
        trader.news = desk.fills[trader.first_row + trader.learnt].known
    for k in range(SLOTS):
        i = slots[k]
        if i >= 0 and desk.orders[i].state == ENDED:
            if desk.orders[i].known_end <= now:
                report_order(desk, s, i)
                slots[k] = -1
            else:
                trader.news = min(trader.news, desk.orders[i].known_end)
    for k in range(BID_SLOT, ASK_SLOT + 1):
        if slots[k] < 0 and slots[k + NEW_BID_SLOT] >= 0:
            slots[k], slots[k + NEW_BID_SLOT] = slots[k + NEW_BID_SLOT], -1


def book_fill(scene: Any, trader: Any, lots: int, index: int, maker: bool) -> None:
    """Book a known fill: position, average entry price, cash and fees."""
    before = trader.known
    after = before + lots
    if before * lots >= 0:
        trader.entry = (trader.entry * abs(before) + float(index) * abs(lots)) / abs(after)
    elif before * after <= 0:  # closed, or turned around
        trader.entry = float(index)
    trader.known = after
    trader.cash -= lots * value_lot(scene, price_in_ticks(scene, index))
    trader.costs += compute_fee(scene, abs(lots), index, maker)


def mark_profit(scene: Any, trader: Any, index: int) -> float:
    """Mark the profit of all known fills, less fees, with the position closed at an index."""
    value = 0.0
    if trader.known != 0:
        value = trader.known * value_lot(scene, price_in_ticks(scene, index))
    return trader.cash + value - trader.costs


def set_bounds(desk: Desk, s: int) -> bool:
    """Set the quotes from which on the trader must look: stop, take-profit, loss limit, or any quote to leave at.

    The bound of the loss limit is one tick early; `watch_market` decides. Returns whether the trader looks at any, or
    did before.
    """
    trader = desk.traders[s]
    before = is_watching(trader)
    find_bounds(desk.scene, trader)
    return before or is_watching(trader)


def is_watching(trader: Any) -> bool:
    """Return whether there are quotes that make the trader act."""
    return max(trader.low_bid, trader.low_ask) > -2 or min(trader.high_bid, trader.high_ask) < NEVER


def find_bounds(scene: Any, trader: Any) -> None:
    """Find the bounds of the trader; see `set_bounds`."""
    trader.low_bid = trader.low_ask = -2
    trader.high_bid = trader.high_ask = NEVER
    if trader.known == 0:
        return
    leaving = trader.leave != NOT_LEAVING
    if leaving and trader.slots[MARKET_SLOT] < 0:
        if trader.known > 0:
            trader.high_bid = 0
        else:
            trader.high_ask = 0
        return
    sign = 1 if trader.known > 0 else -1
    worse, better = -math.inf, math.inf  # of the closing price times sign
    if not leaving:
        if scene.stop_ticks > 0:
            worse = trader.entry * sign - scene.stop_ticks
        if scene.take_ticks > 0:
            better = trader.entry * sign + scene.take_ticks
    if trader.stopped == 0 and trader.loss < math.inf:
        worse = max(worse, find_loss_price(scene, trader) * sign)
    if sign > 0:
        trader.low_bid, trader.high_bid = clip_index(worse, -2, scene.span), clip_index(better, 0, NEVER)
    else:
        trader.high_ask, trader.low_ask = clip_index(-worse, 0, NEVER), clip_index(-better, -2, scene.span)


def clip_index(value: float, low: int, high: int) -> int:
    """Return a price as an index within bounds; its fraction is dropped towards `low`, whose side is 0 or below, or
    away from it.
    """
    if value >= 4e18:
        return high
    if value <= low:
        return low
    index = math.floor(value + 1e-9) if low < 0 else math.ceil(value - 1e-9)
    return int(min(max(index, low), high))


def find_loss_price(scene: Any, trader: Any) -> float:
    """Find the closing index at which the loss limit is reached, one tick early; infinite if at none or at all."""
    sign = 1.0 if trader.known > 0 else -1.0
    value = (trader.costs - trader.cash - trader.loss) / trader.known  # of a lot at that price
    if scene.contract == 0:
        return value / scene.factor - scene.base_ticks + sign
    if value >= 0:  # no price of an inverse contract has such a value: all are below it
        return math.inf
    return -scene.factor / value - scene.base_ticks + sign


def watch_market(desk: Desk, s: int, now: int) -> None:
    """Check stop, take-profit and loss limit at the known quotes, and go on leaving."""
    scene, trader = desk.scene, desk.traders[s]
    quote = scene.known_bid if trader.known > 0 else scene.known_ask
    marked = trader.known == 0 or quote >= 0
    if trader.stopped == 0 and marked and mark_profit(scene, trader, quote) < -trader.loss:
        trader.stopped = 1
        trader.leave = LOSS_LIMIT
    if trader.leave == NOT_LEAVING and trader.known != 0 and quote >= 0:
        sign = 1 if trader.known > 0 else -1
        gain = (quote - trader.entry) * sign
        if scene.stop_ticks > 0 and gain <= -scene.stop_ticks + 1e-9:
            trader.leave = STOP
        elif scene.take_ticks > 0 and gain >= scene.take_ticks - 1e-9:
            trader.leave = TAKE_PROFIT
    if trader.leave == NOT_LEAVING and trader.known != 0 and trader.closing != 0:
        trader.leave = CLOSE
    if trader.leave != NOT_LEAVING and now < scene.close:
        leave_market(desk, s, now)


def leave_market(desk: Desk, s: int, now: int) -> None:
    """Cancel what rests, and close the position with a marketable order once none is on its way."""
    scene, trader, slots = desk.scene, desk.traders[s], desk.traders[s].slots
    trader.settled_until = scene.settled_until = BEFORE_ALL
    idle = True
    for k in range(SLOTS):
        i = slots[k]
        if i >= 0:
            idle = False
            o = desk.orders[i]
            if o.maker != 0 or (o.price >= 0 and is_arrival_known(desk, s, i, now)):
                cancel_order(desk, s, i, now)
    if trader.known == 0:
        if idle:
            trader.leave = NOT_LEAVING
        return
    side = -1 if trader.known > 0 else 1
    quote = scene.known_bid if side < 0 else scene.known_ask
    lots = min(abs(trader.known), find_room(desk, s, side, -1))
    if slots[MARKET_SLOT] < 0 and quote >= 0 and lots > 0 and trader.tried != scene.received:
        trader.tried = scene.received  # at most one try for each known book
        send_order(desk, s, MARKET_SLOT, side, MARKET, lots, trader.leave, -1, now)


def find_room(desk: Desk, s: int, side: int, but: int) -> int:
    """Find how many lots more on a side the cap allows; the orders of the slot `but` do not count."""
    trader = desk.traders[s]
    return trader.cap - side * trader.known - count_outstanding(desk, s, side, but)
