"""The measures of forecasts in resampled blocks of time."""

from collections.abc import Sequence

import numpy as np

from ofiml._typing import Float, Int64
from ofiml.metrics.block_sums import (
    compute_correlations,
    compute_variance,
    divide_sums,
    sum_blocks,
    sum_correlation_terms,
)
from ofiml.metrics.bootstrap import pick_blocks, resample_sums
from ofiml.metrics.measures import Forecast, Measure
from ofiml.metrics.scores import compute_log_losses, compute_pinball_losses


def draw_measures(
    forecast: Forecast, names: Sequence[Measure], block: Int64, *, samples: int, seed: int
) -> dict[Measure, Float]:
    """Resample blocks with replacement, as many as in the data, and compute each measure of the rows drawn, (samples,).

    `block` (n,) numbers the block of each row from 0 without gaps. NaN where a measure is not defined.
    """
    return {name: _draw_measure(forecast, name, block, samples, seed) for name in names}


def draw_sharpe(gains: Float, block: Int64, *, samples: int, seed: int) -> Float:
    """Resample blocks as `draw_measures` does and compute the Sharpe ratio of each draw's gains, (samples,); NaN where
    they do not vary.
    """
    sums = sum_blocks([np.ones(len(gains)), gains, gains * gains], block)
    n, total, squares = resample_sums(sums, samples=samples, seed=seed).T
    deviation = np.sqrt(divide_sums(compute_variance(n, total, squares), n - 1))
    return divide_sums(total / n, deviation)


def _draw_measure(forecast: Forecast, name: Measure, block: Int64, samples: int, seed: int) -> Float:
    y, y_hat = forecast.y, forecast.y_hat
    if name in ("rank_ic", "auc"):
        from ofiml.metrics.rank_draws import draw_auc, draw_rank_ic  # brings numba, which only a study needs

        counts = pick_blocks(int(block.max()) + 1, samples, seed)
        return (draw_auc if name == "auc" else draw_rank_ic)(y, y_hat, block, counts)
    if name == "ic":
        sums = sum_correlation_terms(y, y_hat, block)
        return compute_correlations(resample_sums(sums, samples=samples, seed=seed))
    sums = sum_blocks(_list_ratio_terms(forecast, name), block)
    ratio = divide_sums(*resample_sums(sums, samples=samples, seed=seed).T)
    return 1.0 - ratio if name == "r2" else ratio


def _list_ratio_terms(forecast: Forecast, name: Measure) -> tuple[Float, Float]:
    """List the terms (n,) whose sums have the measure as their ratio; for R², what is missing from 1."""
    y, y_hat = forecast.y, forecast.y_hat
    match name:
        case "r2":
            return (y - y_hat) ** 2, (y - forecast.train_mean) ** 2
        case "hit_rate":
            signed = (y != 0) & (y_hat != 0)
            return (signed & ((y > 0) == (y_hat > 0))).astype(np.float64), signed.astype(np.float64)
        case "log_loss" | "brier":
            assert forecast.up is not None, "only a direction has probabilities"
            moved = (y != 0).astype(np.float64)
            loss = compute_log_losses(y, forecast.up) if name == "log_loss" else (forecast.up - (y > 0)) ** 2
            return moved * loss, moved
        case "pinball":
            assert forecast.quantile is not None, "only a quantile has a pinball loss"
            return compute_pinball_losses(y, y_hat, forecast.quantile), np.ones(len(y))
        case "coverage":
            return (y <= y_hat).astype(np.float64), np.ones(len(y))
    raise AssertionError(f"{name} is not a ratio of sums")
