"""The comparison of the study's columns with those made again, to the bit."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from ofiml.errors import LeakError
from ofiml.validation.perturbed_refit import SKIP_HINT, name_bar


@dataclass(frozen=True, slots=True)
class Column:
    """A column, one value per bar: the study's values, and those made again with another future."""

    name: str
    study: NDArray[np.float64]
    remake: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Counts:
    """The numbers of bars, columns and values compared."""

    bars: int
    columns: int
    values: int


def select_pair(study: pl.DataFrame, remake: pl.DataFrame, name: str) -> tuple[NDArray, NDArray]:
    """Select a column of both tables; null becomes NaN. Integers stay integers, because a float cannot represent every
    ns.
    """
    return tuple(  # type: ignore[return-value]
        (c if c.dtype.is_integer() and not c.null_count() else c.cast(pl.Float64).fill_null(np.nan)).to_numpy()
        for c in (table[name].to_physical() for table in (study, remake))
    )


def require_equal(rows: pl.DataFrame, columns: Iterable[Column]) -> None:
    """Raise LeakError for the first value that differs, and for columns of unequal length. `rows` are the study's bars
    of the columns.
    """
    for column in columns:
        a, b = column.study, column.remake
        if len(a) != len(b):
            raise LeakError(
                f"evaluation.leak_check: {rows['symbol'][0]} {rows['session'][0]} has {len(a)} bars up to a cut time, "
                f"but {len(b)} when the data after it are replaced: bar edges depend on the future. Fix the bars; "
                f"{SKIP_HINT}"
            )
        differs = (a != b) & ~(np.isnan(a) & np.isnan(b))
        if differs.any():
            i = int(np.flatnonzero(differs)[-1])
            raise LeakError(
                f"evaluation.leak_check: {column.name} of {name_bar(rows.row(i, named=True))} is {a[i]:.12g} in "
                f"the study, but {b[i]:.12g} when the data after it are replaced: it depends on the future. Fix it; "
                f"{SKIP_HINT}"
            )
