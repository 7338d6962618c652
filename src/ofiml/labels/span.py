"""The span of labels in time."""

import polars as pl


def measure_label_span(rows: pl.DataFrame) -> int:
    """Measure the length (ns) of the longest label in a table with `label_start` and `label_end`."""
    return int((rows["label_end"] - rows["label_start"]).to_numpy().max())
