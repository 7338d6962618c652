"""Whether the columns of a table lie in memory or are views of a file."""

from pathlib import Path

import polars as pl
import pyarrow as pa

_LEAST = 256  # bytes; a smaller buffer is no matter


def list_columns_in_memory(table: pl.DataFrame) -> list[str]:
    """List the columns of which a buffer is in memory and not in a map of a file, if it is not tiny. Needs Linux."""
    files = []
    for line in Path("/proc/self/maps").read_text().splitlines():
        addresses, _, _, device, *_ = line.split()
        if device != "00:00":
            start, end = (int(part, 16) for part in addresses.split("-"))
            files.append((start, end))

    def is_mapped(buffer: pa.Buffer) -> bool:
        return any(start <= buffer.address < end for start, end in files)

    columns = table.to_arrow(compat_level=pl.CompatLevel.newest())
    return [
        name
        for name in columns.column_names
        if any(
            buffer is not None and buffer.size >= _LEAST and not is_mapped(buffer)
            for chunk in columns[name].chunks
            for buffer in chunk.buffers()
        )
    ]
