"""A study whose folds are fitted: the input of validation and evaluation."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl

from ofiml._typing import Float, Int64
from ofiml.config import Config
from ofiml.samples.scratch import Scratch
from ofiml.samples.session import SessionSamples
from ofiml.samples.table import take_rows
from ofiml.splits.rows import Intervals
from ofiml.splits.splitter import DividedRows
from ofiml.training.folds import FoldResult
from ofiml.training.inputs import read_intervals, select_inputs


@dataclass(frozen=True, slots=True)
class FittedStudy:
    """A fitted study. `rows` are all bars with a mid, in time order; `labelled` are those with a label; `divided` are
    these and their folds; `results` has one entry per fold. `scratch` is where tables of many rows lie.
    """

    config: Config
    sessions: list[SessionSamples]
    rows: pl.DataFrame
    labelled: pl.DataFrame
    divided: DividedRows
    results: list[FoldResult]
    scratch: Scratch

    @property
    def flow_levels(self) -> int:
        """The number of book levels with known flow."""
        return self.sessions[0].flow_levels

    def select_inputs(self, rows: pl.DataFrame) -> tuple[Float, Float]:
        """Select the inputs of a pipeline from rows: flow (n, groups x levels) and other features (n, k); NaN where
        missing.
        """
        return select_inputs(rows, self.flow_levels, self.config.ofi, self.config.features)

    def select_train_rows(self, result: FoldResult) -> pl.DataFrame:
        """Select the train rows of the fold."""
        return take_rows(self.labelled, result.fold.train)

    def locate_labelled(self) -> Int64:
        """Locate the labelled rows among all rows, (n,)."""
        return np.flatnonzero(self.rows["y"].is_not_null().to_numpy())

    def read_train_intervals(self) -> Iterator[tuple[int, Intervals]]:
        """Read each fold's number and the time intervals of its train rows, one fold at a time."""
        times = self.labelled.select("first_used", "label_start", "label_end")
        return ((r.fold.index, read_intervals(take_rows(times, r.fold.train))) for r in self.results)

    def join_predictions(self) -> pl.DataFrame:
        """Join the predicted bars of all folds in time order; with several paths, path by path."""
        rows = pl.concat([r.predictions for r in self.results], rechunk=False)
        if "path" not in rows.columns:
            return rows
        order = rows.select(pl.arg_sort_by("path", "bar_close", maintain_order=True)).to_series().to_numpy()
        return self.scratch.keep_rows(rows, order)
