"""The cache of checked sessions and of tables derived from them, one Arrow file each, addressed by content.

A file's name is a hash of the input's bytes and names, of the settings that change a session, and of this package's
source, so entries never need to be invalidated. Each file is written under a temporary name and then renamed; the
manifest with the hashes of all files comes last. A missing, partial or altered file is detected and rebuilt.
"""

import hashlib
import importlib.metadata
import io
import json
import os
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from functools import cache, partial
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import polars as pl

from ofiml.config import FileDataset, SyntheticDataset
from ofiml.data.quality import restore_quality
from ofiml.data.schema import Session, list_columns
from ofiml.provenance import hash_contents

Item = TypeVar("Item")
TableAndMeta = tuple[pl.DataFrame, dict[str, Any]]

# Settings that choose sessions or locate files; they do not change a session.
_UNHASHED_SETTINGS = {"path", "bad_files", "store", "first_date", "last_date", "max_sessions", "max_events"}

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
    made_from = {"names": list(names), "content": content, "settings": settings | other, "source": _hash_sources()}
    return hashlib.sha256(json.dumps(made_from, sort_keys=True).encode()).hexdigest()[:32]


def cache_sessions(folder: Path, name: str, make: Callable[[], Iterator[Session]]) -> Iterator[Session]:
    """Yield the sessions of `make`: from `folder` where they are cached and intact, else computed and cached."""
    return cache_items(folder, name, make, _pack_session, _unpack_session)


def cache_items(
    folder: Path,
    name: str,
    make: Callable[[], Iterator[Item]],
    pack: Callable[[Item], TableAndMeta],
    unpack: Callable[[pl.DataFrame, dict[str, Any]], Item],
) -> Iterator[Item]:
    """Yield the items of `make`: from `folder` where they are cached and intact, else computed and cached.

    `pack` turns an item into a table and JSON-compatible metadata, `unpack` does the reverse. The cache entry becomes
    valid once the caller has consumed all items.
    """
    manifest, whole = _read_manifest(folder, name), 0
    for meta in manifest or []:
        table = _read_table(_make_item_path(folder, name, whole), meta.pop("sha256"))
        if table is None:
            break
        yield unpack(table, meta)
        whole += 1
    if manifest is None or whole < len(manifest):
        # Rebuilt items equal the cached ones, and the intact ones have been yielded already.
        yield from islice(write_items(folder, name, make(), pack), whole, None)


def _make_item_path(folder: Path, name: str, index: int) -> Path:
    return folder / f"{name}-{index}.arrow"


def _read_manifest(folder: Path, name: str) -> list[dict[str, Any]] | None:
    """Read the metadata of each item; None if the file is missing or altered."""
    return read_sealed(folder / f"{name}.json")


def read_sealed(path: Path) -> Any:
    """Read what `write_sealed` wrote; None if the file is missing or altered."""
    try:
        sha, _, content = path.read_bytes().partition(b"\n")
    except OSError:
        return None
    return json.loads(content) if hashlib.sha256(content).hexdigest().encode() == sha else None


def write_sealed(path: Path, value: Any) -> None:
    """Write a value as JSON below a line with its hash."""
    path.parent.mkdir(parents=True, exist_ok=True)
    content = json.dumps(value, indent=1).encode()
    sealed = hashlib.sha256(content).hexdigest().encode() + b"\n" + content
    write_atomically(path, lambda part: part.write_bytes(sealed))


def _read_table(path: Path, sha: str) -> pl.DataFrame | None:
    """Read a table; None if its file is missing or altered."""
    try:
        content = path.read_bytes()
    except OSError:
        return None
    return pl.read_ipc(io.BytesIO(content)) if hashlib.sha256(content).hexdigest() == sha else None


def has_items(folder: Path, name: str) -> bool:
    """Return whether `folder` has a complete entry of this name. Its items may still be damaged."""
    return _read_manifest(folder, name) is not None


def write_items(folder: Path, name: str, items: Iterator[Item], pack: Callable[[Item], TableAndMeta]) -> Iterator[Item]:
    """Yield the items, each once it is written; the entry becomes valid once the caller has consumed all."""
    folder.mkdir(parents=True, exist_ok=True)
    manifest = []
    for i, item in enumerate(items):
        table, meta = pack(item)
        # Read in half the time of Parquet, by every run.
        sha = write_atomically(_make_item_path(folder, name, i), partial(table.write_ipc, compression="zstd"))
        manifest.append(meta | {"sha256": sha})
        yield item
    write_sealed(folder / f"{name}.json", manifest)


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


def write_atomically(path: Path, write_to: Callable[[Path], object]) -> str:
    """Write a temporary file beside `path` and rename it, so it appears whole or not at all; return its SHA-256."""
    part = path.with_name(f".{path.name}.{os.getpid()}.{uuid.uuid4().hex}")
    try:
        write_to(part)
        with part.open("rb") as file:
            sha = hashlib.file_digest(file, "sha256").hexdigest()
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return sha


@cache
def _hash_sources() -> str:
    """Hash the code that makes sessions: this package, config, units, and the versions of its dependencies."""
    package = Path(__file__).parent
    sources = [*package.rglob("*.py"), *(package.parent / "config").rglob("*.py"), package.parent / "units.py"]
    versions = [f"{name} {importlib.metadata.version(name)}" for name in _HASHED_PACKAGES]
    return hash_contents(*(v.encode() for v in versions), *(f.read_bytes() for f in sorted(sources)))


_HASHED_PACKAGES = ("databento-dbn", "exchange-calendars", "orjson", "polars", "pyarrow", "tzdata")
