"""From rows of quotes to events: one exchange, times in UTC, rows in order, blanks."""

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import PurePosixPath

import polars as pl

from ofiml.data.checks import Check, Checker
from ofiml.data.feed import Blob, Feed, split_by_symbol
from ofiml.data.formats import timestamps
from ofiml.data.formats.archives import unpack_all
from ofiml.data.formats.time_formats import NAIVE
from ofiml.data.parts import find_breaks, stack_tables
from ofiml.data.readers.quotes import QuotesDataset
from ofiml.data.readers.quotes.blanks import fill_blanks
from ofiml.data.readers.quotes.exchanges import choose_exchange
from ofiml.data.readers.quotes.files import read_table
from ofiml.data.readers.quotes.layout import Layout
from ofiml.data.schema import ACTION, F_LAST, F_SNAPSHOT, NO_PRICE, SIDE, TIME
from ofiml.errors import DataError

_BREAK = "break"  # whether a row is the first after a long pause


def read_feeds(files: Sequence[Blob], dataset: QuotesDataset) -> Iterator[Feed]:
    """Yield each symbol's quotes in order, of each file of an archive.

    Raises DataError for a column that is missing or has two roles, rows of several exchanges, blanks of unknown
    meaning, and for rows that the policy refuses.
    """
    (blob,) = files
    members = unpack_all(blob)
    for member in members:
        digest = hashlib.sha256(member.content).hexdigest() if len(members) > 1 else None
        for feed in _read_members([member], dataset):
            yield replace(feed, digest=digest)


def read_chain(files: Sequence[Blob], dataset: QuotesDataset) -> Iterator[Feed]:
    """Yield each symbol's quotes of several files in order, so that a blank may repeat a value of the file before.

    Raises DataError for files with other columns, and as `read_feeds`. After a long pause no value is repeated.
    """
    return _read_members([member for blob in files for member in unpack_all(blob)], dataset)


def _read_members(members: Sequence[Blob], dataset: QuotesDataset) -> Iterator[Feed]:
    parts: list[tuple[pl.DataFrame, Checker]] = []
    notes: list[str] = []
    layout = None
    for blob in members:
        own = Checker(blob.name, dataset.policy)
        table, its_layout = read_table(blob, dataset, own)
        table, more = choose_exchange(table, its_layout, dataset, own)
        notes += [note for note in more if note not in notes]
        table = _name_symbol(table, blob, dataset)
        if parts and table.schema != parts[0][0].schema:
            raise DataError(
                f"{members[0].name} and {blob.name} have other columns, or times of another form: read each by itself."
            )
        parts.append((table, own))
        layout = layout or its_layout
    assert layout is not None
    table, checker = stack_tables(parts)
    for symbol, rows, its_checker in split_by_symbol(table, checker.source, dataset.symbols, checker):
        count = rows.height + sum(its_checker.dropped.values())
        rows, order_notes = _order_rows(_join_date(rows), layout)
        rows = _convert_times(rows, layout, dataset, its_checker)
        breaks = _find_breaks(rows, its_checker)
        rows = fill_blanks(rows, layout, dataset, its_checker, breaks)
        rows = rows.with_columns(pl.int_range(pl.len()).is_in(breaks).alias(_BREAK))
        rows = its_checker.apply(rows, _make_level_checks(layout, dataset))
        if dataset.zero_price == "missing":
            rows = _remove_zero_prices(rows, layout, its_checker)
        events = _make_events(rows, layout.n_levels)
        yield Feed(symbol, events, layout.n_levels, count, its_checker, notes=(*notes, *order_notes))


def _find_breaks(rows: pl.DataFrame, checker: Checker) -> list[int]:
    """Find the first rows of files that begin after a long pause; none in rows that are sorted by another number."""
    if len(checker.parts) < 2 or not rows["line"].is_sorted():
        return []
    clock = rows["received" if "received" in rows.columns else "time"]
    return find_breaks(rows["line"].to_numpy(), clock.to_physical().to_numpy(), checker)


def _name_symbol(table: pl.DataFrame, blob: Blob, dataset: QuotesDataset) -> pl.DataFrame:
    """Add the symbol: a column, with its suffix if it has one, or that of the file's name, or the only wanted one."""
    if "suffix" in table.columns:
        whole = pl.concat_str("symbol", pl.lit("."), "suffix")
        return table.with_columns(pl.coalesce(whole, "symbol").alias("symbol")).drop("suffix")
    if "symbol" in table.columns:
        return table
    symbol = None if dataset.file_name is None else _match_name(blob.name, dataset.file_name)
    if symbol is None and dataset.symbols is not None and len(dataset.symbols) == 1:
        symbol = dataset.symbols[0]
    if symbol is None:
        raise DataError(
            f"{blob.name}: dataset.columns.symbol is not set; set it, or name the symbol, dataset.symbols=[…]."
        )
    return table.with_columns(pl.lit(symbol).alias("symbol"))


def _match_name(name: str, template: str) -> str | None:
    """Return the symbol in the file's name, or in that of its archive; None if neither fits the template."""
    parts = (re.escape(part).replace(r"\*", ".*") for part in template.split("{symbol}"))
    pattern = re.compile("(.+?)".join(parts))
    for part in reversed(name.split("/")):
        stem = PurePosixPath(part).name.partition(".")[0]
        if (match := pattern.fullmatch(stem)) is not None:
            return match[1]
    return None


def _join_date(rows: pl.DataFrame) -> pl.DataFrame:
    """Join a date and a time of day to a local time."""
    if "date" not in rows.columns:
        return rows
    return rows.with_columns(time=pl.col("date").cast(NAIVE) + pl.duration(nanoseconds="time", time_unit="ns")).drop(
        "date"
    )


def _order_rows(rows: pl.DataFrame, layout: Layout) -> tuple[pl.DataFrame, list[str]]:
    """Sort rows by the file's own sequence if they are not in order of time and the sequence is; note it."""
    if "sequence" not in rows.columns:
        return rows, []
    clock = "received" if "received" in rows.columns else "time"
    n_reversals = _count_reversals(rows[clock])
    if n_reversals == 0:
        return rows, []
    ordered = rows.sort("sequence", maintain_order=True)
    if _count_reversals(ordered[clock]) >= n_reversals:
        return rows, []
    name = layout.roles["sequence"]
    return ordered, [f"the rows are not in order of time in {n_reversals} places, so they are sorted by {name}"]


def _count_reversals(times: pl.Series) -> int:
    return int((times < times.shift(1)).sum())


def _convert_times(rows: pl.DataFrame, layout: Layout, dataset: QuotesDataset, checker: Checker) -> pl.DataFrame:
    """Convert local times to UTC; times that do not exist, or are ambiguous, are unreadable."""
    for role in ("time", "received"):
        if role not in rows.columns or rows.schema[role] != NAIVE:
            continue
        if dataset.time_zone == "UTC":
            rows = rows.with_columns(pl.col(role).dt.replace_time_zone("UTC").cast(TIME))
            continue
        utc, twice = timestamps.to_utc_in_order(rows[role], dataset.time_zone)
        bad = utc.is_null()
        if bad.any():
            remedy = partial(_explain_local_time, zone=dataset.time_zone, twice=bool(twice.filter(bad)[0]))
            what = f"'{{{role}}}' cannot be read"
            rows = checker.refuse("unreadable", rows, bad, layout.roles[role], what, remedy)
            utc = utc.filter(~bad)
        rows = rows.with_columns(utc.alias(role))
    return rows


def _explain_local_time(_: str, *, zone: str, twice: bool) -> str:
    cause = (
        f"This local time exists twice in {zone}, as the clock goes back, and the order of the rows does not tell "
        "which is meant: give times in UTC or with their offset"
        if twice
        else f"This local time does not exist in {zone}, as the clock goes forward: check dataset.time_zone"
    )
    return f"{cause}, or drop and count such rows: dataset.policy.unreadable=drop."


def _make_level_checks(layout: Layout, dataset: QuotesDataset) -> list[Check]:
    """Make the checks for a price without a size and a size without a price."""
    checks = []
    hint = " (a blank may mean unchanged: dataset.blank=unchanged)" if dataset.blank is None else ""
    for m in range(layout.n_levels):
        for side in ("bid", "ask"):
            px, sz = f"{side}_px_{m:02d}", f"{side}_sz_{m:02d}"
            names = (side, f"{side}_size") if layout.n_levels == 1 else (layout.levels[px], layout.levels[sz])
            no_price = pl.col(px).is_null() & (pl.col(sz) != 0)
            no_size = pl.col(sz).is_null() & (pl.col(px) != 0)
            checks += [
                Check("unreadable", names[0], no_price, f"there is a size, {{{sz}}}, and no price{hint}"),
                Check("unreadable", names[1], no_size, f"there is a price, {{{px}}}, and no size{hint}"),
            ]
    return checks


def _remove_zero_prices(rows: pl.DataFrame, layout: Layout, checker: Checker) -> pl.DataFrame:
    """Make prices of 0 null and note how many have a size.

    Raises DataError if one has a size in a table with negative prices: 0 then is a price like any other.
    """
    levels = [(f"{side}_px_{m:02d}", f"{side}_sz_{m:02d}") for m in range(layout.n_levels) for side in ("bid", "ask")]
    negative = any(((rows[px] < 0) & (rows[sz] != 0)).any() for px, sz in levels)
    for px, sz in levels:
        sized = rows.filter((pl.col(px) == 0) & (pl.col(sz) != 0))
        if sized.height and negative:
            raise DataError(
                f"{checker.source}, {checker.place} {sized['line'][0]}, column {layout.levels[px]}: the price is 0 "
                f"with a size of {sized[sz][0]} in a file with negative prices ({sized.height} such rows): quote or "
                "missing? Set dataset.zero_price=quote, or remove the sizes of missing quotes."
            )
        if sized.height:
            checker.notes.append(
                f"{sized.height:,} prices of 0 with a size in column {layout.levels[px]} count as missing "
                "(dataset.zero_price=quote keeps them)"
            )
    return rows.with_columns(pl.when(pl.col(px) != 0).then(pl.col(px)).alias(px) for px, _ in levels)


def _make_events(rows: pl.DataFrame, n_levels: int) -> pl.DataFrame:
    levels = []
    for m in range(n_levels):
        px, sz = ({side: f"{side}_{q}_{m:02d}" for side in ("bid", "ask")} for q in ("px", "sz"))
        exists = {s: pl.col(px[s]).is_not_null() & pl.col(sz[s]).fill_null(0).ne(0) for s in px}
        levels += [pl.when(exists[s]).then(pl.col(px[s])).otherwise(NO_PRICE).alias(px[s]) for s in px]
        levels += [pl.when(exists[s]).then(pl.col(sz[s])).otherwise(0).alias(sz[s]) for s in sz]
        levels += [pl.lit(None, pl.UInt32).alias(f"{s}_ct_{m:02d}") for s in px]
    sequence = "sequence" if "sequence" in rows.columns else "line"
    return rows.select(
        "line",
        pl.col("time").alias("ts_event"),
        pl.col("received" if "received" in rows.columns else "time").alias("ts_recv"),
        pl.lit("M", ACTION).alias("action"),
        pl.lit("N", SIDE).alias("side"),
        pl.lit(None, pl.Int64).alias("price"),
        pl.lit(0, pl.Int64).alias("size"),
        pl.when(_BREAK).then(F_LAST | F_SNAPSHOT).otherwise(F_LAST).cast(pl.UInt8).alias("flags"),
        pl.col(sequence).cast(pl.Int64).alias("sequence"),
        *levels,
    )
