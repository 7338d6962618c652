"""The inputs of models and splitters, selected from a table of rows."""

import numpy as np
import polars as pl
from numpy.typing import NDArray

from ofiml.config import Features, Ofi
from ofiml.ofi.flow import flow_groups, flow_matrix
from ofiml.samples.table import feature_columns
from ofiml.splits.rows import Intervals

Float = NDArray[np.float64]


def select_inputs(rows: pl.DataFrame, levels: int, ofi: Ofi, features: Features) -> tuple[Float, Float]:
    """Select what a pipeline sees of rows: flow (n, groups x levels) and other features (n, k); NaN where missing."""
    columns = feature_columns(features)
    others = rows.select(columns).to_numpy() if columns else np.empty((rows.height, 0))
    return flow_matrix(rows, levels, ofi.normalise, flow_groups(ofi)), others


def read_intervals(rows: pl.DataFrame) -> Intervals:
    """Read what each row touches in time, ns: from the first instant that it looks back to until its label ends."""
    return Intervals(*(rows[c].to_numpy() for c in ("first_used", "label_start", "label_end")))
