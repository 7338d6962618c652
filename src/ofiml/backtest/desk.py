"""What all traders of one pass share, and how an order changes its state.

A desk holds a trader for each scenario. They meet the same recorded book, and not each other.
"""

from typing import Any, NamedTuple

from ofiml._typing import Int64
from ofiml.backtest.latency import find_latency
from ofiml.backtest.orders import (
    ASK_SLOT,
    BEFORE_ALL,
    BID_SLOT,
    ENDED,
    FILLED,
    MARKET_SLOT,
    NEVER,
    NEW_ASK_SLOT,
    NEW_BID_SLOT,
    PARTLY,
    REQUESTS_ON_WAY,
    RESTING,
    SENT,
    SLOTS,
    WAITING,
    Records,
)


class Desk(NamedTuple):
    """What they share, the record `scene`; the `traders` (S,), with slots of rows in `orders`, -1 for none; the
    `reports` of orders that left their slots, and `fills`; the `ladder` (4, span), see `ladder`; and the `latencies`
    (n, 2) of all traders, each with its time.

    Each trader has SLOTS rows of `orders`, and `scene.capacity` rows of `reports` and of `fills`, one trader's after
    another's. The desk has few members, as each call of a compiled function passes them all, and of one dimension, as
    rows are then found faster.
    """

    scene: Any
    traders: Records
    orders: Records
    reports: Records
    fills: Records
    ladder: Int64
    latencies: Int64


def price_in_ticks(scene: Any, index: int) -> float:
    """Return the price of an index in ticks."""
    return float(scene.base_ticks + index)


def value_lot(scene: Any, price: float) -> float:
    """Value one lot at a price in ticks, up to a constant: f·P for a linear contract, -f/P for an inverse one."""
    if scene.contract == 0:
        return scene.factor * price
    return -scene.factor / price


def compute_fee(scene: Any, lots: int, index: int, maker: bool) -> float:
    """Compute the fee of a fill: so much per lot, and a share of its absolute value."""
    value = lots * abs(value_lot(scene, price_in_ticks(scene, index)))
    if maker:
        return lots * scene.maker_lot + value * scene.maker_rate
    return lots * scene.taker_lot + value * scene.taker_rate


# --- requests --------------------------------------------------------------------------------------------------------


def send_request(desk: Desk, s: int, old: int, new: int, now: int) -> int:
    """Send a request that cancels the order in row `old` and places the one in row `new`, -1 for none; return its
    number.
    """
    scene, trader = desk.scene, desk.traders[s]
    latency = find_latency(
        desk.latencies,
        trader.latency_start,
        trader.latency_count,
        trader.latency_by_time != 0,
        trader.requests,
        now,
    )
    arrival = max(trader.last_arrival, min(now, NEVER - latency) + latency)
    number = trader.requests
    j = number & (REQUESTS_ON_WAY - 1)
    trader.arrivals[j], trader.cancels[j], trader.places[j] = arrival, old, new
    trader.requests = number + 1
    trader.last_arrival = arrival
    trader.wake, scene.wake = min(trader.wake, arrival), min(scene.wake, arrival)
    trader.settled_until = scene.settled_until = BEFORE_ALL
    return number


def send_order(desk: Desk, s: int, slot: int, side: int, price: int, lots: int, reason: int, old: int, now: int) -> int:
    """Send an order, marketable or post-only at `price`, and return its row; -1 if the table of reports is full.

    The same request cancels the order in row `old`, -1 for none.
    """
    scene, trader = desk.scene, desk.traders[s]
    if trader.orders >= scene.capacity:
        scene.full = 1
        return -1
    i = find_row(s, slot, old)
    o = desk.orders[i]
    o.number = trader.orders
    trader.orders += 1
    o.sent = now
    o.arrived = o.ended = o.mid2_arrived = -1
    o.side, o.price, o.reason = side, price, reason
    o.lots = o.asked = lots
    o.filled = o.known_filled = o.base_filled = o.traded = o.traded_at = o.touched = 0
    o.maker = 1 if price >= 0 else 0
    o.state, o.status, o.replaces = SENT, FILLED, old
    o.request = send_request(desk, s, old, i, now)
    o.known_end = NEVER
    o.cancel_request = -1
    o.awaited = 1
    o.mid2_decided = scene.known_mid2
    o.ahead = o.ahead_at_join = 0.0
    trader.slots[slot] = i
    return i


def find_row(s: int, slot: int, old: int) -> int:
    """Find a row for an order of a slot, which replaces the one in row `old`, -1 for none.

    Bids have two rows, and asks: whatever replaces the order in one of them stands in the other. There the order may
    have stood that `old` replaced. It is not needed any more, as `old` is known to have arrived.
    """
    if old < 0:
        return s * SLOTS + slot
    pair = 2 * s * SLOTS + 2 * slot - NEW_BID_SLOT  # the sum of both rows
    return pair - old


def cancel_order(desk: Desk, s: int, i: int, now: int) -> None:
    """Send a cancel, unless one is on its way or the order is known to have ended."""
    o = desk.orders[i]
    if o.cancel_request < 0:
        o.cancel_request = send_request(desk, s, i, -1, now)


def replace_order(desk: Desk, s: int, slot: int, price: int, lots: int, now: int) -> None:
    """Send one request that cancels the resting order of a slot and places another of `lots` less the fills between."""
    old = desk.traders[s].slots[slot]
    o = desk.orders[old]
    new_slot = NEW_BID_SLOT if slot == BID_SLOT else NEW_ASK_SLOT
    new = send_order(desk, s, new_slot, o.side, price, lots, o.reason, old, now)
    if new >= 0:
        desk.orders[new].base_filled = o.known_filled
        o.cancel_request, o.awaited = desk.orders[new].request, 0


def find_wake(trader: Any) -> int:
    """Find the next time at which a request of the trader arrives, or news to which it is eager to react."""
    wake = trader.news if trader.eager != 0 else NEVER
    if trader.received < trader.requests:
        wake = min(wake, trader.arrivals[trader.received & (REQUESTS_ON_WAY - 1)])
    return wake


# --- states ----------------------------------------------------------------------------------------------------------


def rest_order(desk: Desk, s: int, i: int) -> None:
    """Let an order rest at its price, behind all that is shown there."""
    scene, o = desk.scene, desk.orders[i]
    k = 0 if o.side > 0 else 1
    o.state = RESTING
    o.ahead = o.ahead_at_join = float(abs(desk.ladder[k, o.price]))
    o.trader = s
    add_to_level(desk, k, i)
    scene.resting += 1
    if o.side > 0:
        scene.best_bid = max(scene.best_bid, o.price)
    else:
        scene.best_ask = min(scene.best_ask, o.price)


def end_order(desk: Desk, s: int, i: int, status: int, at: int) -> None:
    """End an order; `status` is that of an order without a fill."""
    scene, o, trader = desk.scene, desk.orders[i], desk.traders[s]
    was = o.state
    o.state, o.ended = ENDED, at
    o.known_end = time_news(scene, trader, at, o.awaited)
    o.status = FILLED if o.filled == o.lots else PARTLY if o.filled > 0 else status
    if was == WAITING:
        scene.waiting -= 1
    if was == RESTING:
        remove_from_level(desk, 0 if o.side > 0 else 1, i)
        scene.resting -= 1


def add_to_level(desk: Desk, k: int, i: int) -> None:
    """Add an order to the list of those that rest at its level, as the last one."""
    o = desk.orders[i]
    first = desk.ladder[2 + k, o.price]
    o.next = 0
    if first == 0:
        desk.ladder[2 + k, o.price] = o.previous = i + 1
        return
    o.previous = desk.orders[first - 1].previous
    desk.orders[o.previous - 1].next = desk.orders[first - 1].previous = i + 1


def remove_from_level(desk: Desk, k: int, i: int) -> None:
    """Remove an order from the list of those that rest at its level."""
    o = desk.orders[i]
    first, after = desk.ladder[2 + k, o.price], o.next
    if first == i + 1:
        first = desk.ladder[2 + k, o.price] = after
    else:
        desk.orders[o.previous - 1].next = after
    if after == 0:
        after = first
    if after > 0:
        desk.orders[after - 1].previous = o.previous


def time_news(scene: Any, trader: Any, at: int, awaited: int) -> int:
    """Return when the trader knows what happens to an order of its own at the exchange at time `at`; `awaited` is 0 if
    no repeated decision would act on it.
    """
    known = min(at, NEVER - trader.response) + trader.response
    trader.news = min(trader.news, known)
    if trader.eager != 0:
        trader.wake, scene.wake = min(trader.wake, known), min(scene.wake, known)
    elif awaited == 0:
        return known
    trader.settled_until, scene.settled_until = min(trader.settled_until, known), min(scene.settled_until, known)
    if known < scene.goal:
        scene.changed = 1
    return known


def report_order(desk: Desk, s: int, i: int) -> None:
    """Report an order that has ended."""
    o = desk.orders[i]
    r = desk.reports[desk.traders[s].first_row + o.number]
    r.sent, r.arrived, r.ended = o.sent, o.arrived, o.ended
    r.price, r.lots, r.filled = o.price, o.lots, o.filled
    r.side, r.maker, r.reason = o.side, o.maker, o.reason
    r.status, r.ahead_at_join = o.status, o.ahead_at_join


def add_fill(desk: Desk, s: int, i: int, price: int, lots: int, maker: int, touch: int, beyond: int, at: int) -> None:
    """Fill some lots of an order at the exchange."""
    scene, o, trader = desk.scene, desk.orders[i], desk.traders[s]
    j = trader.fills
    if j >= scene.capacity:
        scene.full = scene.changed = 1
        return
    trader.fills += 1
    trader.position += lots * o.side
    o.filled += lots
    f = desk.fills[trader.first_row + j]
    f.order, f.time, f.known = o.number, at, time_news(scene, trader, at, 1)
    f.price, f.lots, f.maker = price, lots * o.side, maker
    f.touch, f.beyond_shown = touch, beyond
    f.mid2_decided, f.mid2_arrived, f.mid2_filled = o.mid2_decided, o.mid2_arrived, scene.mid2
    f.ahead_at_join = o.ahead_at_join


def is_alive(order: Any) -> bool:
    """Return whether an order has not ended at the exchange."""
    return order.state != ENDED


def count_outstanding(desk: Desk, s: int, side: int, but: int) -> int:
    """Count the lots on a side that may still be filled as far as the trader knows, but for those of the slot `but`.

    An order and its replacement cannot both be filled: the larger one counts.
    """
    total = 0
    slot = BID_SLOT if side > 0 else ASK_SLOT
    if but != slot:
        total += max(_count_open(desk, s, slot), _count_open(desk, s, slot + NEW_BID_SLOT))
    i = desk.traders[s].slots[MARKET_SLOT]
    if but != MARKET_SLOT and i >= 0 and desk.orders[i].side == side:
        total += _count_open(desk, s, MARKET_SLOT)
    return total


def _count_open(desk: Desk, s: int, slot: int) -> int:
    i = desk.traders[s].slots[slot]
    if i < 0:
        return 0
    scene, o = desk.scene, desk.orders[i]
    if o.replaces >= 0 and not is_arrival_known(desk, s, i, scene.now):
        return max(0, o.asked - (desk.orders[o.replaces].known_filled - o.base_filled))
    return o.lots - o.known_filled


def is_arrival_known(desk: Desk, s: int, i: int, now: int) -> bool:
    """Return whether the trader knows that the order arrived."""
    o = desk.orders[i]
    return o.state != SENT and o.arrived + desk.traders[s].response <= now
