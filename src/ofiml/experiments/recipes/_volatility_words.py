"""The sentences of `volatility_and_sizes` about volatility."""

import numpy as np

from ofiml.experiments.recipes._order_sizes import SIGNIFICANT
from ofiml.metrics.realised import Volatility

MID, PRINT = "mid", "price of the trades"
_INFLATED = 1.1


def say_error(one: Volatility) -> str:
    """Say how much larger the clustered error is than that of independent returns; empty if one is not known."""
    if not (one.error > 0 and one.clustered_error > 0):
        return ""
    return f"The clustered error per trade is {one.clustered_error / one.error:.1f} times the independent one. "


def say_bounce(by_trade: dict[str, float], by_bar: float, prints: Volatility) -> str:
    """Compare the volatility of an hour by the trades' prices and by the mid on both clocks; empty if not known."""
    if not (prints.count and by_trade[MID] > 0 and by_bar > 0):
        return ""
    said = (
        f"The trades' own prices give {by_trade[PRINT]:.0f} bps per √hour, the mid at the same trades "
        f"{by_trade[MID]:.0f} and by bars {by_bar:.0f}"
    )
    if by_trade[PRINT] > _INFLATED * by_trade[MID]:
        return f"{said}: steps between bid and ask, and orders that walk the book, inflate the first. "
    return f"{said}. "


def say_sides(bid: Volatility, ask: Volatility) -> str:
    """Say whether the best bid and ask differ in volatility, by errors that take the two for independent."""
    error = float(np.hypot(bid.clustered_error, ask.clustered_error))
    if not error > 0:
        return "The best bid and ask cannot be compared."
    z = (bid.value - ask.value) / error
    differ = f"{'more' if z > 0 else 'less'} volatile than the best ask" if abs(z) > SIGNIFICANT else ""
    return f"The best bid is {differ or 'as volatile as the best ask within the errors'} (z = {z:.1f}).".replace(
        "-", "−"
    )
