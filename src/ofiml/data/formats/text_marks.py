"""Marks and words of text cells that several modules share."""

import polars as pl

#: Stands for a point in a file with decimal commas, where a point is not a decimal mark. No feed writes this character.
POINT = "\x01"

#: Cells of optional columns that other programs write for a missing value.
MISSING_WORDS = ("", "NA", "N/A", "#N/A", "NaN", "nan", "null", "NULL", "None", "<NA>")


def restore_points(x: pl.Expr) -> pl.Expr:
    """Replace POINT by the point of the file."""
    return x.str.replace_all(POINT, ".", literal=True)
