"""The update of the state machine by one row of the feed: flow, trades, and measures between states."""

import math
from typing import Any

from ofiml._typing import Int64
from ofiml.features.entry import DECAY, REALISED
from ofiml.features.layout import (
    ACTION,
    ADD,
    ADDS,
    BOOK,
    BOUGHT,
    BUCKETS,
    BUY,
    BUYS,
    CANCEL,
    CANCELS,
    CLEAR,
    COUNT,
    DEPTH,
    DUE_AT,
    DUE_MID2,
    DUE_PRICE,
    DUE_SIGNED,
    FIXED_LANES,
    FLAGS,
    LANE_ASK,
    LANE_BID,
    LANE_BOUGHT,
    LANE_COUNT,
    LANE_SOLD,
    LANE_STATES,
    LANES,
    LAST,
    MID2,
    NO_PRICE,
    NONE,
    PARTS,
    PRICE,
    ROLL_TRADES,
    SELL,
    SELLS,
    SIDE,
    SIDES,
    SIZE,
    SNAPSHOT,
    SOLD,
    STAMP,
    STATES,
    TIME,
    TRADE,
    TRADED,
    TRADES,
)  # fmt: skip
from ofiml.features.measures import book_mid, near_size
from ofiml.features.memory import Memory
from ofiml.features.order_flow import ask_flow, bid_flow

LARGE, EARLIER = 3, 10  # a large trade is LARGE times the mean of the earlier ones, at least EARLIER of them
RING_FULL, DUE_FULL = 1, 2


def take_row(m: Memory, row: Int64) -> int:
    """Process one row (BOOK + 4·levels,). Return 0; or RING_FULL or DUE_FULL, and change nothing."""
    s = m.state
    stamp = row[STAMP]
    _forget(s, m.ring, stamp)
    if s.longest and s.ring_count == len(m.ring):
        return RING_FULL
    if s.due_count == len(m.due):
        return DUE_FULL
    while s.due_count and m.due[s.due_head % len(m.due), DUE_AT] < stamp:
        realise_spread(s, m.due)
    if row[ACTION] == TRADE:
        _take_trade(m, row)
    if row[ACTION] == CLEAR or row[FLAGS] & SNAPSHOT:
        s.message_reset = 1
    if s.per_row or row[FLAGS] & LAST:
        _end_message(m, row)
        take_reading(m, stamp)
    elif row[ACTION] == TRADE:
        take_reading(m, stamp)
    return 0


def _end_message(m: Memory, row: Int64) -> None:
    """End a message: the book after it is a state."""
    s, total, book = m.state, m.total, m.book
    stamp, levels, width = row[STAMP], s.levels, s.flow_levels
    part = PARTS * width
    if row[ACTION] == ADD or row[ACTION] == CANCEL:
        s.typed = 1
    if s.message_reset or not s.known:
        restart(s, stamp)
    else:
        kind = -1
        if s.message_traded:
            kind = TRADES
        elif row[ACTION] == ADD:
            kind = ADDS
        elif row[ACTION] == CANCEL:
            kind = CANCELS
        for k in range(width):
            i = 4 * k
            j = BOOK + i
            bid = bid_flow(book[i], book[i + 1], row[j], row[j + 1])
            ask = ask_flow(book[i + 2], book[i + 3], row[j + 2], row[j + 3])
            total[k] += bid
            total[width + k] += ask
            if kind >= 0:
                total[kind * width + k] += bid - ask
    size = 0
    sides = 0
    for k in range(width):
        j = BOOK + 4 * k
        size += row[j + 1] + row[j + 3]
        sides += int(row[j + 1] > 0) + int(row[j + 3] > 0)
    total[part + STATES] += 1
    total[part + DEPTH] += size
    total[part + SIDES] += sides
    stand_until(s, book, stamp)
    for i in range(4 * levels):
        book[i] = row[BOOK + i]
    s.known = 1
    s.mid = book_mid(book)
    if s.mid != NONE:
        _move_mid(s, stamp)
    if s.hit >= 0 and s.after < 0:
        near = near_size(book, levels, s.hit)
        if near != s.before:  # some feeds send the trade first, and the book in the next message
            s.after = near
    _decay(s, stamp)
    s.decayed_events += 1.0
    s.message_traded = 0
    s.message_reset = 0


def _move_mid(s: Any, stamp: int) -> None:
    """Update the measures of the mid with that of a new state."""
    if s.last_mid != NONE and s.mid != s.last_mid:
        change = s.mid - s.last_mid
        if s.mid > 0 and s.last_mid > 0:
            s.squares += math.log(s.mid / s.last_mid) ** 2
        if abs(change) > abs(s.jump):
            s.jump = change
        s.last_move = stamp
    s.last_mid = s.mid
    if s.high == NONE or s.mid > s.high:
        s.high = s.mid
    if s.low == NONE or s.mid < s.low:
        s.low = s.mid


def _take_trade(m: Memory, row: Int64) -> None:
    """Add a trade, before the state at the end of its message."""
    s, total, due = m.state, m.total, m.due
    stamp, price, size = row[STAMP], row[PRICE], row[SIZE]
    part = PARTS * s.flow_levels
    s.message_traded = 1
    total[part + TRADED] += size
    total[part + COUNT] += 1
    if price != NO_PRICE:
        s.priced += float(price) * float(size)
        s.priced_size += size
        s.value += abs(float(price)) * 1e-9 * float(size) * s.size_unit
        s.prints[s.printed % ROLL_TRADES] = price
        s.printed += 1
    _decay(s, stamp)
    s.decayed_trades += 1.0
    s.last_trade = stamp
    large = s.earlier >= EARLIER and float(size) * s.earlier >= float(LARGE) * s.earlier_size
    s.earlier += 1
    s.earlier_size += size
    sign = 0
    if row[SIDE] == BUY:
        sign = 1
        total[part + BOUGHT] += size
        total[part + BUYS] += 1
    elif row[SIDE] == SELL:
        sign = -1
        total[part + SOLD] += size
        total[part + SELLS] += 1
    _fill_buckets(s, sign, size)
    if sign == 0:
        return
    s.signed += 1
    s.decayed_sign += sign
    s.run = s.run + sign if s.run * sign > 0 else sign
    if large:
        s.large_flow += sign * size
        s.hit = 1 if sign > 0 else 0  # a buyer takes the asks
        s.before = near_size(m.book, s.levels, s.hit)
        s.after = -1
    if s.mid != NONE and s.known and price != NO_PRICE:
        s.paid += sign * 2.0 * (price - 0.5 * s.mid) * size
        s.paid_size += size
        i = (s.due_head + s.due_count) % len(due)
        due[i, DUE_AT], due[i, DUE_PRICE] = stamp + REALISED, price
        due[i, DUE_SIGNED], due[i, DUE_MID2] = sign * size, s.mid
        s.due_count += 1


def _fill_buckets(s: Any, sign: int, size: int) -> None:
    """Split a trade over VPIN's buckets, and keep the |imbalance| of each full one. An unsigned trade adds none."""
    buckets = s.buckets
    take = min(size, s.bucket - s.in_bucket)
    s.net += sign * take
    s.in_bucket += take
    size -= take
    if s.in_bucket < s.bucket:
        return
    buckets[s.filled % BUCKETS] = abs(s.net)
    s.filled += 1
    whole = size // s.bucket  # buckets that this trade fills alone; more than BUCKETS of them push out all others
    for k in range(min(whole, BUCKETS)):
        buckets[(s.filled + k) % BUCKETS] = s.bucket * abs(sign)
    s.filled += whole
    s.in_bucket = size - whole * s.bucket
    s.net = sign * s.in_bucket


def realise_spread(s: Any, due: Int64) -> None:
    """Realise the spread of the oldest trade against the current mid."""
    i = s.due_head % len(due)
    if s.mid != NONE:
        size = due[i, DUE_SIGNED]
        s.realised += 2.0 * (due[i, DUE_PRICE] - 0.5 * s.mid) * size
        s.impact += 2.0 * (0.5 * s.mid - 0.5 * due[i, DUE_MID2]) * size
        s.due_size += abs(size)
    s.due_head = (s.due_head + 1) % len(due)
    s.due_count -= 1


def restart(s: Any, stamp: int) -> None:
    """Restart at `stamp` (ns): nothing is measured across it. The plain sums of the bar stay."""
    s.start = stamp
    s.last_mid = NONE
    s.high = NONE
    s.low = NONE
    s.jump = 0
    s.large_flow = 0
    s.stood = stamp
    s.both = 0
    s.spread_time = 0.0
    s.squares = 0.0
    s.realised = 0.0
    s.impact = 0.0
    s.due_size = 0
    s.last_trade = NONE
    s.last_move = NONE
    s.run = 0
    s.signed = 0
    s.earlier = 0
    s.earlier_size = 0
    s.hit = -1
    s.after = -1
    s.decayed_events = 0.0
    s.decayed_trades = 0.0
    s.decayed_sign = 0.0
    s.decay_time = stamp
    s.in_bucket = 0
    s.net = 0
    s.filled = 0
    s.printed = 0
    s.closed = 0
    s.ring_count = 0
    s.due_count = 0


def _decay(s: Any, stamp: int) -> None:
    if stamp > s.decay_time:
        factor = math.exp(-(stamp - s.decay_time) / DECAY)
        s.decayed_events *= factor
        s.decayed_trades *= factor
        s.decayed_sign *= factor
        s.decay_time = stamp


def stand_until(s: Any, book: Int64, until: int) -> None:
    """Count the time up to `until` (ns) for the spread that stood."""
    if s.known and s.mid != NONE and until > s.stood:
        s.spread_time += float(book[2] - book[0]) * float(until - s.stood)
        s.both += until - s.stood
    s.stood = until


def _forget(s: Any, ring: Int64, stamp: int) -> None:
    """Drop the readings that no window needs: all but the last one at or before stamp - longest."""
    n = len(ring)
    while s.ring_count > 1 and ring[(s.ring_head + 1) % n, TIME] <= stamp - s.longest:
        s.ring_head = (s.ring_head + 1) % n
        s.ring_count -= 1


def take_reading(m: Memory, stamp: int) -> None:
    """Add a reading of the sums; rows of the same time share one."""
    s, total, ring = m.state, m.total, m.ring
    if s.longest == 0:
        return
    n = len(ring)
    i = (s.ring_head + s.ring_count - 1) % n
    if s.ring_count == 0 or ring[i, TIME] != stamp:
        i = (s.ring_head + s.ring_count) % n
        s.ring_count += 1
    ring[i, TIME] = stamp
    ring[i, MID2] = s.mid
    part = PARTS * s.flow_levels
    lane = LANES
    ring[i, lane + LANE_BID] = total[0]
    ring[i, lane + LANE_ASK] = total[s.flow_levels]
    ring[i, lane + LANE_STATES] = total[part + STATES]
    ring[i, lane + LANE_COUNT] = total[part + COUNT]
    ring[i, lane + LANE_BOUGHT] = total[part + BOUGHT]
    ring[i, lane + LANE_SOLD] = total[part + SOLD]
    if s.lanes > FIXED_LANES:  # all of flow, and depth
        lane += FIXED_LANES
        for k in range(part + SIDES + 1):
            ring[i, lane + k] = total[k]
