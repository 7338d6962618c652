"""Tables, and records of arrays, that all workers read, instead of a copy in each piece of work.

Threads share the memory. Other workers map a file of the folder that they share, so that processes of one machine have
one copy; at an address they read it, once a worker. The files are plain arrays: nothing in them can be run.
"""

import io
import platform
import uuid
from collections.abc import Callable
from dataclasses import dataclass, fields, is_dataclass, replace
from functools import lru_cache
from typing import Any, Generic, TypeVar, cast

import numpy as np
import polars as pl
from numpy.typing import NDArray

from ofiml.errors import DataError
from ofiml.parallel.workers import Workers
from ofiml.storage import Folder, open_storage, strip_credentials

T = TypeVar("T")

_KEPT = 4  # tables that a worker keeps
_KEPT_ARRAYS = 64  # more than a few records have


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
class _ArrayFile:
    """The file of an array, in its place in a record."""

    name: str


@dataclass(frozen=True, slots=True)
class SharedRecord(Generic[T]):
    """A record of arrays; with a `place`, the record has a file there instead of each array."""

    record: T
    place: str = ""

    def read(self) -> T:
        """Return the record, whose arrays must not be changed. Raises DataError if a worker does not see the folder."""
        if not self.place:
            return self.record
        return _replace_parts(self.record, _ArrayFile, lambda file: _read_array(self.place, file.name))


def share_table(table: pl.DataFrame, workers: Workers) -> SharedTable:
    """Share a table with the workers."""
    if workers.share_memory:
        return SharedTable(table)
    name = f"{_make_name()}.arrow"
    workers.storage.write(name, lambda path: table.write_ipc(path, compression="uncompressed"))
    return SharedTable(None, workers.place, name)


def share_record(record: T, workers: Workers) -> SharedRecord[T]:
    """Share a record with the workers: a dataclass of arrays, of such records, and of dicts of both.

    Arrays keep their types, shapes and orders of elements.
    """
    if workers.share_memory:
        return SharedRecord(record)

    def write(array: NDArray[Any]) -> _ArrayFile:
        file = _ArrayFile(f"{_make_name()}.npy")
        workers.storage.write(file.name, lambda path: _save(path, array))
        return file

    return SharedRecord(_replace_parts(record, np.ndarray, write), workers.place)


def _replace_parts(record: Any, kind: type, change: Callable[[Any], Any]) -> Any:
    """Copy a record with each part of a `kind` changed."""
    if isinstance(record, kind):
        return change(record)
    if isinstance(record, dict):
        return {name: _replace_parts(part, kind, change) for name, part in record.items()}
    if is_dataclass(record) and not isinstance(record, type):
        return replace(
            record, **{f.name: _replace_parts(getattr(record, f.name), kind, change) for f in fields(record)}
        )
    return record


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


@lru_cache(_KEPT_ARRAYS)
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
