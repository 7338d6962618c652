"""Do the probabilities of a direction mean what they say? Brier's score, its parts, and the reliability curve."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from ofiml._typing import TaskType
from ofiml.evaluation.bootstrap import BlockBootstrap
from ofiml.metrics.bootstrap import MIN_BLOCKS, percentile_interval, resample_sums
from ofiml.metrics.scores import up_if_moved
from ofiml.training.columns import PROBABILITIES

Float = NDArray[np.float64]
Int = NDArray[np.int64]

Event = Literal["up", "flat"]

BINS = 10


@dataclass(frozen=True, slots=True)
class BrierParts:
    """Brier's score mean((p - event)²) and its parts over bins of equal size:

    brier = reliability - resolution + uncertainty + within. `reliability` is the mean squared distance of a bin's mean
    forecast to its frequency, `resolution` that of the frequencies to the base rate, `uncertainty` the variance of the
    event (Murphy 1973, J. Appl. Meteor. 12, eq. 7), and `within` what forecasts that differ inside a bin add, their
    variance less twice their covariance with the event (Stephenson, Coelho & Jolliffe 2008, Wea. Forecasting 23).
    `calibration_error` is the mean distance of a bin's mean forecast to its frequency. With k bins the reliability of a
    perfect forecaster is about k·uncertainty/n, not 0.
    """

    brier: float
    reliability: float
    resolution: float
    uncertainty: float
    within: float
    calibration_error: float


@dataclass(frozen=True, slots=True)
class ReliabilityBin:
    """The mean `forecast` of a bin's rows, and the `frequency` of the event among them with its interval; NaN ends
    with fewer than 8 blocks of time.
    """

    rows: int
    forecast: float
    frequency: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class ReliabilityCurve(BrierParts):
    """The parts of Brier's score over so many `rows`, and the `curve`, a bin an entry."""

    rows: int
    curve: list[ReliabilityBin]


@dataclass(frozen=True, slots=True)
class EventForecast:
    """Which rows of the predictions `counts` (n,) says count for an event, and of those the forecast `p` and whether
    the event `happened`, 1 or 0.
    """

    counts: NDArray[np.bool_]
    p: Float
    happened: Float


def assign_bins(p: Float, most: int = BINS) -> Int:
    """Assign each forecast its bin (n,), from 0 without holes: about equally many in each of at most `most`, equal
    forecasts in the same.
    """
    inner = np.unique(np.quantile(p, np.arange(1, most) / most, method="inverted_cdf"))
    return np.unique(np.searchsorted(inner, p, side="left"), return_inverse=True)[1].astype(np.int64)


def decompose_brier(p: Float, event: Float) -> BrierParts:
    """Decompose Brier's score of forecasts p (n,) of an event (n,), 0 or 1. All NaN without rows."""
    if not len(p):
        return BrierParts(*[float("nan")] * 6)
    at = assign_bins(p)
    n = np.bincount(at)
    forecast, frequency = np.bincount(at, p) / n, np.bincount(at, event) / n
    share, base = n / len(p), float(event.mean())
    apart, happened = p - forecast[at], event - frequency[at]
    return BrierParts(
        brier=float(np.mean((p - event) ** 2)),
        reliability=float(np.sum(share * (forecast - frequency) ** 2)),
        resolution=float(np.sum(share * (frequency - base) ** 2)),
        uncertainty=base * (1.0 - base),
        within=float(np.mean(apart**2) - 2.0 * np.mean(apart * happened)),
        calibration_error=float(np.sum(share * np.abs(forecast - frequency))),
    )


def measure_reliability(
    predictions: pl.DataFrame, bootstrap: BlockBootstrap, *, task: TaskType
) -> dict[Event, ReliabilityCurve] | None:
    """Measure the forecast probabilities of each event of a direction; None for a return.

    `up` is P(up | the mid moves) over the rows that moved; `flat`, where it was ever held to be possible, P(no move)
    over all rows. Intervals of frequencies are by the block bootstrap.
    """
    if task != "classification":
        return None
    return {
        name: _trace_curve(predictions.filter(pl.Series(event.counts)), event, bootstrap)
        for name, event in select_events(predictions).items()
    }


def select_events(predictions: pl.DataFrame) -> dict[Event, EventForecast]:
    """Select the rows and forecasts of each event of `measure_reliability`."""
    y, chances = predictions["y"].to_numpy(), predictions.select(PROBABILITIES).to_numpy()
    moved, flat = y != 0, chances[:, 1]
    up = EventForecast(moved, up_if_moved(chances)[moved], (y[moved] > 0).astype(np.float64))
    if not (flat > 0).any():
        return {"up": up}
    return {"up": up, "flat": EventForecast(np.ones(len(y), bool), flat, (~moved).astype(np.float64))}


def _trace_curve(rows: pl.DataFrame, event: EventForecast, bootstrap: BlockBootstrap) -> ReliabilityCurve:
    parts = decompose_brier(event.p, event.happened)
    return ReliabilityCurve(
        brier=parts.brier,
        reliability=parts.reliability,
        resolution=parts.resolution,
        uncertainty=parts.uncertainty,
        within=parts.within,
        calibration_error=parts.calibration_error,
        rows=len(event.p),
        curve=_fill_bins(rows, event, bootstrap) if len(event.p) else [],
    )


def _fill_bins(rows: pl.DataFrame, event: EventForecast, bootstrap: BlockBootstrap) -> list[ReliabilityBin]:
    at = assign_bins(event.p)
    count = int(at.max()) + 1
    block = bootstrap.number_blocks(rows)
    inside = np.eye(count)[at]
    terms = np.concatenate([inside, inside * event.happened[:, None]], axis=1)
    drawn = resample_sums(terms, block, samples=bootstrap.samples, seed=bootstrap.seed)
    n, happened = drawn[:, :count], drawn[:, count:]
    share = np.divide(happened, n, out=np.full(n.shape, np.nan), where=n > 0)
    blocks = int(block.max()) + 1
    bins = []
    for k in range(count):
        low, high = float("nan"), float("nan")
        if blocks >= MIN_BLOCKS:
            low, high = percentile_interval(share[:, k], bootstrap.level, blocks)
        here = at == k
        forecast, frequency = float(event.p[here].mean()), float(event.happened[here].mean())
        bins.append(ReliabilityBin(int(here.sum()), forecast, frequency, low, high))
    return bins
