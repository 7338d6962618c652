"""Latency: how long a decision takes to the exchange, and the answer back."""

from dataclasses import dataclass

import numpy as np

from ofiml._typing import Int64
from ofiml.errors import DataError

_DRAWS = 4096


@dataclass(frozen=True, slots=True)
class Latency:
    """The times from decisions to the exchange, ns, and `response`, the time back.

    Without `times`, request k (an order, a cancel, or both at once) takes values[k mod n]. With `times` (n,), ascending
    UTC ns, a request takes the value of the last time before it, or the first value if there is none. Requests of one
    trader never overtake each other: one arrives no earlier than the one before.
    """

    values: Int64
    response: int = 0
    times: Int64 | None = None

    def __post_init__(self) -> None:
        if len(self.values) == 0 or np.min(self.values) < 0 or self.response < 0:
            raise DataError("A latency needs at least one value, and none below 0.")
        if self.times is not None and (len(self.times) != len(self.values) or (np.diff(self.times) < 0).any()):
            raise DataError("The table of latencies needs as many times as values, in ascending order.")

    def expect(self, sent: Int64) -> Int64:
        """Return the latency of a request at each time (n,), ns; where it is drawn, the first draw."""
        if self.times is None:
            return np.full(len(sent), self.values[0])
        return self.values[np.maximum(np.searchsorted(self.times, sent, side="right") - 1, 0)]


def fix_latency(ns: int, response: int = 0) -> Latency:
    """Make a latency that never changes."""
    return Latency(np.array([ns], np.int64), response)


def draw_latency(median: int, sigma: float, seed: int, response: int = 0) -> Latency:
    """Draw lognormal latencies, ns, with this median and this deviation of their logarithm; cycled by request."""
    draws = median * np.exp(sigma * np.random.default_rng(seed).standard_normal(_DRAWS))
    return Latency(np.rint(draws).astype(np.int64), response)


def find_latency(table: Int64, start: int, count: int, by_time: bool, number: int, now: int) -> int:
    """Find the latency of request `number`, sent at `now`, in `count` rows (value, time) from `start` on."""
    if not by_time:
        return table[start + number % count if count > 1 else start, 0]  # a division takes long
    low, high = start, start + count  # the first time after `now` lies in [low, high]
    while low < high:
        middle = (low + high) // 2
        if table[middle, 1] <= now:
            low = middle + 1
        else:
            high = middle
    return table[max(start, low - 1), 0]
