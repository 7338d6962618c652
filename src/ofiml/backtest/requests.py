"""The requests that a decision brings about: towards a target, for a quote, or to end a position whose time is over."""

import math
from typing import Any

from ofiml.backtest.desk import Desk, cancel_order, is_arrival_known, replace_order, send_order
from ofiml.backtest.orders import (
    ASK_SLOT,
    BEFORE_ALL,
    BID_SLOT,
    EXPIRY,
    MARKET,
    MARKET_SLOT,
    NEVER,
    NEW_BID_SLOT,
    QUOTED,
    REQUESTS_ON_WAY,
    SENT,
    SIGNAL,
    SLOTS,
)
from ofiml.backtest.trader import NOT_LEAVING, find_room
from ofiml.strategy.decisions import LAST, QUOTE, TARGET

#: More lots than any book has.
MOST_LOTS = 2.0**61


def decide(
    desk: Desk, s: int, kind: int, target: int, until: int, bid: int, bid_size: int, ask: int, ask_size: int, now: int
) -> None:
    """Act on a decision. `bid` and `ask` are indexes, which may be off the ladder."""
    trader = desk.traders[s]
    trader.settled_until = BEFORE_ALL
    if trader.stopped != 0 or trader.closing != 0 or trader.leave != NOT_LEAVING or desk.scene.known_mid2 < 0:
        return
    if kind == QUOTE:
        trader.until = LAST
        news = trader.news
        bid_settled = settle_quote(desk, s, BID_SLOT, bid, bid_size, now)
        ask_settled = settle_quote(desk, s, ASK_SLOT, ask, ask_size, now)
        trader.settled_until = min(news, bid_settled, ask_settled)
        return
    position, reason = 0, EXPIRY
    if kind == TARGET:
        trader.until = until
        position, reason = min(max(scale_lots(target, trader.size_factor), -trader.cap), trader.cap), SIGNAL
    elif now < trader.until:
        return
    if trader.known != position or not is_idle(trader):
        aim(desk, s, position, reason, now)
    elif kind == TARGET:
        trader.settled_until = trader.news
    else:
        trader.until = LAST  # there is nothing to close


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
        o = desk.orders[i]
        if k >= NEW_BID_SLOT or o.price < 0 or is_pending(desk, s, i, now):
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
            send_order(desk, s, BID_SLOT if side > 0 else ASK_SLOT, side, near, lots, reason, -1, now)
    elif far >= 0:
        send_order(desk, s, MARKET_SLOT, side, MARKET, lots, reason, -1, now)


def is_pending(desk: Desk, s: int, i: int, now: int) -> bool:
    """Return whether the trader waits for an answer about an order."""
    return desk.orders[i].cancel_request >= 0 or not is_arrival_known(desk, s, i, now)


def settle_quote(desk: Desk, s: int, slot: int, price: int, size: int, now: int) -> int:
    """Let the quote of a slot be as wanted, as far as that can be asked for now; return until when it is settled."""
    wanted = scale_lots(size, desk.traders[s].size_factor) if 0 <= price < desk.scene.span else 0
    settled_until = find_settled(desk, s, slot, price, wanted, now)
    if settled_until > now:
        return settled_until
    place_quote(desk, s, slot, price, wanted, now)
    return NEVER  # it is as wanted, as far as the cap allows, or the trader waits for an answer


def find_settled(desk: Desk, s: int, slot: int, price: int, size: int, now: int) -> int:
    """Find the time before which the quote of a slot asks for no request, unless there is news of it before: it is as
    wanted, or the trader waits for an answer. BEFORE_ALL if for none.

    It also notes whether the answer about an order that is being replaced is awaited, see `orders.ORDER`.
    """
    trader, slots = desk.traders[s], desk.traders[s].slots
    i, new = slots[slot], slots[slot + NEW_BID_SLOT]
    if new >= 0:
        desk.orders[i].awaited = 0 if desk.orders[new].price == price and desk.orders[new].lots <= size else 1
        return NEVER
    if i < 0:
        return NEVER if size <= 0 else BEFORE_ALL
    o = desk.orders[i]
    if o.cancel_request >= 0 or (o.price == price and o.lots - o.known_filled <= size):
        return NEVER
    if o.state != SENT:
        return o.arrived + trader.response
    arrival = max(trader.arrivals[o.request & (REQUESTS_ON_WAY - 1)], now + 1)
    return min(arrival, NEVER - trader.response) + trader.response


def place_quote(desk: Desk, s: int, slot: int, price: int, size: int, now: int) -> None:
    """Place, replace or cancel the quote of a slot."""
    side = 1 if slot == BID_SLOT else -1
    i = desk.traders[s].slots[slot]
    lots = min(size, find_room(desk, s, side, slot))
    if i < 0:
        if lots > 0:
            send_order(desk, s, slot, side, price, lots, QUOTED, -1, now)
    elif lots <= 0:
        cancel_order(desk, s, i, now)
    else:
        replace_order(desk, s, slot, price, lots, now)
