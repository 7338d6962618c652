"""What a rule gives for the bars of a session: signals to hold a position, or quotes."""

from typing import NamedTuple

import numpy as np

from ofiml._typing import Bool, Float, Int8, Int64


class Signals(NamedTuple):
    """The wanted side of each bar, (n,): 1 long, -1 short, 0 no new signal. `strength` (n,) is the signal in units of
    its threshold, at least 1 where there is one; `sizing=proportional` multiplies by it.
    """

    side: Int8
    strength: Float


class Quotes(NamedTuple):
    """The bid and the ask to post at each bar, (n,), in 1e-9 units; valid where `has_bid` and `has_ask`."""

    bid: Int64
    ask: Int64
    has_bid: Bool
    has_ask: Bool


def signal_beyond(value: Float, threshold: Float | float) -> Signals:
    """Signal long where value (n,) is above the threshold and short where it is below minus the threshold.

    NaN in either is no signal.
    """
    beyond = np.abs(value) > threshold
    side = np.where(beyond, np.sign(value), 0.0).astype(np.int8)
    return Signals(side, measure_strength(np.abs(value), threshold, beyond))


def measure_strength(value: Float, threshold: Float | float, beyond: Bool) -> Float:
    """Measure value/threshold (n,) where `beyond`, 1 elsewhere; infinite for a threshold of 0."""
    threshold = np.broadcast_to(np.asarray(threshold, np.float64), value.shape)
    strength = np.ones(value.shape)
    positive = beyond & (threshold > 0)
    strength[positive] = value[positive] / threshold[positive]
    strength[beyond & ~positive] = np.inf
    return strength
