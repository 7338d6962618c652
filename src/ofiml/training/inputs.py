"""The inputs of models and splitters, selected from a table of rows."""

import numpy as np
import polars as pl

from ofiml._typing import Float, Int64
from ofiml.config import Features, Ofi
from ofiml.ofi.flow import build_flow_matrix, list_flow_groups
from ofiml.samples.table import list_feature_columns
from ofiml.splits.rows import Intervals


def select_inputs(rows: pl.DataFrame, levels: int, ofi: Ofi, features: Features) -> tuple[Float, Float]:
    """Select the inputs of a pipeline from rows: flow (n, groups x levels) and other features (n, k); NaN where
    missing.
    """
    return select_flow(rows, levels, ofi), select_others(rows, features)


def select_flow(rows: pl.DataFrame, levels: int, ofi: Ofi, at: Int64 | None = None) -> Float:
    """Select the flow (n, groups x levels) of all rows, or of those `at` positions (n,)."""
    return build_flow_matrix(rows, levels, ofi.normalise, list_flow_groups(ofi), at)


def select_others(rows: pl.DataFrame, features: Features, at: Int64 | None = None) -> Float:
    """Select the features (n, k) other than flow of all rows, or of those `at` positions (n,)."""
    columns = list_feature_columns(features)
    if at is None:
        return rows.select(columns).to_numpy() if columns else np.empty((rows.height, 0))
    others = np.empty((len(at), len(columns)), order="F")  # as `to_numpy` gives it
    for j, name in enumerate(columns):  # one column at a time, so that only `others` is large
        others[:, j] = rows[name].gather(at).to_numpy()
    return others


def list_input_columns(levels: int, ofi: Ofi, features: Features) -> list[str]:
    """List the columns of rows that `select_inputs` reads."""
    groups = list_flow_groups(ofi)
    depths = [group.depth for group in groups] if ofi.normalise == "depth" else []
    flow = [name for group in groups for name in group.name_columns(levels)]
    return list(dict.fromkeys([*flow, *depths, *list_feature_columns(features)]))


def read_intervals(rows: pl.DataFrame) -> Intervals:
    """Read the times of each row (ns): the first instant used by its features, and the start and end of its label."""
    return Intervals(*(rows[c].to_numpy() for c in ("first_used", "label_start", "label_end")))
