"""Recorded latencies, read from a table."""

import polars as pl

from ofiml.backtest.latency import Latency
from ofiml.data.schema import TIME
from ofiml.errors import DataError

_KEY = "backtest.latency_table"


def read_latency_table(path: str, response: int) -> Latency:
    """Read recorded latencies: CSV or Parquet with `time`, ascending, and `latency_ns`, whole ns from 0.

    A time is a timestamp, in UTC if it has no zone, or an integer of ns. Raises DataError for a file that cannot be
    read, for columns that are missing or of another kind, for empty cells, negative latencies and times out of order.
    """
    table = _read_table(path)
    missing = [name for name in ("time", "latency_ns") if name not in table.columns]
    if missing:
        raise DataError(f"{_KEY}={path} has no column {' and '.join(missing)}: it needs time (UTC) and latency_ns.")
    if table.height == 0:
        raise DataError(f"{_KEY}={path} has no rows: add at least one, or leave {_KEY} out.")
    times, values = _read_times(table["time"], path), table["latency_ns"]
    if times.null_count() or values.null_count():
        row = int((times.is_null() | values.is_null()).arg_max() or 0)
        raise DataError(
            f"{_KEY}={path}, row {row + 1}: time or latency_ns is empty or no number: fix or remove the row."
        )
    whole = values.cast(pl.Int64, strict=False)
    if not values.dtype.is_numeric() or whole.null_count() or bool((whole.cast(values.dtype) != values).any()):
        raise DataError(f"{_KEY}={path}: latency_ns must be whole nanoseconds, 0 or more.")
    if int(whole.min()) < 0:  # type: ignore[arg-type]
        raise DataError(f"{_KEY}={path}: latency_ns must be whole nanoseconds, 0 or more.")
    falls = times.diff().fill_null(0) < 0
    if falls.any():
        row = int(falls.arg_max() or 0)
        raise DataError(f"{_KEY}={path}, row {row + 1}: time is before that of the row above: sort the rows by time.")
    return Latency(whole.to_numpy(), response, times.to_numpy())


def _read_table(path: str) -> pl.DataFrame:
    try:
        return pl.read_parquet(path) if path.endswith(".parquet") else pl.read_csv(path)
    except (OSError, pl.exceptions.PolarsError) as error:
        reason = "does not exist" if isinstance(error, FileNotFoundError) else "is no table that can be read"
        raise DataError(
            f"{_KEY}={path} {reason}: give a CSV or Parquet file with time (UTC) and latency_ns."
        ) from error


def _read_times(column: pl.Series, path: str) -> pl.Series:
    """Read times as ns UTC; null where a text is no time."""
    if column.dtype.is_integer():
        return column.cast(pl.Int64)
    if column.dtype == pl.String:
        has_zone = column.str.contains(r"(Z|[+-]\d\d:?\d\d)$").all()
        texts = column if has_zone else column.str.replace(r"$", "+00:00")
        texts = texts.str.replace(" ", "T", literal=True).str.replace("Z$", "+00:00")
        column = texts.str.to_datetime("%Y-%m-%dT%H:%M:%S%.f%#z", time_unit="ns", time_zone="UTC", strict=False)
    if not isinstance(column.dtype, pl.Datetime):
        raise DataError(f"{_KEY}={path}: time is {column.dtype}: it must be a timestamp (UTC) or an integer of ns.")
    stamps = column if column.dtype.time_zone else column.dt.replace_time_zone("UTC")
    return stamps.cast(TIME).cast(pl.Int64)
