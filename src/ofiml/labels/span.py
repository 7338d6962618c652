"""How long labels last."""

import polars as pl


def label_span(rows: pl.DataFrame) -> int:
    """Return the length of the longest label of a table with `label_start` and `label_end`, in ns."""
    return int((rows["label_end"] - rows["label_start"]).to_numpy().max())
