"""Fills by the state of the book that an order met: the spread, and the lots ahead."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from ofiml._typing import Int64
from ofiml.microstructure.fills.estimates import Estimate, estimate_difference, estimate_mean, sum_days

_UNITS = {"spread": "ticks", "ahead": "lots"}
_LEAST_ORDERS = 200


@dataclass(frozen=True, slots=True)
class StateFills:
    """The fill probability of orders posted in a state of the book: in truth, and by each model less the truth's.

    `orders` counts those sent to the tape.
    """

    state: str
    orders: int
    truth: Estimate
    differences: dict[str, Estimate]


def find_edges(truth: Sequence[pl.DataFrame]) -> dict[str, Int64]:
    """Find the upper ends of states of `spread` and `ahead`: the values that divide all orders nearest to thirds."""
    table = pl.concat(truth)
    return {name: _divide(table[name].drop_nulls().to_numpy()) for name in _UNITS}


def _divide(values: Int64) -> Int64:
    """Return the values below the largest one up to which nearest to one and two thirds of all lie."""
    distinct, counts = np.unique(values, return_counts=True)
    shares = np.cumsum(counts)[:-1] / max(len(values), 1)
    ends = [int(distinct[np.argmin(np.abs(shares - third))]) for third in (1 / 3, 2 / 3) if len(shares)]
    return np.unique(np.array(ends, np.int64))


def estimate_states(
    truth: Sequence[pl.DataFrame], models: Mapping[str, Sequence[pl.DataFrame]], edges: Mapping[str, Int64]
) -> list[StateFills]:
    """Estimate the fill probability in each state that 200 orders met, and that is not the only one."""
    measure, out = "fill_probability", []
    for name, ends in edges.items():
        states = []
        for low, high in zip([None, *ends.tolist()], [*ends.tolist(), None], strict=True):
            inside = _select(name, low, high)
            orders = {model: [day.filter(inside) for day in days] for model, days in models.items()}
            count = sum(map(len, next(iter(orders.values()))))
            if count < _LEAST_ORDERS:
                continue
            of_truth = sum_days([day.filter(inside) for day in truth])[measure]
            differences = {
                model: estimate_difference(sum_days(days)[measure], of_truth) for model, days in orders.items()
            }
            states.append(StateFills(_name_state(name, low, high), count, estimate_mean(of_truth), differences))
        out += states if len(states) > 1 else []
    return out


def _select(name: str, low: int | None, high: int | None) -> pl.Expr:
    """Select the orders above `low` and up to `high`."""
    inside = pl.col(name).is_not_null()
    if low is not None:
        inside &= pl.col(name) > low
    return inside if high is None else inside & (pl.col(name) <= high)


def _name_state(name: str, low: int | None, high: int | None) -> str:
    unit = _UNITS[name]
    if low is None:
        return f"{name} up to {high} {unit}"
    if high is None:
        return f"{name} above {low} {unit}"
    return f"{name} {high} {unit}" if low + 1 == high else f"{name} {low + 1} to {high} {unit}"
