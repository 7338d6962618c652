"""How the intervals of a study are made: blocks of time, as its config asks."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from ofiml.config import Evaluation
from ofiml.labels import label_span
from ofiml.metrics.bootstrap import assign_blocks, bootstrap_interval, group_mean_intervals, ic_interval

Float = NDArray[np.float64]
Int = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class BlockBootstrap:
    """`samples` of whole blocks of time, intervals of a `level`; `block_ns` is a block's length, None for the
    default of `metrics.bootstrap.assign_blocks`. The same `seed` draws the same blocks.
    """

    samples: int
    level: float
    block_ns: int | None
    seed: int

    @classmethod
    def of(cls, evaluation: Evaluation, seed: int) -> "BlockBootstrap":
        """Take the settings from the config."""
        return cls(evaluation.bootstrap_samples, evaluation.confidence_level, evaluation.block_ns, seed)

    def number_blocks(self, rows: pl.DataFrame, span: int | None = None) -> Int:
        """Number the block (n,) of each row, rows in time order; labels span at most `span` ns, None for their own.

        Symbols of one day share a block: what moves them at the same time counts once.
        """
        length = label_span(rows) if span is None else span
        return assign_blocks(rows["session"].to_numpy(), rows["bar_close"].to_numpy(), self.block_ns, length)

    def interval(self, measure: Callable[[Int], float], block: Int) -> tuple[float, float]:
        """Resample whole blocks and take the interval of `measure(rows)`; NaN with fewer than 2 blocks."""
        return bootstrap_interval(measure, block, samples=self.samples, level=self.level, seed=self.seed)

    def ic_interval(self, y: Float, y_hat: Float, block: Int) -> tuple[float, float]:
        """Take the interval of the IC; NaN with fewer than 8 blocks."""
        return ic_interval(y, y_hat, block, samples=self.samples, level=self.level, seed=self.seed)

    def group_mean_intervals(self, y: Float, group: Int, block: Int) -> tuple[Float, Float, Float]:
        """Take the mean of y in each group and its interval, (k,) each; NaN ends with fewer than 8 blocks."""
        return group_mean_intervals(y, group, block, samples=self.samples, level=self.level, seed=self.seed)
