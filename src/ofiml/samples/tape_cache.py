"""The cache of tapes, one per session, beside that of samples."""

import hashlib
import json
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import polars as pl

from ofiml.data.bad_files import name_source, read_source
from ofiml.data.cache import TableAndMeta, cache_items, has_items, write_items
from ofiml.data.schema import Session
from ofiml.data.sessions import Source
from ofiml.provenance import identify_code
from ofiml.samples.tape import SessionTape, Tape, TapeMeta, record_session
from ofiml.storage import open_storage

_ARRAYS = [name for name, kind in Tape.__annotations__.items() if kind is not int]
_NUMBERS = [name for name in Tape._fields if name not in _ARRAYS]


def read_tapes(source: Source, store: str | None) -> Iterator[SessionTape]:
    """Yield the tapes of a source's sessions, one at a time: from the folder or address `store` where they are
    cached and intact, else built and cached. None caches nothing.
    """

    def make() -> Iterator[SessionTape]:
        return (record_session(session) for session in read_source(source))

    name = None if store is None else name_source(source)
    if store is None or name is None:
        return make()
    return cache_items(open_storage(store), _make_key(name), make, pack_tape, unpack_tape)


def read_tape(source: str | None, store: str | None, make: Callable[[], SessionTape]) -> SessionTape:
    """Read the one tape that `source` identifies with its content from the cache, else make and cache it."""
    if store is None or source is None:
        return make()
    (tape,) = cache_items(open_storage(store), _make_key(source), lambda: iter([make()]), pack_tape, unpack_tape)
    return tape


def _make_key(source: str) -> str:
    """Hash what tapes depend on: their sessions, and the code of this package."""
    parts = ["tape", source, *identify_code("numba", "numpy", "polars")]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]


def pack_tape(recorded: SessionTape) -> TableAndMeta:
    """Pack a tape as a table of one row, as its columns differ in length, and its other numbers."""
    tape, meta = recorded
    table = pl.DataFrame({name: pl.Series([pl.Series(getattr(tape, name))]) for name in _ARRAYS})
    return table, {"tape": {name: getattr(tape, name) for name in _NUMBERS}, "meta": meta._asdict()}


def unpack_tape(table: pl.DataFrame, meta: dict[str, Any]) -> SessionTape:
    """Unpack what `pack_tape` packed; the arrays can be written to, as kernels expect."""
    arrays: dict[str, Any] = {name: np.array(table[name][0].to_numpy()) for name in _ARRAYS}
    return SessionTape(Tape(**arrays, **meta["tape"]), TapeMeta(**meta["meta"]))


def record_tapes(sessions: Iterator[Session], source: str, store: str) -> Iterator[Session]:
    """Yield the sessions of a source, and cache their tapes on the way, unless they are cached already.

    `source` identifies the sessions by their content.
    """
    name = _make_key(source)
    held: list[Session] = []

    def record() -> Iterator[SessionTape]:
        for session in sessions:
            held.append(session)
            yield record_session(session)

    storage = open_storage(store)
    if has_items(storage, name):
        yield from sessions
        return
    for _ in write_items(storage, name, record(), pack_tape):
        yield held.pop()
