"""The state machine of flow and features: one row of the feed in, and at any time t the features known at t.

The batch driver loops over a session, the stream calls it once a row; both call the same compiled functions, so the
bits are the same. `catalogue.py` says what every feature is. Sums of flow, volumes and counts are integers that only
grow: a bar's sum, and that of any window, is the difference of two readings, exact and without drift. numba's cache
looks only at this file: what the kernel calls, and every constant that it uses, stands here.

State (`machine.py` allocates it): `state`, a record of `STATE`; `total` (c,), the growing sums, and `opened` (c,), what
they were at the bar's open; `book` (4·levels,), the standing book; `ring` (capacity, 2 + lanes), a queue of readings of
time, mid and some of `total`, as long as the longest window; `due` (capacity, 4), trades whose realised spread is not
known yet; `closes` (BARS + 1, 7), the last bars; `prints` (ROLL_TRADES,), trade prices; `buckets` (BUCKETS,), VPIN's.
"""

import math
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

Int64 = NDArray[np.int64]
Float = NDArray[np.float64]

# One row of the feed as integers; the book's (bid price, bid size, ask price, ask size) of each level follow.
STAMP, ACTION, SIDE, PRICE, SIZE, FLAGS, BOOK = range(7)
ADD, CANCEL, CLEAR, TRADE = 0, 1, 3, 4  # of schema.ACTION
SELL, BUY = 0, 1  # of schema.SIDE
LAST, SNAPSHOT = 128, 32
NO_BID, NO_ASK = -(2**63), 2**63 - 1
NO_PRICE = 2**63 - 1
NONE = -(2**63)  # no mid, no time

# `total`: five parts of flow for each level, then:
BID_FLOW, ASK_FLOW, ADDS, CANCELS, TRADES, PARTS = range(6)
STATES, DEPTH, SIDES, BOUGHT, SOLD, BUYS, SELLS, TRADED, COUNT, SUMS = range(10)

# A bar's close in `closes`.
MID, SPREAD, SHOWN, FLOW, SIGNED, VALUE, QUEUE, CLOSE_FIELDS = range(8)

# `ring`: time, mid, and these lanes always; others follow as asked.
TIME, MID2, LANES = 0, 1, 2
LANE_BID, LANE_ASK, LANE_STATES, LANE_COUNT, LANE_BOUGHT, LANE_SOLD, FIXED_LANES = range(7)

SECOND = 1_000_000_000
WINDOWS = (1 * SECOND, 5 * SECOND, 10 * SECOND, 30 * SECOND, 60 * SECOND, 300 * SECOND)
MINUTE = 60 * SECOND
BARS, FEWEST = 30, 10
REALISED = 5 * SECOND
DECAY = 5 * SECOND
LARGE, EARLIER = 3, 10
NEAR = 5
BUCKETS, FEWEST_BUCKETS = 50, 10
ROLL_TRADES, FEWEST_TRADES = 101, 21

STATE = np.dtype(
    [(name, np.int64) for name in (
        # what the session is
        "tick", "levels", "flow_levels", "per_row", "open", "scheduled_close", "utc_offset", "weekday",
        "longest", "lanes", "trade_size", "bucket",
        # where it stands
        "known", "start", "mid", "last_mid", "message_traded", "message_reset",
        "typed",
        # the bar: highest and lowest mid, largest move, time with both sides, sizes of what is averaged
        "bar_open", "high", "low", "jump", "stood", "both", "paid_size", "due_size", "priced_size", "large_flow",
        # since the start
        "last_trade", "last_move", "run", "signed", "earlier", "earlier_size", "hit", "before", "after", "decay_time",
        "in_bucket", "net", "filled", "printed", "closed",
        # queues
        "ring_head", "ring_count", "due_head", "due_count",
    )]
    + [(name, np.float64) for name in (
        "size_unit", "squares", "spread_time", "paid", "realised", "impact", "priced", "value",
        "decayed_events", "decayed_trades", "decayed_sign",
    )]
)  # fmt: skip

(
    OFI_1S, OFI_5S, OFI_10S, OFI_30S, OFI_60S, OFI_300S, OFI_TO_DEPTH, OFI_ACCELERATION, OFI_ZSCORE, OFI_DEEP,
    BID_FLOW_BAR, ASK_FLOW_BAR, OFI_ADDS, OFI_CANCELS, OFI_TRADES,
    DEPTH_BEST, DEPTH_5, DEPTH_ALL, QUEUE_IMBALANCE, IMBALANCE_5, DEPTH_IMBALANCE, DEPTH_RATIO, BEST_SHARE,
    IMBALANCE_CHANGE, DEPTH_ZSCORE,
    SPREAD_TICKS, SPREAD_BPS, SPREAD_ZSCORE, SPREAD_MEAN, EFFECTIVE_SPREAD, REALISED_SPREAD, PRICE_IMPACT, COST_BUY,
    COST_SELL,
    BID_SLOPE, ASK_SLOPE, SLOPE_IMBALANCE, BID_DISTANCE, ASK_DISTANCE, BID_GAP, ASK_GAP, RESILIENCE,
    BUY_VOLUME, SELL_VOLUME, TRADE_IMBALANCE, TRADE_COUNT, SIGNED_COUNT, MEAN_TRADE_SIZE, LARGE_TRADE_FLOW,
    VWAP_DISTANCE, AGGRESSOR_RUN, SIGNED_VOLUME_60S,
    RETURN_1, RETURN_6, RETURN_30, RETURN_10S, RETURN_60S, VOLATILITY_30, REALISED_VOLATILITY, RANGE, JUMP, EFFICIENCY,
    MICROPRICE_OFFSET,
    VPIN, KYLE_LAMBDA, AMIHUD, ROLL_SPREAD,
    LOG_EVENTS, EVENT_RATE_60S, TRADE_RATE_60S, DECAYED_EVENTS, DECAYED_TRADES, DECAYED_SIGN, SECONDS_SINCE_TRADE,
    SECONDS_SINCE_MOVE,
    TIME_OF_DAY, MINUTES_SINCE_OPEN, MINUTES_TO_CLOSE, DAY_OF_WEEK,
    FEATURES,
) = range(80)  # fmt: skip

RING_FULL, DUE_FULL = 1, 2
NAN = math.nan


# --- flow ------------------------------------------------------------------------------------------------------------


@njit(inline="always", cache=True)
def bid_flow(px0: int, sz0: int, px: int, sz: int) -> int:
    """What arrived at the bid between two states of a level (Cont, Kukanov & Stoikov 2014, eq. 2-4), in lots.

    A missing level has price NO_BID (NO_ASK for the other side) and size 0.
    """
    flow = 0
    if px >= px0:
        flow += sz
    if px <= px0:
        flow -= sz0
    return flow


@njit(inline="always", cache=True)
def ask_flow(px0: int, sz0: int, px: int, sz: int) -> int:
    """What arrived at the ask; e_n is `bid_flow` - `ask_flow`."""
    flow = 0
    if px <= px0:
        flow += sz
    if px >= px0:
        flow -= sz0
    return flow


@njit(cache=True, nogil=True)
def flow_events(
    bid_px: Int64, bid_sz: Int64, ask_px: Int64, ask_sz: Int64, reset: NDArray[np.bool_], out: Int64
) -> None:
    """Writes the flow e_n of each of n states at one level to `out` (n,), all (n,).

    The first state and every state marked `reset` emit 0: no difference is taken across them.
    """
    if len(out) == 0:
        return
    out[0] = 0
    # Shifted views: no index can be negative and no step waits for the last, so that memory is what the loop waits for.
    bp0, bq0, ap0, aq0 = bid_px[:-1], bid_sz[:-1], ask_px[:-1], ask_sz[:-1]
    bp, bq, ap, aq = bid_px[1:], bid_sz[1:], ask_px[1:], ask_sz[1:]
    starts, flow = reset[1:], out[1:]
    for i in range(len(flow)):
        e = bid_flow(bp0[i], bq0[i], bp[i], bq[i]) - ask_flow(ap0[i], aq0[i], ap[i], aq[i])
        flow[i] = 0 if starts[i] else e


# --- one row ---------------------------------------------------------------------------------------------------------


@njit(cache=True, nogil=True)
def step(
    state: NDArray, total: Int64, book: Int64, ring: Int64, due: Int64, prints: Int64, buckets: Int64, row: Int64
) -> int:
    """Takes in one row (BOOK + 4·levels,). Returns 0, or RING_FULL or DUE_FULL and then has changed nothing."""
    s = state[0]
    stamp = row[STAMP]
    _forget(s, ring, stamp)
    if s.longest and s.ring_count == len(ring):
        return RING_FULL
    if s.due_count == len(due):
        return DUE_FULL
    while s.due_count and due[s.due_head % len(due), 0] < stamp:
        _realise(s, due)
    if row[ACTION] == TRADE:
        _trade(s, total, book, due, prints, buckets, row)
    if row[ACTION] == CLEAR or row[FLAGS] & SNAPSHOT:
        s.message_reset = 1
    if s.per_row or row[FLAGS] & LAST:
        _state(s, total, book, row)
        _remember(s, total, ring, stamp)
    elif row[ACTION] == TRADE:
        _remember(s, total, ring, stamp)
    return 0


@njit(cache=True, nogil=True)
def _state(s: Any, total: Int64, book: Int64, row: Int64) -> None:
    """A message ends: the book after it is a state."""
    stamp, levels, width = row[STAMP], s.levels, s.flow_levels
    part = PARTS * width
    if row[ACTION] == ADD or row[ACTION] == CANCEL:
        s.typed = 1
    if s.message_reset or not s.known:
        _restart(s, stamp)
    else:
        kind = -1
        if s.message_traded:
            kind = TRADES
        elif row[ACTION] == ADD:
            kind = ADDS
        elif row[ACTION] == CANCEL:
            kind = CANCELS
        for m in range(width):
            i = 4 * m
            j = BOOK + i
            bid = bid_flow(book[i], book[i + 1], row[j], row[j + 1])
            ask = ask_flow(book[i + 2], book[i + 3], row[j + 2], row[j + 3])
            total[m] += bid
            total[width + m] += ask
            if kind >= 0:
                total[kind * width + m] += bid - ask
    size = 0
    sides = 0
    for m in range(width):
        j = BOOK + 4 * m
        size += row[j + 1] + row[j + 3]
        sides += int(row[j + 1] > 0) + int(row[j + 3] > 0)
    total[part + STATES] += 1
    total[part + DEPTH] += size
    total[part + SIDES] += sides
    _stand(s, book, stamp)
    book[:] = row[BOOK:]
    s.known = 1
    s.mid = _mid(book)
    if s.mid != NONE:
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
    if s.hit >= 0 and s.after < 0:
        near = _near(book, levels, s.hit)
        if near != s.before:  # some feeds tell of the trade first, and of the book in the next message
            s.after = near
    _decay(s, stamp)
    s.decayed_events += 1.0
    s.message_traded = 0
    s.message_reset = 0


@njit(cache=True, nogil=True)
def _trade(s: Any, total: Int64, book: Int64, due: Int64, prints: Int64, buckets: Int64, row: Int64) -> None:
    """A trade, before the state that its message ends in."""
    stamp, price, size = row[STAMP], row[PRICE], row[SIZE]
    part = PARTS * s.flow_levels
    s.message_traded = 1
    total[part + TRADED] += size
    total[part + COUNT] += 1
    if price != NO_PRICE:
        s.priced += float(price) * float(size)
        s.priced_size += size
        s.value += float(price) * 1e-9 * float(size) * s.size_unit
        prints[s.printed % ROLL_TRADES] = price
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
    _fill_buckets(s, buckets, sign, size)
    if sign == 0:
        return
    s.signed += 1
    s.decayed_sign += sign
    s.run = s.run + sign if s.run * sign > 0 else sign
    if large:
        s.large_flow += sign * size
        s.hit = 1 if sign > 0 else 0  # a buyer takes the asks
        s.before = _near(book, s.levels, s.hit)
        s.after = -1
    if s.mid != NONE and s.known and price != NO_PRICE:
        s.paid += sign * 2.0 * (price - 0.5 * s.mid) * size
        s.paid_size += size
        i = (s.due_head + s.due_count) % len(due)
        due[i, 0], due[i, 1], due[i, 2], due[i, 3] = stamp + REALISED, price, sign * size, s.mid
        s.due_count += 1


@njit(cache=True, nogil=True)
def _fill_buckets(s: Any, buckets: Int64, sign: int, size: int) -> None:
    """A trade, split over VPIN's buckets; each full one leaves its |imbalance|. An unsigned one adds none."""
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


@njit(cache=True, nogil=True)
def _realise(s: Any, due: Int64) -> None:
    """The oldest trade's spread is realised against the mid that stands."""
    i = s.due_head % len(due)
    if s.mid != NONE:
        size = due[i, 2]
        s.realised += 2.0 * (due[i, 1] - 0.5 * s.mid) * size
        s.impact += 2.0 * (0.5 * s.mid - 0.5 * due[i, 3]) * size
        s.due_size += abs(size)
    s.due_head = (s.due_head + 1) % len(due)
    s.due_count -= 1


@njit(cache=True, nogil=True)
def _restart(s: Any, stamp: int) -> None:
    """Nothing is measured across this: what looks back begins anew. A bar's plain sums stay."""
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


@njit(cache=True, nogil=True)
def _decay(s: Any, stamp: int) -> None:
    if stamp > s.decay_time:
        factor = math.exp(-(stamp - s.decay_time) / DECAY)
        s.decayed_events *= factor
        s.decayed_trades *= factor
        s.decayed_sign *= factor
        s.decay_time = stamp


@njit(cache=True, nogil=True)
def _stand(s: Any, book: Int64, until: int) -> None:
    """The time up to `until` counts for the spread that stood."""
    if s.known and s.mid != NONE and until > s.stood:
        s.spread_time += float(book[2] - book[0]) * float(until - s.stood)
        s.both += until - s.stood
    s.stood = until


@njit(cache=True, nogil=True)
def _mid(book: Int64) -> int:
    """Bid + ask, twice the mid; NONE where a side is missing."""
    if book[0] == NO_BID or book[2] == NO_ASK:
        return NONE
    return book[0] + book[2]


@njit(cache=True, nogil=True)
def _near(book: Int64, levels: int, side: int) -> int:
    size = 0
    for m in range(min(levels, NEAR)):
        size += book[4 * m + 2 * side + 1]
    return size


# --- windows ---------------------------------------------------------------------------------------------------------


@njit(cache=True, nogil=True)
def _forget(s: Any, ring: Int64, stamp: int) -> None:
    """Readings that no window will ask for again: what is needed is one at or before stamp - longest."""
    n = len(ring)
    while s.ring_count > 1 and ring[(s.ring_head + 1) % n, TIME] <= stamp - s.longest:
        s.ring_head = (s.ring_head + 1) % n
        s.ring_count -= 1


@njit(cache=True, nogil=True)
def _remember(s: Any, total: Int64, ring: Int64, stamp: int) -> None:
    """Takes a reading; rows of one time leave one."""
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


@njit(cache=True, nogil=True)
def _reading(s: Any, ring: Int64, at: int) -> int:
    """Where in `ring` the last reading at or before `at` is; -1 where `at` lies before the start."""
    if not s.known or at < s.start or s.ring_count == 0:
        return -1
    n = len(ring)
    low, high = 0, s.ring_count - 1
    while low < high:
        middle = (low + high + 1) // 2
        if ring[(s.ring_head + middle) % n, TIME] <= at:
            low = middle
        else:
            high = middle - 1
    return (s.ring_head + low) % n


@njit(cache=True, nogil=True)
def sums(state: NDArray, total: Int64, opened: Int64, ring: Int64, t: int, windows: Int64, out: Int64) -> int:
    """Writes to `out` (1 + len(windows), 5·flow_levels + 3) flow by part and level, states, depth and sides: of the
    bar up to t, then of (t - w, t] for each window w in ns. Returns how many windows, the first ones, are known: the
    shorter come first.
    """
    s = state[0]
    count = PARTS * s.flow_levels + SIDES + 1
    for k in range(count):
        out[0, k] = total[k] - opened[k]
    for w in range(len(windows)):
        i = _reading(s, ring, t - windows[w])
        if i < 0:
            return w
        for k in range(count):
            out[1 + w, k] = total[k] - ring[i, LANES + FIXED_LANES + k]
    return len(windows)


# --- bars ------------------------------------------------------------------------------------------------------------


@njit(cache=True, nogil=True)
def begin(state: NDArray, total: Int64, opened: Int64, ring: Int64) -> None:
    """The session opens: what came before has set the book."""
    s = state[0]
    if s.known:
        _restart(s, s.open)
        s.last_mid = s.mid
        _remember(s, total, ring, s.open)
    _anew(s, total, opened, s.open)


@njit(cache=True, nogil=True)
def _anew(s: Any, total: Int64, opened: Int64, t: int) -> None:
    opened[:] = total
    s.bar_open = t
    s.high = s.last_mid
    s.low = s.last_mid
    s.jump = 0
    s.stood = t
    s.both = 0
    s.paid_size = 0
    s.due_size = 0
    s.priced_size = 0
    s.large_flow = 0
    s.squares = 0.0
    s.spread_time = 0.0
    s.paid = 0.0
    s.realised = 0.0
    s.impact = 0.0
    s.priced = 0.0
    s.value = 0.0


@njit(cache=True, nogil=True)
def close_bar(state: NDArray, total: Int64, opened: Int64, book: Int64, due: Int64, closes: Float, t: int) -> None:
    """The bar closes at t, and the next one opens."""
    s = state[0]
    while s.due_count and due[s.due_head % len(due), 0] <= t:
        _realise(s, due)
    _stand(s, book, t)
    _present(s, total, opened, book, closes)
    s.closed += s.known
    _anew(s, total, opened, t)


@njit(cache=True, nogil=True)
def _present(s: Any, total: Int64, opened: Int64, book: Int64, closes: Float) -> None:
    """Writes the bar as it stands to its place among the closes."""
    part = PARTS * s.flow_levels
    i = s.closed % (BARS + 1)
    both = s.known and s.mid != NONE
    closes[i, MID] = s.mid / (2.0 * s.tick) if both else NAN
    closes[i, SPREAD] = (book[2] - book[0]) / s.tick if both else NAN
    bid, ask = _shown(book, 0, s.levels)
    closes[i, SHOWN] = (bid + ask) / 2.0
    width = s.flow_levels
    closes[i, FLOW] = total[0] - opened[0] - (total[width] - opened[width])
    closes[i, SIGNED] = total[part + BOUGHT] - opened[part + BOUGHT] - (total[part + SOLD] - opened[part + SOLD])
    closes[i, VALUE] = s.value
    closes[i, QUEUE] = _ratio(book[1] - book[3], book[1] + book[3])


# --- features at t ---------------------------------------------------------------------------------------------------


@njit(cache=True, nogil=True)
def features(
    state: NDArray,
    total: Int64,
    opened: Int64,
    book: Int64,
    ring: Int64,
    due: Int64,
    closes: Float,
    prints: Int64,
    buckets: Int64,
    t: int,
    out: Float,
) -> None:
    """Writes all features at t to `out` (FEATURES,). Nothing but the present bar's place among the closes changes."""
    s = state[0]
    out[:] = NAN
    out[TIME_OF_DAY] = (t + s.utc_offset) % (24 * 60 * MINUTE) / (60.0 * MINUTE)
    out[MINUTES_SINCE_OPEN] = (t - s.open) / MINUTE
    out[MINUTES_TO_CLOSE] = (s.scheduled_close - t) / MINUTE
    out[DAY_OF_WEEK] = s.weekday
    if not s.known:
        return
    _present(s, total, opened, book, closes)
    _windows(s, total, ring, t, out)
    _of_flow(s, total, opened, out)
    _of_depth(s, book, out)
    _of_spread(s, book, due, t, out)
    _of_shape(s, book, out)
    _of_trades(s, total, opened, t, out)
    _of_bars(s, closes, out)
    _of_price(s, closes, out)
    _of_toxicity(s, closes, prints, buckets, out)
    _of_arrival(s, total, opened, t, out)


@njit(cache=True, nogil=True)
def _windows(s: Any, total: Int64, ring: Int64, t: int, out: Float) -> None:
    flow = total[0] - total[s.flow_levels]
    part = PARTS * s.flow_levels
    for k in range(len(WINDOWS)):
        if WINDOWS[k] > s.longest:
            break
        i = _reading(s, ring, t - WINDOWS[k])
        if i >= 0:
            out[OFI_1S + k] = flow - (ring[i, LANES + LANE_BID] - ring[i, LANES + LANE_ASK])
    if s.longest >= 10 * SECOND:
        out[RETURN_10S] = _move(s, ring, _reading(s, ring, t - 10 * SECOND))
    if s.longest >= MINUTE:
        i = _reading(s, ring, t - MINUTE)
        out[RETURN_60S] = _move(s, ring, i)
        if i >= 0:
            lane = LANES
            bought = total[part + BOUGHT] - ring[i, lane + LANE_BOUGHT]
            out[SIGNED_VOLUME_60S] = bought - (total[part + SOLD] - ring[i, lane + LANE_SOLD])
            out[EVENT_RATE_60S] = (total[part + STATES] - ring[i, lane + LANE_STATES]) / 60.0
            out[TRADE_RATE_60S] = (total[part + COUNT] - ring[i, lane + LANE_COUNT]) / 60.0


@njit(cache=True, nogil=True)
def _move(s: Any, ring: Int64, i: int) -> float:
    if i < 0 or s.mid == NONE or ring[i, MID2] == NONE:
        return NAN
    return (s.mid - ring[i, MID2]) / (2.0 * s.tick)


@njit(cache=True, nogil=True)
def _of_flow(s: Any, total: Int64, opened: Int64, out: Float) -> None:
    width = s.flow_levels
    bid = total[0] - opened[0]
    ask = total[width] - opened[width]
    out[BID_FLOW_BAR] = bid
    out[ASK_FLOW_BAR] = ask
    if s.typed:
        out[OFI_ADDS] = total[ADDS * width] - opened[ADDS * width]
        out[OFI_CANCELS] = total[CANCELS * width] - opened[CANCELS * width]
        out[OFI_TRADES] = total[TRADES * width] - opened[TRADES * width]
    if width > 1:
        deep = 0
        for m in range(1, width):
            deep += total[m] - opened[m] - (total[width + m] - opened[width + m])
        out[OFI_DEEP] = deep


@njit(cache=True, nogil=True)
def _shown(book: Int64, first: int, last: int) -> tuple[int, int]:
    bid = 0
    ask = 0
    for m in range(first, last):
        bid += book[4 * m + 1]
        ask += book[4 * m + 3]
    return bid, ask


@njit(cache=True, nogil=True)
def _ratio(top: float, bottom: float) -> float:
    return top / bottom if bottom > 0 else NAN


@njit(cache=True, nogil=True)
def _of_depth(s: Any, book: Int64, out: Float) -> None:
    best = book[1] + book[3]
    bid5, ask5 = _shown(book, 0, min(NEAR, s.levels))
    bid, ask = _shown(book, 0, s.levels)
    out[DEPTH_BEST] = best / 2.0
    out[DEPTH_5] = (bid5 + ask5) / 2.0
    out[DEPTH_ALL] = (bid + ask) / 2.0
    out[QUEUE_IMBALANCE] = _ratio(book[1] - book[3], best)
    out[IMBALANCE_5] = _ratio(bid5 - ask5, bid5 + ask5)
    out[DEPTH_IMBALANCE] = _ratio(bid - ask, bid + ask)
    if bid > 0 and ask > 0:
        out[DEPTH_RATIO] = math.log(bid / ask)
    out[BEST_SHARE] = _ratio(best, bid + ask)


@njit(cache=True, nogil=True)
def _of_spread(s: Any, book: Int64, due: Int64, t: int, out: Float) -> None:
    if s.mid != NONE:
        spread = book[2] - book[0]
        out[SPREAD_TICKS] = spread / s.tick
        if s.mid > 0:
            out[SPREAD_BPS] = 2e4 * spread / s.mid
        out[MICROPRICE_OFFSET] = out[QUEUE_IMBALANCE] * out[SPREAD_TICKS] / 2.0
        out[COST_BUY] = _cost(s, book, 1)
        out[COST_SELL] = _cost(s, book, 0)
    both, spread_time = s.both, s.spread_time
    if s.mid != NONE and t > s.stood:
        both += t - s.stood
        spread_time += float(book[2] - book[0]) * float(t - s.stood)
    if both:
        out[SPREAD_MEAN] = spread_time / both / s.tick
    if s.paid_size:
        out[EFFECTIVE_SPREAD] = s.paid / s.paid_size / s.tick
    realised, impact, size = s.realised, s.impact, s.due_size
    for k in range(s.due_count):
        i = (s.due_head + k) % len(due)
        if due[i, 0] > t:
            break
        if s.mid != NONE:
            realised += 2.0 * (due[i, 1] - 0.5 * s.mid) * due[i, 2]
            impact += 2.0 * (0.5 * s.mid - 0.5 * due[i, 3]) * due[i, 2]
            size += abs(due[i, 2])
    if size:
        out[REALISED_SPREAD] = realised / size / s.tick
        out[PRICE_IMPACT] = impact / size / s.tick


@njit(cache=True, nogil=True)
def _cost(s: Any, book: Int64, side: int) -> float:
    """Average price less mid of taking `trade_size` from the asks (1), mid less average price from the bids (0)."""
    left = s.trade_size
    cost = 0.0
    best = book[2 * side]
    for m in range(s.levels):
        take = min(left, book[4 * m + 2 * side + 1])
        if take:
            cost += float(abs(book[4 * m + 2 * side] - best)) * take
            left -= take
    if left:
        return NAN
    to_mid = best - 0.5 * s.mid if side else 0.5 * s.mid - best
    return (cost / s.trade_size + to_mid) / s.tick


@njit(cache=True, nogil=True)
def _of_shape(s: Any, book: Int64, out: Float) -> None:
    if s.mid != NONE:
        for side in range(2):
            size = 0
            away = 0.0
            deepest = 0
            for m in range(s.levels):
                price = book[4 * m + 2 * side]
                if price in (NO_BID, NO_ASK):
                    continue
                q = book[4 * m + 2 * side + 1]
                distance = 2 * price - s.mid if side else s.mid - 2 * price
                size += q
                away += float(distance) * q
                deepest = distance
            if deepest > 0:
                out[BID_SLOPE + side] = 2.0 * size * s.tick / deepest
            if size:
                out[BID_DISTANCE + side] = away / size / (2.0 * s.tick)
            if s.levels > 1:
                second = book[4 + 2 * side]
                if second != NO_BID and second != NO_ASK:
                    out[BID_GAP + side] = abs(second - book[2 * side]) / s.tick
        slopes = out[BID_SLOPE] + out[ASK_SLOPE]
        if slopes > 0:
            out[SLOPE_IMBALANCE] = (out[BID_SLOPE] - out[ASK_SLOPE]) / slopes
    if s.hit >= 0 and 0 <= s.after < s.before:
        out[RESILIENCE] = (_near(book, s.levels, s.hit) - s.after) / (s.before - s.after)


@njit(cache=True, nogil=True)
def _of_trades(s: Any, total: Int64, opened: Int64, t: int, out: Float) -> None:
    part = PARTS * s.flow_levels
    bought = total[part + BOUGHT] - opened[part + BOUGHT]
    sold = total[part + SOLD] - opened[part + SOLD]
    count = total[part + COUNT] - opened[part + COUNT]
    out[BUY_VOLUME] = bought
    out[SELL_VOLUME] = sold
    out[TRADE_IMBALANCE] = _ratio(bought - sold, bought + sold)
    out[TRADE_COUNT] = count
    out[SIGNED_COUNT] = total[part + BUYS] - opened[part + BUYS] - (total[part + SELLS] - opened[part + SELLS])
    out[MEAN_TRADE_SIZE] = _ratio(total[part + TRADED] - opened[part + TRADED], count)
    out[LARGE_TRADE_FLOW] = s.large_flow
    if s.mid != NONE and s.priced_size:
        out[VWAP_DISTANCE] = (0.5 * s.mid - s.priced / s.priced_size) / s.tick
    out[AGGRESSOR_RUN] = s.run


@njit(cache=True, nogil=True)
def _back(closes: Float, closed: int, j: int, field: int) -> float:
    """A field of the bar j before the present one; the caller knows that there is one."""
    return closes[(closed - j) % (BARS + 1), field]


@njit(cache=True, nogil=True)
def _zscore(closes: Float, closed: int, field: int) -> float:
    """Of the present bar's value among the last BARS; NaN values of others are left out."""
    now = _back(closes, closed, 0, field)
    if math.isnan(now):
        return NAN
    count = 0
    mean = 0.0
    low = now
    high = now
    for j in range(min(closed + 1, BARS)):
        value = _back(closes, closed, j, field)
        if not math.isnan(value):
            count += 1
            mean += value
            low = min(low, value)
            high = max(high, value)
    if count < FEWEST or low == high:
        return NAN
    mean /= count
    squares = 0.0
    for j in range(min(closed + 1, BARS)):
        value = _back(closes, closed, j, field)
        if not math.isnan(value):
            squares += (value - mean) ** 2
    return (now - mean) / math.sqrt(squares / (count - 1))


@njit(cache=True, nogil=True)
def _of_bars(s: Any, closes: Float, out: Float) -> None:
    closed = s.closed
    now = _back(closes, closed, 0, FLOW)
    out[OFI_TO_DEPTH] = _ratio(now, out[DEPTH_BEST])
    out[OFI_ZSCORE] = _zscore(closes, closed, FLOW)
    out[DEPTH_ZSCORE] = _zscore(closes, closed, SHOWN)
    out[SPREAD_ZSCORE] = _zscore(closes, closed, SPREAD)
    if closed:
        out[OFI_ACCELERATION] = now - _back(closes, closed, 1, FLOW)
        out[IMBALANCE_CHANGE] = out[QUEUE_IMBALANCE] - _back(closes, closed, 1, QUEUE)
    mid = _back(closes, closed, 0, MID)
    if closed >= 1:
        out[RETURN_1] = mid - _back(closes, closed, 1, MID)
    if closed >= 6:
        out[RETURN_6] = mid - _back(closes, closed, 6, MID)
    if closed >= BARS:
        out[RETURN_30] = mid - _back(closes, closed, BARS, MID)
        way = 0.0
        for j in range(BARS):
            way += abs(_back(closes, closed, j, MID) - _back(closes, closed, j + 1, MID))
        if way > 0:
            out[EFFICIENCY] = out[RETURN_30] / way


@njit(cache=True, nogil=True)
def _of_price(s: Any, closes: Float, out: Float) -> None:
    bars = min(s.closed, BARS)
    count = 0
    mean = 0.0
    for j in range(bars):
        change = _back(closes, s.closed, j, MID) - _back(closes, s.closed, j + 1, MID)
        if not math.isnan(change):
            count += 1
            mean += change
    if count >= FEWEST:
        mean /= count
        squares = 0.0
        for j in range(bars):
            change = _back(closes, s.closed, j, MID) - _back(closes, s.closed, j + 1, MID)
            if not math.isnan(change):
                squares += (change - mean) ** 2
        out[VOLATILITY_30] = math.sqrt(squares / (count - 1))
    if s.last_mid != NONE:
        out[REALISED_VOLATILITY] = 1e4 * math.sqrt(s.squares)
    if s.high != NONE:
        out[RANGE] = (s.high - s.low) / (2.0 * s.tick)
    out[JUMP] = s.jump / (2.0 * s.tick)


@njit(cache=True, nogil=True)
def _of_toxicity(s: Any, closes: Float, prints: Int64, buckets: Int64, out: Float) -> None:
    full = min(s.filled, BUCKETS)
    if full >= FEWEST_BUCKETS and s.signed:
        imbalance = 0.0
        for k in range(full):
            imbalance += buckets[k]
        out[VPIN] = imbalance / full / s.bucket
    out[ROLL_SPREAD] = _roll(s, prints)
    bars = min(s.closed, BARS)
    known = 0
    traded = 0
    x_mean = 0.0
    y_mean = 0.0
    illiquidity = 0.0
    for j in range(bars):
        before = _back(closes, s.closed, j + 1, MID)
        change = _back(closes, s.closed, j, MID) - before
        if math.isnan(change):
            continue
        known += 1
        x_mean += _back(closes, s.closed, j, SIGNED)
        y_mean += change
        value = _back(closes, s.closed, j, VALUE)
        if value > 0 and before > 0 and before + change > 0:
            traded += 1
            illiquidity += 1e10 * abs(math.log((before + change) / before)) / value
    if traded >= FEWEST:
        out[AMIHUD] = illiquidity / traded
    if known >= FEWEST:
        x_mean /= known
        y_mean /= known
        xx = 0.0
        xy = 0.0
        first = NAN
        varies = False
        for j in range(bars):
            change = _back(closes, s.closed, j, MID) - _back(closes, s.closed, j + 1, MID)
            if math.isnan(change):
                continue
            x = _back(closes, s.closed, j, SIGNED)
            if math.isnan(first):
                first = x
            varies = varies or x != first
            xx += (x - x_mean) ** 2
            xy += (x - x_mean) * (change - y_mean)
        if varies:
            out[KYLE_LAMBDA] = xy / xx


@njit(cache=True, nogil=True)
def _roll(s: Any, prints: Int64) -> float:
    n = min(s.printed, ROLL_TRADES)
    if n < FEWEST_TRADES:
        return NAN
    oldest = s.printed - n
    x_mean = 0.0
    y_mean = 0.0
    for i in range(1, n - 1):
        x_mean += prints[(oldest + i) % ROLL_TRADES] - prints[(oldest + i - 1) % ROLL_TRADES]
        y_mean += prints[(oldest + i + 1) % ROLL_TRADES] - prints[(oldest + i) % ROLL_TRADES]
    x_mean /= n - 2
    y_mean /= n - 2
    product = 0.0
    for i in range(1, n - 1):
        here = prints[(oldest + i) % ROLL_TRADES]
        x = here - prints[(oldest + i - 1) % ROLL_TRADES]
        y = prints[(oldest + i + 1) % ROLL_TRADES] - here
        product += (x - x_mean) * (y - y_mean)
    covariance = product / (n - 2)
    return 2.0 * math.sqrt(-covariance) / s.tick if covariance < 0 else 0.0


@njit(cache=True, nogil=True)
def _of_arrival(s: Any, total: Int64, opened: Int64, t: int, out: Float) -> None:
    part = PARTS * s.flow_levels
    out[LOG_EVENTS] = math.log1p(total[part + STATES] - opened[part + STATES])
    factor = math.exp(-(t - s.decay_time) / DECAY) if t > s.decay_time else 1.0
    out[DECAYED_EVENTS] = s.decayed_events * factor
    out[DECAYED_TRADES] = s.decayed_trades * factor
    out[DECAYED_SIGN] = s.decayed_sign * factor
    if s.last_trade != NONE:
        out[SECONDS_SINCE_TRADE] = (t - s.last_trade) / SECOND
    if s.last_move != NONE:
        out[SECONDS_SINCE_MOVE] = (t - s.last_move) / SECOND


# --- a session -------------------------------------------------------------------------------------------------------


@njit(cache=True, nogil=True)
def run(
    state: NDArray,
    total: Int64,
    opened: Int64,
    book: Int64,
    ring: Int64,
    due: Int64,
    closes: Float,
    prints: Int64,
    buckets: Int64,
    rows: Int64,
    until: int,
    edges: Int64,
    windows: Int64,
    position: Int64,
    out: Float,
    flow_out: Int64,
    known_out: Int64,
    columns: Int64,
) -> int:
    """Feeds `rows` (n, BOOK + 4·levels) from row `position[0]` on, and writes a line for each bar that ends before, and
    for those that end before `until`, if no row comes before it.

    `edges` (k + 1,) are the bars' bounds, `position[1]` the next of them to pass; `out` (k, len(columns)) takes those
    `columns` of the features, `flow_out`
    (k, 1 + windows, 5·flow_levels + 3), `known_out` (k,). `position` says how far it came. Returns 0, or what is full.
    """
    n = len(rows)
    values = np.empty(FEATURES)
    while True:
        stamp = rows[position[0], STAMP] if position[0] < n else until
        while position[1] < len(edges) and edges[position[1]] < stamp:
            k, t = position[1] - 1, edges[position[1]]
            if k < 0:
                begin(state, total, opened, ring)
            else:
                features(state, total, opened, book, ring, due, closes, prints, buckets, t, values)
                for j in range(len(columns)):
                    out[k, j] = values[columns[j]]
                known_out[k] = sums(state, total, opened, ring, t, windows, flow_out[k])
                close_bar(state, total, opened, book, due, closes, t)
            position[1] += 1
        if position[0] >= n:
            return 0
        full = step(state, total, book, ring, due, prints, buckets, rows[position[0]])
        if full:
            return full
        position[0] += 1
