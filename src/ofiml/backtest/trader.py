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
    replace_order,
    report_order,
    send_order,
    value_lot,
)
from ofiml.backtest.orders import (
    ASK_SLOT,
    BID_SLOT,
    CLOSE,
    ENDED,
    EXPIRY,
    LOSS_LIMIT,
    MARKET,
    MARKET_SLOT,
    NEVER,
    NEW_ASK_SLOT,
    NEW_BID_SLOT,
    QUOTED,
    SENT,
    SIGNAL,
    SLOTS,
    STOP,
    TAKE_PROFIT,
)
from ofiml.strategy.decisions import LAST, QUOTE, TARGET

#: More lots than any book has.
MOST_LOTS = 2.0**61

#: `leave` of a trader that may trade.
NOT_LEAVING = -1


# --- knowledge -------------------------------------------------------------------------------------------------------


def learn_fates(desk: Desk, s: int, now: int) -> bool:
    """Let the trader learn what is known at `now` of its fills and orders; return whether there was anything new."""
    trader, slots = desk.traders[s], desk.traders[s].slots
    new = False
    while trader.learnt < trader.fills and desk.fills[s, trader.learnt].known <= now:
        f = desk.fills[s, trader.learnt]
        trader.learnt += 1
        book_fill(desk.scene, trader, f.lots, f.price, f.maker != 0)
        for k in range(SLOTS):
            i = slots[k]
            if i >= 0 and desk.orders[s, i].number == f.order:
                desk.orders[s, i].known_filled += abs(f.lots)
        new = True
    for k in (BID_SLOT, ASK_SLOT, MARKET_SLOT, NEW_BID_SLOT, NEW_ASK_SLOT):
        i = slots[k]
        if i >= 0 and desk.orders[s, i].state == ENDED and desk.orders[s, i].known_end <= now:
            report_order(desk, s, i)
            slots[k] = -1
            new = True
    for k in (BID_SLOT, ASK_SLOT):
        if slots[k] < 0 and slots[k + NEW_BID_SLOT] >= 0:
            slots[k], slots[k + NEW_BID_SLOT] = slots[k + NEW_BID_SLOT], -1
    return new


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


def set_bounds(desk: Desk, s: int) -> None:
    """Set the quotes from which on the trader must look: stop, take-profit, loss limit, or any quote to leave at.

    The bound of the loss limit is one tick early; `watch_market` decides.
    """
    scene, trader = desk.scene, desk.traders[s]
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
    idle = True
    for k in range(SLOTS):
        i = slots[k]
        if i >= 0:
            idle = False
            o = desk.orders[s, i]
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
        send_order(desk, s, MARKET_SLOT, side, MARKET, lots, trader.leave, now)


def find_room(desk: Desk, s: int, side: int, but: int) -> int:
    """Find how many lots more on a side the cap allows; the orders of the slot `but` do not count."""
    trader = desk.traders[s]
    return trader.cap - side * trader.known - count_outstanding(desk, s, side, but)


# --- decisions -------------------------------------------------------------------------------------------------------


def decide(
    desk: Desk, s: int, kind: int, target: int, until: int, bid: int, bid_size: int, ask: int, ask_size: int, now: int
) -> None:
    """Act on a decision. `bid` and `ask` are indexes, -1 off the ladder."""
    scene, trader = desk.scene, desk.traders[s]
    if trader.stopped != 0 or trader.closing != 0 or trader.leave != NOT_LEAVING or scene.known_mid2 < 0:
        return
    if kind == QUOTE:
        trader.until = LAST
        place_quote(desk, s, BID_SLOT, bid, scale_lots(bid_size, trader.size_factor) if bid >= 0 else 0, now)
        place_quote(desk, s, ASK_SLOT, ask, scale_lots(ask_size, trader.size_factor) if ask >= 0 else 0, now)
    elif kind == TARGET:
        trader.until = until
        wanted = scale_lots(target, trader.size_factor)
        aim(desk, s, min(max(wanted, -trader.cap), trader.cap), SIGNAL, now)
    elif now >= trader.until:
        if trader.known == 0 and is_idle(trader):
            trader.until = LAST  # there is nothing to close
        else:
            aim(desk, s, 0, EXPIRY, now)


def is_idle(trader: Any) -> bool:
    """Return whether the trader knows of no order that might be filled."""
    orders = 0
    for k in range(SLOTS):
        orders += 1 if trader.slots[k] >= 0 else 0
    return orders == 0


def scale_lots(lots: int, factor: float) -> int:
    """Scale lots, rounded half away from 0, and clipped to what fits an integer."""
    if factor == 1.0:  # a float has no room for many lots and a half
        return lots
    scaled = math.floor(min(abs(lots) * factor + 0.5, MOST_LOTS))
    return scaled if lots >= 0 else -scaled


def aim(desk: Desk, s: int, position: int, reason: int, now: int) -> None:
    """Order the difference between the position wanted and the known one, unless an order is outstanding.

    An order that rests is kept if it still has the right side and price, moved with the near touch if it was posted,
    else cancelled.
    """
    scene, trader, slots = desk.scene, desk.traders[s], desk.traders[s].slots
    wanted = position - trader.known
    idle = True
    for k in range(SLOTS):
        i = slots[k]
        if i < 0:
            continue
        idle = False
        o = desk.orders[s, i]
        if k in (NEW_BID_SLOT, NEW_ASK_SLOT) or o.price < 0 or is_pending(desk, s, i, now):
            continue
        posted = k != MARKET_SLOT
        if wanted * o.side <= 0 or (posted and (scene.post == 0 or trader.known * o.side < 0)):
            cancel_order(desk, s, i, now)
        elif posted:
            near = scene.known_bid if o.side > 0 else scene.known_ask
            lots = min(abs(wanted), find_room(desk, s, o.side, k))
            if near >= 0 and lots > 0 and (o.price != near or o.lots - o.known_filled > lots):
                replace_order(desk, s, k, near, lots, now)
    if not idle or wanted == 0:
        return
    side = 1 if wanted > 0 else -1
    lots = min(abs(wanted), find_room(desk, s, side, -1))
    reduces = trader.known * side < 0
    if scene.post != 0 and reduces:
        lots = min(lots, abs(trader.known))
    near, far = (scene.known_bid, scene.known_ask) if side > 0 else (scene.known_ask, scene.known_bid)
    if lots <= 0:
        return
    if scene.post != 0 and not reduces:
        if near >= 0:
            send_order(desk, s, BID_SLOT if side > 0 else ASK_SLOT, side, near, lots, reason, now)
    elif far >= 0:
        send_order(desk, s, MARKET_SLOT, side, MARKET, lots, reason, now)


def is_pending(desk: Desk, s: int, i: int, now: int) -> bool:
    """Return whether the trader waits for an answer about an order."""
    return desk.orders[s, i].cancel_request >= 0 or not is_arrival_known(desk, s, i, now)


def place_quote(desk: Desk, s: int, slot: int, price: int, size: int, now: int) -> None:
    """Place, keep, replace or cancel the quote of a slot; one that rests at the price and is not too large is kept."""
    side = 1 if slot == BID_SLOT else -1
    slots = desk.traders[s].slots
    i = slots[slot]
    if slots[slot + NEW_BID_SLOT] >= 0 or (i < 0 and size <= 0):
        return
    if i >= 0:
        o = desk.orders[s, i]
        if is_pending(desk, s, i, now) or (o.price == price and o.lots - o.known_filled <= size):
            return
    lots = min(size, find_room(desk, s, side, slot))
    if i < 0:
        if lots > 0:
            send_order(desk, s, slot, side, price, lots, QUOTED, now)
    elif lots <= 0:
        cancel_order(desk, s, i, now)
    else:
        replace_order(desk, s, slot, price, lots, now)


def find_wake(desk: Desk, s: int) -> int:
    """Find the next time at which something of the trader's arrives or becomes known."""
    trader = desk.traders[s]
    wake = NEVER
    if trader.learnt < trader.fills:
        wake = desk.fills[s, trader.learnt].known
    for k in range(SLOTS):
        i = trader.slots[k]
        if i >= 0:
            o = desk.orders[s, i]
            wake = min(wake, o.cancel_arrival)
            if o.state == SENT:
                wake = min(wake, o.arrival)
            elif o.state == ENDED:
                wake = min(wake, o.known_end)
    return wake
