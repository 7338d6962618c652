"""The block bootstrap of a study, with the settings of its config."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from ofiml._typing import Float, Int64
from ofiml.config import Evaluation
from ofiml.labels.time_blocks import number_time_blocks
from ofiml.metrics.bootstrap import compute_percentile_interval, estimate_group_means, estimate_ic_interval
from ofiml.metrics.measure_draws import draw_measures, draw_sharpe
from ofiml.metrics.measures import Forecast, Measure


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
        return number_time_blocks(rows, self.block_ns, span)

    def estimate_intervals(
        self, forecast: Forecast, names: Sequence[Measure], block: Int64
    ) -> dict[Measure, tuple[float, float]]:
        """Estimate the interval of each measure from resampled blocks; NaN with fewer than 2 blocks."""
        draws = draw_measures(forecast, names, block, samples=self.samples, seed=self.seed)
        return {name: self.compute_interval(drawn, block) for name, drawn in draws.items()}

    def estimate_sharpe_interval(self, gains: Float, block: Int64) -> tuple[float, float]:
        """Estimate the interval of the Sharpe ratio of the gains (n,); it is 0 in a draw whose gains do not vary."""
        draws = draw_sharpe(gains, block, samples=self.samples, seed=self.seed)
        return self.compute_interval(np.nan_to_num(draws), block)

    def compute_interval(self, draws: Float, block: Int64) -> tuple[float, float]:
        """Compute the interval of a measure from its value in each draw of the blocks; NaN with fewer than 2 blocks."""
        return compute_percentile_interval(draws, self.level, int(block.max(initial=-1)) + 1)

    def estimate_ic_interval(self, y: Float, y_hat: Float, block: Int64) -> tuple[float, float]:
        """Estimate the interval of the IC; NaN with fewer than 8 blocks."""
        return estimate_ic_interval(y, y_hat, block, samples=self.samples, level=self.level, seed=self.seed)

    def estimate_group_means(self, y: Float, group: Int64, block: Int64) -> tuple[Float, Float, Float]:
        """Estimate the mean of y in each group and its interval, (k,) each; NaN ends with fewer than 8 blocks."""
        return estimate_group_means(y, group, block, samples=self.samples, level=self.level, seed=self.seed)
