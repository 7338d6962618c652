"""The block bootstrap of a study, with the settings of its config."""

from collections.abc import Callable
from dataclasses import dataclass

import polars as pl

from ofiml._typing import Float, Int64
from ofiml.config import Evaluation
from ofiml.labels import measure_label_span
from ofiml.metrics.bootstrap import (
    assign_blocks,
    estimate_bootstrap_interval,
    estimate_group_means,
    estimate_ic_interval,
)


@dataclass(frozen=True, slots=True)
class BlockBootstrap:
    """A bootstrap of whole blocks of time: the number of `samples`, the `level` of intervals, the length `block_ns` of
    a block (None for the default of `metrics.bootstrap.assign_blocks`), and the `seed` of the draws.
    """

    samples: int
    level: float
    block_ns: int | None
    seed: int

    @classmethod
    def of(cls, evaluation: Evaluation, seed: int) -> "BlockBootstrap":
        """Build the bootstrap from the config."""
        return cls(evaluation.bootstrap_samples, evaluation.confidence_level, evaluation.block_ns, seed)

    def number_blocks(self, rows: pl.DataFrame, span: int | None = None) -> Int64:
        """Number the block (n,) of each row, rows in time order. Labels span at most `span` ns; None measures it.

        Symbols share the blocks of a day, so that their common moves count once.
        """
        length = measure_label_span(rows) if span is None else span
        return assign_blocks(rows["session"].to_numpy(), rows["bar_close"].to_numpy(), self.block_ns, length)

    def estimate_interval(self, measure: Callable[[Int64], float], block: Int64) -> tuple[float, float]:
        """Estimate the interval of `measure(rows)` from resampled blocks; NaN with fewer than 2 blocks."""
        return estimate_bootstrap_interval(measure, block, samples=self.samples, level=self.level, seed=self.seed)

    def estimate_ic_interval(self, y: Float, y_hat: Float, block: Int64) -> tuple[float, float]:
        """Estimate the interval of the IC; NaN with fewer than 8 blocks."""
        return estimate_ic_interval(y, y_hat, block, samples=self.samples, level=self.level, seed=self.seed)

    def estimate_group_means(self, y: Float, group: Int64, block: Int64) -> tuple[Float, Float, Float]:
        """Estimate the mean of y in each group and its interval, (k,) each; NaN ends with fewer than 8 blocks."""
        return estimate_group_means(y, group, block, samples=self.samples, level=self.level, seed=self.seed)
