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
    """Read the columns that `wanted` selects from the file's names, and `line`, the row from 1.

    Raises DataError for a file that is damaged, unpacks to too many bytes or has no rows, and errors of `wanted`.
    """
    try:
        file = pq.ParquetFile(io.BytesIO(blob.content), page_checksum_verification=True)
        metadata = file.metadata
        size = sum(metadata.row_group(i).total_byte_size for i in range(metadata.num_row_groups))
        # A repeated value takes almost no bytes in the file, but 8 per row in memory.
        if max(size, 8 * metadata.num_rows * metadata.num_columns) > MAX_BYTES:
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
