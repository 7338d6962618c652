"""A study whose folds are fitted: what validation, evaluation and explanation share."""

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from ofiml.config import Config
from ofiml.samples.session import SessionSamples
from ofiml.splits.rows import Intervals
from ofiml.splits.splitter import Divided
from ofiml.training.folds import FoldResult
from ofiml.training.inputs import read_intervals, select_inputs

Float = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class FittedStudy:
    """The config, the sessions, all bars that have a mid (`rows`, in time order), those of them with a label
    (`labelled`), which `divided` cuts into folds, and a result for each fold.
    """

    config: Config
    sessions: list[SessionSamples]
    rows: pl.DataFrame
    labelled: pl.DataFrame
    divided: Divided
    results: list[FoldResult]

    @property
    def flow_levels(self) -> int:
        """Levels of the book that flow is known of."""
        return self.sessions[0].flow_levels

    def inputs(self, rows: pl.DataFrame) -> tuple[Float, Float]:
        """Select what a pipeline sees of rows: flow (n, groups x levels) and other features (n, k)."""
        return select_inputs(rows, self.flow_levels, self.config.ofi, self.config.features)

    def train_rows(self, result: FoldResult) -> pl.DataFrame:
        """Select the rows that the fold was fitted on."""
        return self.labelled[result.fold.train]

    def train_intervals(self) -> dict[int, Intervals]:
        """Read what each fold's train rows touch in time, by fold."""
        return {r.fold.index: read_intervals(self.train_rows(r)) for r in self.results}

    def join_predictions(self) -> pl.DataFrame:
        """Join the predicted bars of all folds in time order; where there are paths, one path after the other."""
        rows = pl.concat([r.predictions for r in self.results])
        return rows.sort("path", "bar_close", maintain_order=True) if "path" in rows.columns else rows
