"""Do the probabilities of a direction mean what they say? Brier's score, its parts, and the reliability curve."""

from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from ofiml.config import Config
from ofiml.evaluation.strata import blocks_within
from ofiml.labels import label_span
from ofiml.metrics.bootstrap import MIN_BLOCKS, percentiles, resampled
from ofiml.metrics.measured import PROBABILITIES
from ofiml.metrics.scores import up_if_moved

Float = NDArray[np.float64]

BINS = 10


def bins(p: Float, most: int = BINS) -> NDArray[np.int64]:
    """The bin (n,) of each forecast, from 0 without holes: about equally many in each of at most `most`, equal
    forecasts in the same.
    """
    inner = np.unique(np.quantile(p, np.arange(1, most) / most, method="inverted_cdf"))
    return np.unique(np.searchsorted(inner, p, side="left"), return_inverse=True)[1].astype(np.int64)


def murphy(p: Float, event: Float) -> dict[str, float]:
    """Brier's score mean((p - event)²) and its parts over `bins`, p (n,) the forecast and event (n,) 0 or 1.

    brier = reliability - resolution + uncertainty + within: reliability is the mean squared distance of a bin's mean
    forecast to its frequency, resolution that of the frequencies to the base rate, uncertainty the variance of the
    event (Murphy 1973, J. Appl. Meteor. 12, eq. 7), and `within` what forecasts that differ inside a bin add, their
    variance less twice their covariance with the event (Stephenson, Coelho & Jolliffe 2008, Wea. Forecasting 23).
    `calibration_error` is the mean distance of a bin's mean forecast to its frequency. With k bins the reliability of a
    perfect forecaster is about k·uncertainty/n, not 0. All NaN without rows.
    """
    if not len(p):
        names = ("brier", "reliability", "resolution", "uncertainty", "within", "calibration_error")
        return dict.fromkeys(names, float("nan"))
    at = bins(p)
    n = np.bincount(at)
    forecast, frequency = np.bincount(at, p) / n, np.bincount(at, event) / n
    share, base = n / len(p), float(event.mean())
    apart, happened = p - forecast[at], event - frequency[at]
    return {
        "brier": float(np.mean((p - event) ** 2)),
        "reliability": float(np.sum(share * (forecast - frequency) ** 2)),
        "resolution": float(np.sum(share * (frequency - base) ** 2)),
        "uncertainty": base * (1.0 - base),
        "within": float(np.mean(apart**2) - 2.0 * np.mean(apart * happened)),
        "calibration_error": float(np.sum(share * np.abs(forecast - frequency))),
    }


def reliability(predictions: pl.DataFrame, config: Config) -> dict[str, Any] | None:
    """Of directions, per event: `rows`, the parts of `murphy`, and `curve`, an entry a bin with `rows`, `forecast` (its
    mean), `frequency` and the frequency's interval `low`, `high` by the block bootstrap.

    `up` is P(up | the mid moves) over the rows that moved; `flat`, where it was ever held to be possible, P(no move)
    over all rows. None for a return.
    """
    if config.target.task != "classification":
        return None
    return {
        name: _curve(predictions.filter(pl.Series(counts)), p, event, config)
        for name, (counts, p, event) in forecasts(predictions).items()
    }


def forecasts(predictions: pl.DataFrame) -> dict[str, tuple[NDArray[np.bool_], Float, Float]]:
    """Per event of `reliability`: which rows of predictions of a direction count, and of those the forecast and what
    happened, 1 or 0.
    """
    y, chances = predictions["y"].to_numpy(), predictions.select(PROBABILITIES).to_numpy()
    moved, flat = y != 0, chances[:, 1]
    found = {"up": (moved, up_if_moved(chances)[moved], (y[moved] > 0).astype(np.float64))}
    if (flat > 0).any():
        found["flat"] = np.ones(len(y), bool), flat, (~moved).astype(np.float64)
    return found


def _curve(rows: pl.DataFrame, p: Float, event: Float, config: Config) -> dict[str, Any]:
    curve = []
    if len(p):
        at, evaluation = bins(p), config.evaluation
        count = int(at.max()) + 1
        span = label_span(rows)
        block = blocks_within(rows, span, config)
        inside = np.eye(count)[at]
        terms = np.concatenate([inside, inside * event[:, None]], axis=1)
        drawn = resampled(terms, block, samples=evaluation.bootstrap_samples, seed=config.seed)
        n, happened = drawn[:, :count], drawn[:, count:]
        share = np.divide(happened, n, out=np.full(n.shape, np.nan), where=n > 0)
        blocks = int(block.max()) + 1
        for k in range(count):
            low, high = float("nan"), float("nan")
            if blocks >= MIN_BLOCKS:
                low, high = percentiles(share[:, k], evaluation.confidence_level, blocks)
            here = at == k
            curve.append(
                {
                    "rows": int(here.sum()),
                    "forecast": float(p[here].mean()),
                    "frequency": float(event[here].mean()),
                    "low": low,
                    "high": high,
                }
            )
    return {"rows": len(p), **murphy(p, event), "curve": curve}
