"""The cache of checked sessions, and of what is made of them: a Parquet file each, named by what it was made from.

The name is a hash of the input's bytes and names, of the settings that matter, and of the source of this package, so
that nothing has to be invalidated by hand. Files are written to a name of their own and renamed; the manifest, which
holds their hashes, comes last. Whatever is missing, half written or altered is noticed and made again.
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
from ofiml.data.quality import Quality
from ofiml.data.schema import Session, schema
from ofiml.provenance import digest

Item = TypeVar("Item")
Packed = tuple[pl.DataFrame, dict[str, Any]]

# Settings that choose among sessions, or say where things lie, and do not change a session.
_ELSEWHERE = {"path", "store", "first_date", "last_date", "max_sessions", "max_events"}


def key(names: Sequence[str], content: str, dataset: FileDataset | SyntheticDataset, **other: Any) -> str:
    """The name of an input's sessions under a config: of files so named, whose digest is `content`. `other` is what
    else changes them."""
    settings = {k: v for k, v in asdict(dataset).items() if k not in _ELSEWHERE}
    made_from = {"names": list(names), "content": content, "settings": settings | other, "source": _source()}
    return hashlib.sha256(json.dumps(made_from, sort_keys=True).encode()).hexdigest()[:32]


def through(folder: Path, name: str, make: Callable[[], Iterator[Session]]) -> Iterator[Session]:
    """The sessions that `make` yields, from the folder as far as they are there and whole, else made and kept there."""
    return kept(folder, name, make, _packed, _unpacked)


def kept(
    folder: Path,
    name: str,
    make: Callable[[], Iterator[Item]],
    packed: Callable[[Item], Packed],
    unpacked: Callable[[pl.DataFrame, dict[str, Any]], Item],
) -> Iterator[Item]:
    """The items that `make` yields, from the folder as far as they are there and whole, else made and kept there.

    An item is `packed` into a table and what JSON can hold. They are kept once all have been taken.
    """
    manifest, whole = _manifest(folder, name), 0
    for meta in manifest or []:
        table = _load(_file(folder, name, whole), meta.pop("sha256"))
        if table is None:
            break
        yield unpacked(table, meta)
        whole += 1
    if manifest is None or whole < len(manifest):
        # Made again, they come out as they did: those that were whole have been given already.
        yield from islice(_keep(folder, name, make(), packed), whole, None)


def _file(folder: Path, name: str, index: int) -> Path:
    return folder / f"{name}-{index}.parquet"


def _manifest(folder: Path, name: str) -> list[dict[str, Any]] | None:
    """What is kept of each session, if it is as it was written, else None. The first line is its own hash."""
    try:
        sha, _, content = (folder / f"{name}.json").read_bytes().partition(b"\n")
    except OSError:
        return None
    return json.loads(content) if hashlib.sha256(content).hexdigest().encode() == sha else None


def _load(path: Path, sha: str) -> pl.DataFrame | None:
    """The table, if its file is as it was written, else None."""
    try:
        content = path.read_bytes()
    except OSError:
        return None
    return pl.read_parquet(io.BytesIO(content)) if hashlib.sha256(content).hexdigest() == sha else None


def _keep(folder: Path, name: str, items: Iterator[Item], packed: Callable[[Item], Packed]) -> Iterator[Item]:
    folder.mkdir(parents=True, exist_ok=True)
    manifest = []
    for i, item in enumerate(items):
        table, meta = packed(item)
        sha = renamed(_file(folder, name, i), partial(_write, table))
        manifest.append(meta | {"sha256": sha})
        yield item
    content = json.dumps(manifest, indent=1).encode()
    sealed = hashlib.sha256(content).hexdigest().encode() + b"\n" + content
    renamed(folder / f"{name}.json", lambda path: path.write_bytes(sealed))


_META = ["symbol", "date", "open", "close", "tick", "levels", "size_unit", "source", "digest", "scheduled_close"]


def _packed(session: Session) -> Packed:
    table = session.events.select(list(schema(session.levels)))
    return table, {k: getattr(session, k) for k in _META} | {"quality": asdict(session.quality)}


def _unpacked(table: pl.DataFrame, meta: dict[str, Any]) -> Session:
    return Session(events=table, **meta | {"quality": Quality(**meta["quality"])})


def write(session: Session, path: Path) -> None:
    """The session's events as Parquet, in the event schema."""
    _write(_packed(session)[0], path)


def _write(table: pl.DataFrame, path: Path) -> None:
    table.write_parquet(path, compression="zstd", compression_level=1)


def renamed(path: Path, write_to: Callable[[Path], object]) -> str:
    """Writes beside `path`, then renames, so that it appears whole or not at all; returns the SHA-256 of it."""
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
def _source() -> str:
    """A hash of what makes sessions: this package's source, its settings and units, and the packages that it asks."""
    package = Path(__file__).parent
    sources = [*package.rglob("*.py"), *(package.parent / "config").rglob("*.py"), package.parent / "units.py"]
    versions = [f"{name} {importlib.metadata.version(name)}" for name in _ASKED]
    return digest(*(v.encode() for v in versions), *(f.read_bytes() for f in sorted(sources)))


_ASKED = ("databento-dbn", "exchange-calendars", "orjson", "polars", "pyarrow", "tzdata")
