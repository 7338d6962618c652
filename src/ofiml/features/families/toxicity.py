"""The toxicity of flow, and the price impact of trading."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from ofiml.features.entry import BARS, EVEN, FEWEST, Feature
from ofiml.features.layout import BUCKETS, NAN, ROLL_TRADES
from ofiml.features.measures import bar_back

if TYPE_CHECKING:
    from ofiml.features.memory import Memory

ENTRIES = (
    Feature(
        "vpin",
        "toxicity",
        "mean of |V_buy - V_sell|/V over the last 50 complete buckets of V = features.vpin_bucket since the start; "
        "a trade that straddles buckets is split, an unsigned one is half bought and half sold",
        "1",
        "fewer than 10 buckets are complete, or no signed trade since the start",
        EVEN,
        session=True,
        source="Easley, López de Prado & O'Hara 2012",
    ),
    Feature(
        "kyle_lambda",
        "toxicity",
        "least-squares slope, with intercept, of the one-bar mid change on D·volume of the bar, over those of the "
        "last 30 bars whose change is known",
        "ticks per lot",
        "fewer than 10 such bars, or no variance of volume",
        EVEN,
        -1,
        bars=BARS,
        source="Kyle 1985",
    ),
    Feature(
        "amihud",
        "toxicity",
        "mean of 10^4·|ln(mid/mid of the bar before)| / (Σ |price|·size/10^6) over those of the last 30 bars with "
        "both mids positive and a trade at another price than 0",
        "bps a million",
        "fewer than 10 such bars",
        EVEN,
        -1,
        bars=BARS,
        relative=True,
        source="Amihud 2002",
    ),
    Feature(
        "roll_spread",
        "toxicity",
        "2·sqrt(max(0, -cov(Δp_i, Δp_(i-1)))), the covariance (divisor n) over the pairs of successive price "
        "changes among the last 101 trades since the start, signed or not",
        "ticks",
        "fewer than 21 trades",
        EVEN,
        session=True,
        source="Roll 1984",
    ),
)


FEWEST_BUCKETS = 10
_FEWEST_TRADES = 21


def fill(m: Memory, t: int, out: Any) -> None:
    """Write the family's features at t to `out`."""
    s = m.state
    full = min(s.filled, BUCKETS)
    if full >= FEWEST_BUCKETS and s.signed:
        imbalance = 0.0
        for k in range(full):
            imbalance += s.buckets[k]
        out.vpin = imbalance / full / s.bucket
    _fill_impact(s, out)
    out.roll_spread = _roll_spread(s)


def _fill_impact(s: Any, out: Any) -> None:
    bars = min(s.closed, BARS)
    known = 0
    traded = 0
    x_mean = 0.0
    y_mean = 0.0
    illiquidity = 0.0
    for j in range(bars):
        before = bar_back(s.mids, s.closed, j + 1)
        change = bar_back(s.mids, s.closed, j) - before
        if math.isnan(change):
            continue
        known += 1
        x_mean += bar_back(s.volumes, s.closed, j)
        y_mean += change
        value = bar_back(s.values, s.closed, j)
        if value > 0 and before > 0 and before + change > 0:
            traded += 1
            illiquidity += 1e10 * abs(math.log((before + change) / before)) / value
    if traded >= FEWEST:
        out.amihud = illiquidity / traded
    if known >= FEWEST:
        out.kyle_lambda = _slope(s, bars, x_mean / known, y_mean / known)


def _slope(s: Any, bars: int, x_mean: float, y_mean: float) -> float:
    """Compute the slope of the mid's change on signed volume; NaN where the volume does not vary."""
    xx = 0.0
    xy = 0.0
    first = NAN
    varies = False
    for j in range(bars):
        change = bar_back(s.mids, s.closed, j) - bar_back(s.mids, s.closed, j + 1)
        if math.isnan(change):
            continue
        x = bar_back(s.volumes, s.closed, j)
        if math.isnan(first):
            first = x
        varies = varies or x != first
        xx += (x - x_mean) ** 2
        xy += (x - x_mean) * (change - y_mean)
    return xy / xx if varies else NAN


def _roll_spread(s: Any) -> float:
    prints = s.prints
    n = min(s.printed, ROLL_TRADES)
    if n < _FEWEST_TRADES:
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
