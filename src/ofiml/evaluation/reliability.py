"""The reliability of a direction's probabilities: the Brier score, its decomposition, and the reliability curve."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import polars as pl

from ofiml._typing import Bool, Float, Int64, TaskType
from ofiml.evaluation.bootstrap import BlockBootstrap
from ofiml.metrics.scores import condition_on_move
from ofiml.training.columns import PROBABILITIES

Event = Literal["up", "flat"]

BINS = 10


@dataclass(frozen=True, slots=True)
class BrierParts:
    """The Brier score mean((p - event)²) and its parts over bins of equal size.

    brier = reliability - resolution + uncertainty + within. `reliability` is the mean squared distance of a bin's mean
    forecast to its frequency, `resolution` that of the frequencies to the base rate, and `uncertainty` the variance of
    the event (Murphy 1973, J. Appl. Meteor. 12, eq. 7). `within` is the contribution of forecasts that differ inside a
    bin: their variance less twice their covariance with the event (Stephenson, Coelho & Jolliffe 2008, Wea. Forecasting
    23). `calibration_error` is the mean distance of a bin's mean forecast to its frequency. With k bins the reliability
    of a perfect forecaster is about k·uncertainty/n, not 0.
    """

    brier: float
    reliability: float
    resolution: float
    uncertainty: float
    within: float
    calibration_error: float


@dataclass(frozen=True, slots=True)
class ReliabilityBin:
    """A bin: the mean `forecast` of its rows, and the `frequency` of the event among them with its interval. The ends
    are NaN with fewer than 8 blocks of time.
    """

    rows: int
    forecast: float
    frequency: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class ReliabilityCurve(BrierParts):
    """The parts of the Brier score over `rows` rows, and the `curve`, one entry per bin."""

    rows: int
    curve: list[ReliabilityBin]


@dataclass(frozen=True, slots=True)
class EventForecast:
    """The forecast of an event: the `mask` (n,) of the predictions that it covers, and for these the probability `p`
    and the `outcome`, 1 or 0.
    """

    mask: Bool
    p: Float
    outcome: Float


def assign_bins(p: Float, max_bins: int = BINS) -> Int64:
    """Assign each forecast to a bin (n,), from 0 without gaps. At most `max_bins` bins have about equal numbers, and
    equal forecasts share a bin.
    """
    inner = np.unique(np.quantile(p, np.arange(1, max_bins) / max_bins, method="inverted_cdf"))
    return np.unique(np.searchsorted(inner, p, side="left"), return_inverse=True)[1].astype(np.int64)


def decompose_brier(p: Float, event: Float) -> BrierParts:
    """Decompose the Brier score of forecasts p (n,) of an event (n,), 0 or 1. All parts are NaN without rows."""
    if not len(p):
        return BrierParts(*[float("nan")] * 6)
    at = assign_bins(p)
    n = np.bincount(at)
    forecast, frequency = np.bincount(at, p) / n, np.bincount(at, event) / n
    share, base = n / len(p), float(event.mean())
    p_deviation, event_deviation = p - forecast[at], event - frequency[at]
    return BrierParts(
        brier=float(np.mean((p - event) ** 2)),
        reliability=float(np.sum(share * (forecast - frequency) ** 2)),
        resolution=float(np.sum(share * (frequency - base) ** 2)),
        uncertainty=base * (1.0 - base),
        within=float(np.mean(p_deviation**2) - 2.0 * np.mean(p_deviation * event_deviation)),
        calibration_error=float(np.sum(share * np.abs(forecast - frequency))),
    )


def measure_reliability(
    predictions: pl.DataFrame, bootstrap: BlockBootstrap, *, task: TaskType
) -> dict[Event, ReliabilityCurve] | None:
    """Measure the reliability of the probabilities of each event of a direction; None for a return.

    `up` is P(up | the mid moves) over the rows that moved. `flat` is P(no move) over all rows, if it is ever above 0.
    Intervals of frequencies are from the block bootstrap.
    """
    if task != "classification":
        return None
    return {
        name: _trace_curve(predictions.filter(pl.Series(event.mask)), event, bootstrap)
        for name, event in select_events(predictions).items()
    }


def select_events(predictions: pl.DataFrame) -> dict[Event, EventForecast]:
    """Select the rows and forecasts of each event of `measure_reliability`."""
    y, proba = predictions["y"].to_numpy(), predictions.select(PROBABILITIES).to_numpy()
    moved, flat = y != 0, proba[:, 1]
    up = EventForecast(moved, condition_on_move(proba)[moved], (y[moved] > 0).astype(np.float64))
    if not (flat > 0).any():
        return {"up": up}
    return {"up": up, "flat": EventForecast(np.ones(len(y), bool), flat, (~moved).astype(np.float64))}


def _trace_curve(rows: pl.DataFrame, event: EventForecast, bootstrap: BlockBootstrap) -> ReliabilityCurve:
    parts = decompose_brier(event.p, event.outcome)
    return ReliabilityCurve(
        brier=parts.brier,
        reliability=parts.reliability,
        resolution=parts.resolution,
        uncertainty=parts.uncertainty,
        within=parts.within,
        calibration_error=parts.calibration_error,
        rows=len(event.p),
        curve=_measure_bins(rows, event, bootstrap) if len(event.p) else [],
    )


def _measure_bins(rows: pl.DataFrame, event: EventForecast, bootstrap: BlockBootstrap) -> list[ReliabilityBin]:
    at = assign_bins(event.p)
    count = int(at.max()) + 1
    _, low, high = bootstrap.estimate_group_means(event.outcome, at, bootstrap.number_blocks(rows))
    bins = []
    for k in range(count):
        in_bin = at == k
        forecast, frequency = float(event.p[in_bin].mean()), float(event.outcome[in_bin].mean())
        bins.append(ReliabilityBin(int(in_bin.sum()), forecast, frequency, float(low[k]), float(high[k])))
    return bins
