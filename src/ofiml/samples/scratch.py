"""Tables on a disk instead of in memory.

The sessions of a study may have more rows than memory has room for. Their tables lie in a temporary file and are read
as views of it: the system loads the pages that are read, and drops them again when others need the room. The file has
no name, so nothing else can cut or delete it. The disk has its room back once no view is left or the process has ended,
in whatever way.
"""

import mmap
import tempfile
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import cast

import polars as pl

from ofiml._typing import Int64
from ofiml.atomic import name_file
from ofiml.storage import is_address

_ALIGNMENT = 64  # bytes, of the columns of an Arrow file


@dataclass(frozen=True, slots=True)
class Region:
    """The bytes of a table in a scratch file, from `start` up to before `end`."""

    start: int
    end: int


class Scratch:
    """A temporary file of tables. Several threads may write at a time."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._lock = folder, Lock()
        with name_file(folder):
            folder.mkdir(parents=True, exist_ok=True)
            self._file = tempfile.TemporaryFile(dir=folder, buffering=0)  # noqa: SIM115 - as long as its views
        self._end = 0
        self._map: mmap.mmap | None = None

    def write(self, table: pl.DataFrame) -> Region:
        """Write a table and return its place. Raises OSError with the name of the folder, if its disk is full."""
        with self._lock, name_file(self._folder):
            start = self._file.seek(self._end)
            table.write_ipc(self._file, record_batch_size=max(1, table.height))  # straight from the table's memory
            end = self._file.tell()
            self._end = end + -end % _ALIGNMENT
        return Region(start, end)

    def read(self, region: Region) -> pl.DataFrame:
        """Return the table of a region as a view of the file. It stays valid when this object is gone."""
        import pyarrow as pa

        with self._lock:
            if self._map is None or len(self._map) < region.end:  # one map for all that is written before it is read
                self._map = mmap.mmap(self._file.fileno(), 0, access=mmap.ACCESS_READ)
            content = pa.py_buffer(self._map).slice(region.start, region.end - region.start)
        return cast(pl.DataFrame, pl.from_arrow(pa.ipc.open_file(content).read_all(), rechunk=False))

    def keep(self, table: pl.DataFrame) -> pl.DataFrame:
        """Write a table and return the view of it that takes its place."""
        return self.read(self.write(table))

    def keep_rows(self, table: pl.DataFrame, positions: Int64) -> pl.DataFrame:
        """Write the rows of a table at `positions` (k,), one column after the other, and return the view of them."""
        regions = [self.write(pl.DataFrame([column.rechunk().gather(positions)])) for column in table]
        return pl.concat([self.read(region) for region in regions], how="horizontal")


def choose_scratch_folder(store: str | None) -> Path:
    """Choose the folder of scratch files: the cache at `store` if it is a path, else the folder of temporary files."""
    return Path(tempfile.gettempdir() if store is None or is_address(store) else store).absolute()
