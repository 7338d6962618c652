"""A file of quotes to a table with `line`, the roles and the levels, from CSV of any dialect or from Parquet."""

import polars as pl

from ofiml.data.checks import Checker
from ofiml.data.feed import Blob
from ofiml.data.formats import csv as text
from ofiml.data.formats import parquet as columnar
from ofiml.data.formats import tables, timestamps
from ofiml.data.formats.dialects import Dialect, standardise
from ofiml.data.formats.text_marks import restore_points
from ofiml.data.readers.quotes import QuotesDataset
from ofiml.data.readers.quotes.layout import Layout, fits, make_layout
from ofiml.errors import DataError

_FLOAT32_BITS = 23
_MAX_SEQUENCE = 2**63 - 1


def read_table(blob: Blob, dataset: QuotesDataset, checker: Checker) -> tuple[pl.DataFrame, Layout]:
    """Read the columns of a file, named by role and level, and `line`.

    Raises DataError for a file of another format, a column that is missing or of another type, and cells that the
    policy refuses.
    """
    if blob.content.startswith(columnar.MAGIC):
        checker.place = "row"
        table, layout = _read_parquet(blob, dataset, checker)
    else:
        dialect = Dialect(dataset.separator, dataset.decimal, dataset.header)
        blob, names, header = standardise(blob, dialect, lambda names: fits(names, dataset))
        if header is None:
            text.read_header(blob)  # refuses a name that appears twice
        layout = make_layout(names, f"{blob.name}, line 1", dataset)
        sample = text.read_head(blob, header)
        table = text.read_csv(blob, _make_columns(sample, layout, dataset), checker, header)
    by_role = _name_columns(layout)
    return table.rename({column: role for role, column in by_role.items()}), layout


def _name_columns(layout: Layout) -> dict[str, str]:
    """Map each role and level to its column; a column that looks like an exchange has the role `venue`."""
    venue = {} if layout.undeclared_exchange is None else {"venue": layout.undeclared_exchange}
    return layout.roles | layout.levels | venue


def _make_columns(sample: pl.DataFrame, layout: Layout, dataset: QuotesDataset) -> dict[str, text.Column]:
    roles = layout.roles
    columns: dict[str, text.Column] = {}
    if "date" in roles:
        columns[roles["date"]] = timestamps.make_date_column(dataset.date_format)
        columns[roles["time"]] = timestamps.make_clock_column(dataset.time_format)
    else:
        columns[roles["time"]] = timestamps.choose_time_column(sample, roles["time"], dataset.time_format)
    if "received" in roles:
        columns[roles["received"]] = timestamps.choose_time_column(sample, roles["received"], dataset.time_format)
    price = text.price() if dataset.price_unit == 1.0 else text.scaled_price(round(dataset.price_unit * 1e9))
    size = text.size(dataset.size_unit if dataset.sizes == "units" else 1.0)
    for level, name in layout.levels.items():
        columns[name] = text.optional(price if "_px_" in level else size)
    if "sequence" in roles:
        columns[roles["sequence"]] = text.integer(limit=_MAX_SEQUENCE)
    words = {"symbol": _make_word(dataset)}
    words |= dict.fromkeys(("suffix", "exchange"), text.optional(_make_word(dataset)))
    columns |= {roles[role]: column for role, column in words.items() if role in roles}
    if layout.undeclared_exchange is not None:
        columns[layout.undeclared_exchange] = text.optional(_make_word(dataset))
    return columns


def _make_word(dataset: QuotesDataset) -> text.Column:
    """Make a column of words; in a file with decimal commas their points were marked."""
    word = text.word()
    if dataset.decimal == "point":
        return word
    return text.Column(word.dtype, lambda x: word.value(restore_points(x)), plain=word.plain)


def _read_parquet(blob: Blob, dataset: QuotesDataset, checker: Checker) -> tuple[pl.DataFrame, Layout]:
    found: list[Layout] = []

    def choose(names: list[str]) -> list[str]:
        found.append(make_layout(names, blob.name, dataset))
        return list(_name_columns(found[0]).values())

    raw = tables.unwrap_words(columnar.read_parquet(blob, choose))
    layout = found[0]
    roles = layout.roles
    clocks = [roles[role] for role in ("time", "received") if role in roles]
    sample = pl.concat([tables.sample_times(raw, name) for name in clocks], how="horizontal")
    columns = _make_columns(sample, layout, dataset)
    times = {name: tables.convert_time(raw, name, columns[name], blob.name) for name in clocks[1:]}
    if "date" in roles:
        times[roles["date"]] = tables.convert_date(raw, roles["date"], columns[roles["date"]], blob.name)
        times[roles["time"]] = tables.convert_clock(raw, roles["time"], columns[roles["time"]], blob.name)
    else:
        times[roles["time"]] = tables.convert_time(raw, roles["time"], columns[roles["time"]], blob.name)
    for level, name in layout.levels.items():
        if "_px_" in level and raw.schema[name] == pl.Float32():
            _check_float32(raw, name, dataset.tick, blob.name)
    return tables.convert_table(raw, columns, times, checker), layout


def _check_float32(raw: pl.DataFrame, name: str, tick: float, source: str) -> None:
    """Raise DataError if 32 bits do not tell two neighbouring prices apart."""
    largest = raw.select(pl.col(name).fill_nan(None).abs().max()).item() or 0.0
    if largest * 2.0**-_FLOAT32_BITS >= tick:
        raise DataError(
            f"{source}, column {name}: its type, Float32, does not hold prices of {largest:g} to the tick, {tick:g}: "
            "write Float64."
        )
