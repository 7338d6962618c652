"""Marks and words of text cells that several modules share."""

import polars as pl

from ofiml.data.remedies import POINT

#: Cells of optional columns that other programs write for a missing value.
MISSING_WORDS = ("", "NA", "N/A", "#N/A", "NaN", "nan", "null", "NULL", "None", "<NA>", r"\N", "-", "--")


def restore_points(x: pl.Expr) -> pl.Expr:
    """Replace POINT by the point of the file."""
    return x.str.replace_all(POINT, ".", literal=True)
