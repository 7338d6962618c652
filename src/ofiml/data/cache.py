"""The cache of checked sessions and of tables derived from them, one Arrow file each, addressed by content.

A file's name is a hash of the input's bytes and names, of the settings that change a session, and of this package's
source, so entries never need to be invalidated. Each file appears whole or not at all (`ofiml.storage`); the manifest
with the hashes of all files comes last. A missing, partial or altered file is detected and rebuilt.
"""

import hashlib
import io
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import polars as pl

from ofiml.config import FileDataset, SyntheticDataset
from ofiml.data.quality import restore_quality
from ofiml.data.schema import Session, list_columns
from ofiml.provenance import identify_code
from ofiml.storage import Storage

Item = TypeVar("Item")
TableAndMeta = tuple[pl.DataFrame, dict[str, Any]]

# Settings that choose sessions or locate files; they do not change a session.
_UNHASHED_SETTINGS = {"path", "bad_files", "store", "first_date", "last_date", "max_sessions", "max_events"}

#: The code that makes sessions: a change of a model does not read the data again.
_SOURCES = ("config", "data", "units.py")
_PACKAGES = ("databento-dbn", "exchange-calendars", "orjson", "polars", "pyarrow", "tzdata")

_INSTRUMENT_SETTINGS = {"tick", "size_unit", "calendar"}  # fees and money do not change a session


def make_cache_key(names: Sequence[str], content: str, dataset: FileDataset | SyntheticDataset, **other: Any) -> str:
    """Return the cache name of an input's sessions: 32 hexadecimal digits.

    `names` are the file names and `content` their digest; `other` holds further settings that change the sessions.
    """
    settings = {k: v for k, v in asdict(dataset).items() if k not in _UNHASHED_SETTINGS}
    settings["instruments"] = [
        [pattern, {k: v for k, v in own.items() if k in _INSTRUMENT_SETTINGS}]
        for pattern, own in dataset.instruments.items()
    ]
    code = identify_code(*_PACKAGES, parts=_SOURCES)
    made_from = {"names": list(names), "content": content, "settings": settings | other, "source": code}
    return hashlib.sha256(json.dumps(made_from, sort_keys=True).encode()).hexdigest()[:32]


def cache_sessions(storage: Storage, name: str, make: Callable[[], Iterator[Session]]) -> Iterator[Session]:
    """Yield the sessions of `make`: from `storage` where they are cached and intact, else computed and cached."""
    return cache_items(storage, name, make, _pack_session, _unpack_session)


def cache_items(
    storage: Storage,
    name: str,
    make: Callable[[], Iterator[Item]],
    pack: Callable[[Item], TableAndMeta],
    unpack: Callable[[pl.DataFrame, dict[str, Any]], Item],
) -> Iterator[Item]:
    """Yield the items of `make`: from `storage` where they are cached and intact, else computed and cached.

    `pack` turns an item into a table and JSON-compatible metadata, `unpack` does the reverse. The cache entry becomes
    valid once the caller has consumed all items.
    """
    manifest, whole = _read_manifest(storage, name), 0
    for meta in manifest or []:
        table = _read_table(storage, _name_item(name, whole), meta.pop("sha256"))
        if table is None:
            break
        yield unpack(table, meta)
        whole += 1
    if manifest is None or whole < len(manifest):
        # Rebuilt items equal the cached ones, and the intact ones have been yielded already.
        yield from islice(write_items(storage, name, make(), pack), whole, None)


def _name_item(name: str, index: int) -> str:
    return f"{name}-{index}.arrow"


def _read_manifest(storage: Storage, name: str) -> list[dict[str, Any]] | None:
    """Read the metadata of each item; None if the file is missing or altered."""
    return read_sealed(storage, f"{name}.json")


def read_sealed(storage: Storage, name: str) -> Any:
    """Read what `write_sealed` wrote; None if the file is missing or altered."""
    sha, _, content = (storage.read(name) or b"").partition(b"\n")
    return json.loads(content) if hashlib.sha256(content).hexdigest().encode() == sha else None


def write_sealed(storage: Storage, name: str, value: Any) -> None:
    """Write a value as JSON below a line with its hash."""
    content = json.dumps(value, indent=1).encode()
    sealed = hashlib.sha256(content).hexdigest().encode() + b"\n" + content
    storage.write(name, lambda path: path.write_bytes(sealed))


def _read_table(storage: Storage, name: str, sha: str) -> pl.DataFrame | None:
    """Read a table; None if its file is missing or altered."""
    content = storage.read(name)
    if content is None:
        return None
    return pl.read_ipc(io.BytesIO(content)) if hashlib.sha256(content).hexdigest() == sha else None


def has_items(storage: Storage, name: str) -> bool:
    """Return whether the cache has a complete entry of this name. Its items may still be damaged."""
    return _read_manifest(storage, name) is not None


def write_items(
    storage: Storage, name: str, items: Iterator[Item], pack: Callable[[Item], TableAndMeta]
) -> Iterator[Item]:
    """Yield the items, each once it is written; the entry becomes valid once the caller has consumed all."""
    manifest = []
    for i, item in enumerate(items):
        table, meta = pack(item)
        # Read in half the time of Parquet, by every run.
        sha = storage.write(_name_item(name, i), partial(table.write_ipc, compression="zstd"))
        manifest.append(meta | {"sha256": sha})
        yield item
    write_sealed(storage, f"{name}.json", manifest)


_META = [
    *("symbol", "date", "open", "close", "tick", "levels", "size_unit", "source", "digest", "scheduled_close"),
    *("calendar", "home"),
]


def _pack_session(session: Session) -> TableAndMeta:
    table = session.events.select(list_columns(session.levels, session.events.columns))
    return table, {k: getattr(session, k) for k in _META} | {"quality": asdict(session.quality)}


def _unpack_session(table: pl.DataFrame, meta: dict[str, Any]) -> Session:
    return Session(events=table, **meta | {"quality": restore_quality(meta["quality"])})


def write_events(session: Session, path: Path) -> None:
    """Write the session's events as Parquet in the event schema."""
    _pack_session(session)[0].write_parquet(path, compression="zstd", compression_level=1)
