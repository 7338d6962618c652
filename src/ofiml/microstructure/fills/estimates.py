"""Means over orders, with errors from the differences between days.

Orders of one day share its book and its news, and replicas of an order its start, so the errors count days. A mean of
n orders is a ratio Σ_d x_d / Σ_d w_d of sums by day: w counts orders, or filled orders. With u_d = (x_d - m·w_d) / Σ w,
the variance of the mean m is D/(D-1)·Σ u_d², and that of a difference of two means on the same days is the same with
u_d - u'_d (linearised ratio, clustered by day). Intervals are of Student's t with D - 1 degrees of freedom.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from scipy.stats import t as student

from ofiml._typing import Float
from ofiml.data.synthetic.own_orders import MARKOUTS
from ofiml.units import SECOND

#: The confidence of all intervals.
LEVEL = 0.95

MARKOUT_NAMES = tuple(f"markout_{after / SECOND:g}s" for after in MARKOUTS)
#: The measures by name, in the order of tables.
MEASURES = ("fill_probability", "filled_share", "seconds_to_fill", *MARKOUT_NAMES)


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean and the ends of its interval, NaN where there is nothing, or only one day for the interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class DaySums:
    """The sums (D,) of a measure's values and of its weights, by day."""

    total: Float
    weight: Float

    @property
    def mean(self) -> float:
        """The mean over all days, NaN without weight."""
        weight = float(self.weight.sum())
        return float(self.total.sum()) / weight if weight > 0 else np.nan

    @property
    def influence(self) -> Float:
        """What each day adds to the mean's error (D,)."""
        return (self.total - self.mean * self.weight) / max(float(self.weight.sum()), 1e-300)


def measure_orders(orders: pl.DataFrame) -> dict[str, tuple[Float, Float]]:
    """Measure each order: values and weights (n,) by the names of MEASURES.

    `orders` has the columns of `post_on_tape`. Time to fill (s) and markouts (ticks) are of filled orders.
    """
    filled = (orders["filled"] > 0).to_numpy()
    waited = find_waits(orders)
    ones = np.ones(len(filled))
    out = {
        "fill_probability": (filled.astype(float), ones),
        "filled_share": ((orders["filled"] / orders["lots"]).to_numpy(), ones),
        "seconds_to_fill": (np.where(filled, waited, 0.0), filled.astype(float)),
    }
    for name in MARKOUT_NAMES:
        move = orders[name].to_numpy()
        known = ~np.isnan(move)
        out[name] = (np.where(known, move, 0.0), known.astype(float))
    return out


def find_waits(orders: pl.DataFrame) -> Float:
    """Find the seconds from posting to first fill (n,), infinite without one."""
    waits = (orders["first_fill"].to_physical() - orders["posted"].to_physical()) / SECOND
    return waits.fill_null(np.inf).to_numpy()


def sum_days(orders: Sequence[pl.DataFrame]) -> dict[str, DaySums]:
    """Sum the measures of each day's orders, one table for each day."""
    days = [measure_orders(day) for day in orders]
    return {
        name: DaySums(*(np.array([float(day[name][i].sum()) for day in days]) for i in (0, 1))) for name in MEASURES
    }


def sum_fills_within(orders: Sequence[pl.DataFrame], seconds: Sequence[float]) -> list[DaySums]:
    """Sum the orders of each day with a first fill within so many seconds, for each number of seconds."""
    waits = [find_waits(day) for day in orders]
    counts = np.array([float(len(w)) for w in waits])
    return [DaySums(np.array([float((w <= limit).sum()) for w in waits]), counts) for limit in seconds]


def sum_quoted(orders: Sequence[pl.DataFrame]) -> DaySums:
    """Sum the filled orders of each day whose first fill came by quotes, as a share of those filled."""
    by_quotes = np.array([float(day["by_quotes"].sum()) for day in orders])
    return DaySums(by_quotes, np.array([float((day["filled"] > 0).sum()) for day in orders]))


def sum_wait_errors(orders: Sequence[pl.DataFrame], exact: Sequence[pl.DataFrame], patience: float) -> DaySums:
    """Sum by day how far the times to fill of a model are from those of another one of the same orders.

    The times are seconds, at most `patience`, which they are without a fill.
    """
    errors = [
        np.abs(np.minimum(find_waits(day), patience) - np.minimum(find_waits(other), patience))
        for day, other in zip(orders, exact, strict=True)
    ]
    return DaySums(np.array([float(e.sum()) for e in errors]), np.array([float(len(e)) for e in errors]))


def estimate_mean(sums: DaySums) -> Estimate:
    """Estimate a mean."""
    return _make_estimate(sums.mean, sums.influence)


def estimate_difference(sums: DaySums, other: DaySums) -> Estimate:
    """Estimate how much a mean is above another one of the same days."""
    return _make_estimate(sums.mean - other.mean, sums.influence - other.influence)


def _make_estimate(value: float, influence: Float) -> Estimate:
    days = len(influence)
    if days < 2 or np.isnan(value):
        return Estimate(value, np.nan, np.nan)
    half = float(student.ppf((1 + LEVEL) / 2, days - 1) * np.sqrt(days / (days - 1) * (influence**2).sum()))
    return Estimate(value, value - half, value + half)


def estimate_means(sums: Mapping[str, DaySums]) -> dict[str, Estimate]:
    """Estimate the mean of each measure."""
    return {name: estimate_mean(of_measure) for name, of_measure in sums.items()}
