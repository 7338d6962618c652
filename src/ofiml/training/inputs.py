"""The inputs of models and splitters, selected from a table of rows."""

import numpy as np
import polars as pl

from ofiml._typing import Float
from ofiml.config import Features, Ofi
from ofiml.ofi.flow import build_flow_matrix, list_flow_groups
from ofiml.samples.table import list_feature_columns
from ofiml.splits.rows import Intervals


def select_inputs(rows: pl.DataFrame, levels: int, ofi: Ofi, features: Features) -> tuple[Float, Float]:
    """Select the inputs of a pipeline from rows: flow (n, groups x levels) and other features (n, k); NaN where
    missing.
    """
    columns = list_feature_columns(features)
    others = rows.select(columns).to_numpy() if columns else np.empty((rows.height, 0))
    return build_flow_matrix(rows, levels, ofi.normalise, list_flow_groups(ofi)), others


def read_intervals(rows: pl.DataFrame) -> Intervals:
    """Read the times of each row (ns): the first instant used by its features, and the start and end of its label."""
    return Intervals(*(rows[c].to_numpy() for c in ("first_used", "label_start", "label_end")))
