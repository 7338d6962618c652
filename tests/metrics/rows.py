"""The block bootstrap the long way: the rows of each draw, put together one draw after the other."""

from collections.abc import Callable

import numpy as np

from ofiml.metrics.bootstrap import compute_percentile_interval


def resample_rows(value: Callable[[np.ndarray], float], block: np.ndarray, *, samples: int, seed: int) -> np.ndarray:
    """The value of the rows of each draw; as many blocks are drawn as there are."""
    count = block.max() + 1
    rng = np.random.default_rng(seed)
    return np.array(
        [
            value(np.concatenate([np.flatnonzero(block == b) for b in rng.integers(0, count, count)]))
            for _ in range(samples)
        ]
    )


def resampled_interval(value, block, *, level, samples, seed):
    draws = resample_rows(value, block, samples=samples, seed=seed)
    return compute_percentile_interval(draws, level, block.max() + 1)
