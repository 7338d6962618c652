"""Parquet bytes to a table."""

import io
from collections.abc import Callable

import polars as pl
import pyarrow.parquet as pq
from pyarrow import ArrowException

from ofiml.data.feed import MAX_BYTES, Blob
from ofiml.errors import DataError

MAGIC = b"PAR1"


def read_parquet(blob: Blob, wanted: Callable[[list[str]], list[str]]) -> pl.DataFrame:
    """Those of the file's columns that are `wanted`, after `line`, the row from 1.

    Raises DataError for what is damaged, unpacks to too much or has no rows, and what `wanted` raises.
    """
    try:
        file = pq.ParquetFile(io.BytesIO(blob.content), page_checksum_verification=True)
        stated = file.metadata
        size = sum(stated.row_group(i).total_byte_size for i in range(stated.num_row_groups))
        # One value many times over takes next to nothing until it is read.
        if max(size, 8 * stated.num_rows * stated.num_columns) > MAX_BYTES:
            raise DataError(f"{blob.name} unpacks to more than {MAX_BYTES >> 30} GiB: split it.")
        frame = pl.from_arrow(file.read(columns=wanted(file.schema_arrow.names)))
    except DataError:
        raise
    except (ArrowException, OSError, ValueError, pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        reason = (str(error).splitlines() or ["no reason given"])[0]
        raise DataError(f"{blob.name} cannot be read as Parquet ({reason:.200}): fetch or write it again.") from error
    assert isinstance(frame, pl.DataFrame)
    if frame.height == 0:
        raise DataError(f"{blob.name} has no rows: give a file with rows.")
    return frame.drop("line", strict=False).with_row_index("line", offset=1)
