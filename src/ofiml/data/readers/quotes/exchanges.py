"""One book per table: rows of several exchanges are several books, of which one is chosen."""

import polars as pl

from ofiml.data.checks import Checker
from ofiml.data.readers.quotes import ALL_EXCHANGES, QuotesDataset
from ofiml.data.readers.quotes.layout import Layout
from ofiml.errors import DataError

_SHOWN = 20


def choose_exchange(
    table: pl.DataFrame, layout: Layout, dataset: QuotesDataset, checker: Checker
) -> tuple[pl.DataFrame, list[str]]:
    """Return the rows of the chosen exchange without its column, and a note about the others.

    Raises DataError if a symbol has rows of several exchanges and none is chosen, and for an exchange without rows.
    """
    column = "exchange" if "exchange" in layout.roles else "venue"
    if column not in table.columns:
        return table, []
    name = layout.roles.get("exchange") or layout.undeclared_exchange
    if dataset.exchange == ALL_EXCHANGES:
        return table.drop(column), []
    if dataset.exchange is None:
        _refuse_several(table, column, str(name), checker)
        return table.drop(column), []
    chosen = table.filter(pl.col(column) == dataset.exchange)
    if chosen.height == 0:
        raise DataError(
            f"{checker.source} has no row of dataset.exchange={dataset.exchange}; {name} has {_count(table, column)}."
        )
    others = table.height - chosen.height
    return chosen.drop(column), [f"{others:,} rows of other exchanges were left out"] if others else []


def _refuse_several(table: pl.DataFrame, column: str, name: str, checker: Checker) -> None:
    if table[column].n_unique() < 2:
        return
    keys = [c for c in ("symbol", "suffix") if c in table.columns]
    first = pl.col(column).first().over(keys) if keys else pl.col(column).first()
    other = table.filter(pl.col(column).ne_missing(first))
    if other.height == 0:
        return
    declare = "" if column == "exchange" else f"dataset.columns.exchange={name} and "
    sign = "+" if declare else ""
    raise DataError(
        f"{checker.source}, {checker.place} {other['line'][0]}, column {name}: rows of several exchanges "
        f"({_count(table, column)}) are several books, and mixed their quotes look like price moves: choose one with "
        f"{sign}{declare}dataset.exchange=…, or set dataset.exchange={ALL_EXCHANGES} if all rows are of "
        "one consolidated book."
    )


def _count(table: pl.DataFrame, column: str) -> str:
    counts = table[column].value_counts(sort=True).head(_SHOWN)
    return ", ".join(f"{code or 'blank'}: {count:,}" for code, count in counts.iter_rows())
