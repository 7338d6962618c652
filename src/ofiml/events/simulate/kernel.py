"""The event loop of the synthetic book. `run_py` is the specification, `run` its njit.

State. A latent pressure z follows an Ornstein-Uhlenbeck process with unit variance and relaxation time τ. The book
has a one-tick spread and a queue at every price. Events come at Poisson times, of two sorts:

- price moves, at rate `jump_rate`, up with probability (1 + price_tilt·tanh z)/2: the queue at the touch is traded
  away in one message and a new queue appears one tick behind the old touch of the other side, so that the mid moves
  by one tick;
- ordinary events at the remaining rate: with probability (1 + flow_bias·tanh z)/2 they press upwards (a bid is added,
an
  ask is cancelled, an ask is traded against), else downwards. They never empty a queue.

So flow reveals z, and the mid's drift is jump_rate·price_tilt·tanh z ticks a second. With price_tilt = 0 the mid is a
martingale whatever the flow does.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

Int64 = NDArray[np.int64]

# Codes as in events.schema: the positions of A, C, T in ACTION and of A, B in SIDE.
_ADD, _CANCEL, _TRADE = 0, 1, 4
_ASK, _BID = 0, 1

_LONGEST_QUEUE = 400  # lots, beyond which a queue attracts little
ROWS_A_MESSAGE = 2  # at most


@njit(cache=True)
def _new_queue(rng: np.random.Generator) -> int:
    return 10 + int(rng.exponential(40.0))


@njit(cache=True)
def _write(
    rows: Int64, n: int, action: int, side: int, price: int, size: int, last: int, bid: int,
    bids: Int64, asks: Int64, bid_queue: Int64, ask_queue: Int64,
) -> None:  # fmt: skip
    """Row n of the session: the event, and the book after it."""
    rows[n, 0] = action
    rows[n, 1] = side
    rows[n, 2] = price
    rows[n, 3] = size
    rows[n, 4] = last
    rows[n, 5] = bid
    for m in range(len(bid_queue)):
        bids[m, n] = bid_queue[m]
        asks[m, n] = ask_queue[m]


def run_py(
    rng: np.random.Generator,
    length: float,
    event_rate: float,
    jump_rate: float,
    tau: float,
    flow_bias: float,
    price_tilt: float,
    price: int,
    levels: int,
    seconds: NDArray[np.float64],
    pressure: NDArray[np.float64],
    rows: Int64,
    bids: Int64,
    asks: Int64,
) -> int:
    """Runs one session and returns the number of rows written.

    Out: `seconds` and `pressure` (n,); `rows` (n, 6) of action code, side (0 ask, 1 bid), price in ticks, size, last of
    message, best bid in ticks; `bids` and `asks` (levels, n) sizes by distance from the touch.
    """
    bid = price
    bid_queue = np.empty(levels, np.int64)
    ask_queue = np.empty(levels, np.int64)
    for m in range(levels):
        bid_queue[m] = _new_queue(rng)
        ask_queue[m] = _new_queue(rng)
    z = rng.standard_normal()
    now, n = 0.0, 0
    while n + ROWS_A_MESSAGE <= len(seconds):
        wait = rng.exponential(1.0 / event_rate)
        now += wait
        if now > length:
            break
        decay = np.exp(-wait / tau)
        z = z * decay + np.sqrt(1.0 - decay * decay) * rng.standard_normal()
        lean = np.tanh(z)
        first = n
        if rng.random() < jump_rate / event_rate:
            up = rng.random() < 0.5 * (1.0 + price_tilt * lean)
            side = _BID if up else _ASK
            touch = bid + 1 if up else bid
            hit = ask_queue if up else bid_queue
            behind = bid_queue if up else ask_queue
            _write(rows, n, _TRADE, side, touch, hit[0], 0, bid, bids, asks, bid_queue, ask_queue)
            n += 1
            for m in range(levels - 1):
                hit[m] = hit[m + 1]
            hit[levels - 1] = _new_queue(rng)
            for m in range(levels - 1, 0, -1):
                behind[m] = behind[m - 1]
            behind[0] = _new_queue(rng)
            bid += 1 if up else -1
            _write(rows, n, _ADD, side, touch, behind[0], 1, bid, bids, asks, bid_queue, ask_queue)
            n += 1
        else:
            up = rng.random() < 0.5 * (1.0 + flow_bias * lean)
            kind = rng.random()
            m = min(levels - 1, int(rng.exponential(levels / 4.0)))
            size = 1 + int(rng.exponential(8.0))
            action = _ADD if kind < 0.5 else _CANCEL if kind < 0.9 else _TRADE
            if action == _TRADE:
                m = 0
            taken_from = ask_queue if up else bid_queue
            if action != _ADD and taken_from[m] == 1:
                action = _ADD  # nothing to take without emptying the queue
            on_bid = up == (action == _ADD)
            queue = bid_queue if on_bid else ask_queue
            if action == _ADD:
                size = 1 if queue[m] > _LONGEST_QUEUE else size
                queue[m] += size
            else:
                size = min(size, queue[m] - 1)
                queue[m] -= size
            side = _BID if (up if action == _TRADE else on_bid) else _ASK
            at = bid - m if on_bid else bid + 1 + m
            _write(rows, n, action, side, at, size, 1, bid, bids, asks, bid_queue, ask_queue)
            n += 1
        for i in range(first, n):
            seconds[i] = now
            pressure[i] = z
    return n


run = njit(cache=True, nogil=True)(run_py)
