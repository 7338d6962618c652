"""Tables and arrays that all workers read, instead of a copy in each piece of work.

Threads share the memory. Other workers map a file of the folder that they share, so that processes of one machine have
one copy; at an address they read it, once a worker. The files are plain arrays: nothing in them can be run.
"""

import io
import platform
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, cast

import numpy as np
import polars as pl
from numpy.typing import NDArray

from ofiml.errors import DataError
from ofiml.parallel.workers import Workers
from ofiml.storage import Folder, open_storage, strip_credentials

_KEPT = 4  # tables and sets of arrays that a worker keeps


@dataclass(frozen=True, slots=True)
class SharedTable:
    """A table, or the file that has it."""

    table: pl.DataFrame | None = None
    place: str = ""
    name: str = ""

    def read(self) -> pl.DataFrame:
        """Return the table. Raises DataError if a worker does not see the folder."""
        return _read_table(self.place, self.name) if self.table is None else self.table


@dataclass(frozen=True, slots=True)
class SharedArrays:
    """Arrays by name, or the files that have them."""

    arrays: dict[str, NDArray[Any]] | None = None
    place: str = ""
    names: tuple[tuple[str, str], ...] = ()

    def read(self) -> dict[str, NDArray[Any]]:
        """Return the arrays, which must not be changed. Raises DataError if a worker does not see the folder."""
        return _read_arrays(self.place, self.names) if self.arrays is None else self.arrays


def share_table(table: pl.DataFrame, workers: Workers) -> SharedTable:
    """Share a table with the workers."""
    if workers.share_memory:
        return SharedTable(table)
    name = f"{_make_name()}.arrow"
    workers.storage.write(name, lambda path: table.write_ipc(path, compression="uncompressed"))
    return SharedTable(None, workers.place, name)


def share_arrays(arrays: Mapping[str, NDArray[Any]], workers: Workers) -> SharedArrays:
    """Share arrays with the workers, in their types, shapes and orders of elements."""
    if workers.share_memory:
        return SharedArrays(dict(arrays))
    first, names = _make_name(), []
    for number, (name, array) in enumerate(arrays.items()):
        file = f"{first}-{number}.npy"
        workers.storage.write(file, lambda path, array=array: _save(path, array))  # type: ignore[misc]
        names.append((name, file))
    return SharedArrays(None, workers.place, tuple(names))


def _make_name() -> str:
    return f"shared-{uuid.uuid4().hex}"


def _save(path: Any, array: NDArray[Any]) -> None:
    with path.open("wb") as file:
        np.save(file, array, allow_pickle=False)


@lru_cache(_KEPT)
def _read_table(place: str, name: str) -> pl.DataFrame:
    storage = open_storage(place)
    if isinstance(storage, Folder) and (storage.path / name).is_file():
        import pyarrow as pa

        with pa.memory_map(str(storage.path / name)) as file:
            return cast(pl.DataFrame, pl.from_arrow(pa.ipc.open_file(file).read_all()))
    return pl.read_ipc(io.BytesIO(_read(place, name)))


@lru_cache(_KEPT)
def _read_arrays(place: str, names: tuple[tuple[str, str], ...]) -> dict[str, NDArray[Any]]:
    return {name: _read_array(place, file) for name, file in names}


def _read_array(place: str, file: str) -> NDArray[Any]:
    storage = open_storage(place)
    if isinstance(storage, Folder) and (storage.path / file).is_file():
        try:
            return np.asarray(np.load(storage.path / file, mmap_mode="r", allow_pickle=False))
        except ValueError:  # an array without elements cannot be mapped
            pass
    content: NDArray[Any] = np.load(io.BytesIO(_read(place, file)), allow_pickle=False)
    return content


def _read(place: str, name: str) -> bytes:
    storage = open_storage(place)
    content = storage.read(name)
    if content is None:
        raise DataError(
            f"A worker on {platform.node()} does not see {strip_credentials(place)}/{name}: set features.store to a "
            "folder that all workers see, or to s3://…."
        )
    return content
