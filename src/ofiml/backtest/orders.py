"""The codes of execution, and the records of orders, fills, traders and the scene that they share.

An order passes these states. It is SENT until it arrives. It then meets the book, or is WAITING for it while nothing is
tradable. What is not filled at once is RESTING or at its end. It has ENDED when it is filled, cancelled, rejected or
expired, which its trader learns one `response` later.
"""

from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

#: The end of time.
NEVER = 2**63 - 1
#: Before all times: what lasts until then has ended.
BEFORE_ALL = -(2**63)
#: The price of a marketable order.
MARKET = -1

SENT, WAITING, RESTING, ENDED = range(4)


class Queue(IntEnum):
    """How the place of a resting order in its queue is known; see `queue`."""

    THROUGH = 0
    TOUCH = 1
    PESSIMISTIC = 2
    PROPORTIONAL = 3
    POWER = 4
    EXACT = 5


class Reason(IntEnum):
    """Why an order was sent."""

    SIGNAL = 0
    EXPIRED = 1
    STOP = 2
    TAKE_PROFIT = 3
    CLOSE = 4
    LOSS_LIMIT = 5
    QUOTE = 6


class Status(IntEnum):
    """How an order ended: whole, in part, or without a fill for one of four causes.

    LATE is an order that would have arrived after the session's close.
    """

    FILLED = 0
    PARTLY = 1
    CANCELLED = 2
    REJECTED = 3
    EXPIRED = 4
    LATE = 5


# The members as plain integers, which kernels read faster than members of an enum.
THROUGH, TOUCH, PESSIMISTIC, PROPORTIONAL, POWER, EXACT = (int(q) for q in Queue)
SIGNAL, EXPIRY, STOP, TAKE_PROFIT, CLOSE, LOSS_LIMIT, QUOTED = (int(r) for r in Reason)
FILLED, PARTLY, CANCELLED, REJECTED, EXPIRED, LATE = (int(s) for s in Status)

# A trader's orders stand in slots: its bid and its ask, a marketable order and what rests of it, and the orders that
# will replace bid and ask.
BID_SLOT, ASK_SLOT, MARKET_SLOT, NEW_BID_SLOT, NEW_ASK_SLOT, SLOTS = range(6)


#: How many prices a side are remembered at which lots were taken.
TAKEN_LEVELS = 256

#: How many requests of a trader may be on their way, a power of 2. As they arrive in the order of sending, there are at
#: most a cancel of each order that has arrived, and an order and its cancel for each slot.
REQUESTS_ON_WAY = 16


def _record(integers: str, floats: str = "", codes: str = "", **arrays: int) -> np.dtype:
    """Make a record of integers, floats, codes of one byte, and arrays of integers; its elements have attributes in
    Python, too.
    """
    fields: list[Any] = [(name, np.int64) for name in integers.split()]
    fields += [(name, np.float64) for name in floats.split()]
    fields += [(name, np.int8) for name in codes.split()]
    assert not any(hasattr(np.void, field[0]) for field in fields), "numpy's own attributes would come first"
    fields += [(name, np.int64, length) for name, length in arrays.items()]
    return np.dtype((np.record, np.dtype(fields, align=True)))


#: An order while it is in a slot. There it stands in one of few rows, which stay in the processor's cache, and comes
#: to its row of the long table of reports when its slot is free again. `next` and `previous` are its neighbours in the
#: list of its level, see `ladder`; `touched` is the order in `scene.touched` before it, or itself. `awaited` is 0 if
#: the order that replaces it is as wanted: a repeated decision then would not act on the news of its end.
ORDER = _record(
    "number sent arrived ended side price lots filled maker reason status "
    "state request cancel_request known_end known_filled asked base_filled replaces "
    "mid2_decided mid2_arrived traded traded_at touched trader next previous awaited",
    "ahead ahead_at_join",
)

#: An order that is reported, in as few bytes as it needs: new memory is most of what a report costs.
REPORT = _record("sent arrived ended price lots filled", "ahead_at_join", codes="side maker reason status")

FILL = _record(
    "order time known price lots maker touch mid2_decided mid2_arrived mid2_filled beyond_shown", "ahead_at_join"
)

TRADER = _record(
    # what is given
    "queue response cap latency_start latency_count latency_by_time first_row "
    # what the exchange knows; `met` is the last trade that met its orders, and `used` the lots of it that they got
    "position orders fills took received met used "
    # what the trader knows and wants; `news` is when it next learns of a fill or an end. An `eager` trader acts on news
    # at once, others at the next decision. Before `settled_until`, decisions that repeat the last one change nothing.
    "known learnt requests last_arrival tried until leave stopped closing wake news eager settled_until "
    "low_bid high_bid low_ask high_ask",
    "power size_factor loss entry cash costs",
    slots=SLOTS,
    # request k, in row k modulo their number: when it arrives, and the rows of the orders that it cancels and places
    arrivals=REQUESTS_ON_WAY,
    cancels=REQUESTS_ON_WAY,
    places=REQUESTS_ON_WAY,
    # the lots taken of what bids and asks still show, and their prices, -1 for none; `took` of these rows are in use
    taken=2 * TAKEN_LEVELS,
    taken_price=2 * TAKEN_LEVELS,
    taken_rows=2 * TAKEN_LEVELS,
)

SCENE = _record(
    # what is given: `contract` to `maker_rate` are the instrument's numbers
    "base_ticks span stop_ticks take_ticks post rest flat_from close contract capacity "
    # the market: at the exchange, and as it is known
    "now goal eager message stop tradable bid ask mid2 scanned received known_bid known_ask known_mid2 known_scanned "
    # how many orders of all traders rest or wait; prices than which no resting one is better; the last order whose
    # level this message changed after a trade, as its row plus 1
    "wake resting waiting best_bid best_ask touched changed full is_flat meetings "
    # before this time all traders are settled; up to `repeated`, decisions repeat the one before
    "settled_until repeated "
    # whether some trader took what is still shown, and the best prices of it
    "took kept_bid kept_ask "
    # outside of these bounds, the known quotes make some trader act
    "watching low_bid high_bid low_ask high_ask",
    "share_of_shown share_of_traded factor taker_lot taker_rate maker_lot maker_rate",
    shown=2,
    closing=2,
)

Records = NDArray
"""An array of one of these records."""
