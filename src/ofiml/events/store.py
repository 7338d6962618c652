"""The cache of checked sessions: one Parquet file each, named by what it was made from.

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
from typing import Any

import polars as pl

from ofiml.config import FileDataset
from ofiml.events.feed import digest
from ofiml.events.quality import Quality
from ofiml.events.schema import Session, schema

# Settings that choose among sessions, or say where things lie, and do not change a session.
_ELSEWHERE = {"path", "store", "first_date", "last_date", "max_sessions", "max_events"}


def key(names: Sequence[str], content: str, dataset: FileDataset, **other: Any) -> str:
    """The name of an input's sessions under a config: of files so named, whose digest is `content`. `other` is what
    else changes them."""
    settings = {k: v for k, v in asdict(dataset).items() if k not in _ELSEWHERE}
    made_from = {"names": list(names), "content": content, "settings": settings | other, "source": _source()}
    return hashlib.sha256(json.dumps(made_from, sort_keys=True).encode()).hexdigest()[:32]


def through(folder: Path, name: str, make: Callable[[], Iterator[Session]]) -> Iterator[Session]:
    """The sessions that `make` yields, from the folder as far as they are there and whole, else made and kept there.

    They are kept once all have been taken.
    """
    manifest, whole = _manifest(folder, name), 0
    for meta in manifest or []:
        session = _load(_file(folder, name, whole), meta)
        if session is None:
            break
        yield session
        whole += 1
    if manifest is None or whole < len(manifest):
        # Made again, they come out as they did: those that were whole have been given already.
        yield from islice(_keep(folder, name, make()), whole, None)


def _file(folder: Path, name: str, index: int) -> Path:
    return folder / f"{name}-{index}.parquet"


def _manifest(folder: Path, name: str) -> list[dict[str, Any]] | None:
    """What is kept of each session, if it is as it was written, else None. The first line is its own hash."""
    try:
        sha, _, content = (folder / f"{name}.json").read_bytes().partition(b"\n")
    except OSError:
        return None
    return json.loads(content) if hashlib.sha256(content).hexdigest().encode() == sha else None


def _load(path: Path, meta: dict[str, Any]) -> Session | None:
    """The session, if its file is as it was written, else None."""
    try:
        content = path.read_bytes()
    except OSError:
        return None
    if hashlib.sha256(content).hexdigest() != meta["sha256"]:
        return None
    known = {k: v for k, v in meta.items() if k != "sha256"} | {"quality": Quality(**meta["quality"])}
    return Session(events=pl.read_parquet(io.BytesIO(content)), **known)


def _keep(folder: Path, name: str, sessions: Iterator[Session]) -> Iterator[Session]:
    folder.mkdir(parents=True, exist_ok=True)
    manifest = []
    for i, session in enumerate(sessions):
        meta = {k: getattr(session, k) for k in _META} | {"quality": asdict(session.quality)}
        written = renamed(_file(folder, name, i), partial(write, session))
        manifest.append(meta | {"sha256": written})
        yield session
    content = json.dumps(manifest, indent=1).encode()
    sealed = hashlib.sha256(content).hexdigest().encode() + b"\n" + content
    renamed(folder / f"{name}.json", lambda path: path.write_bytes(sealed))


_META = ["symbol", "date", "open", "close", "tick", "levels", "size_unit", "source", "digest", "scheduled_close"]


def write(session: Session, path: Path) -> None:
    """The session's events as Parquet, in the event schema."""
    session.events.select(list(schema(session.levels))).write_parquet(path, compression="zstd", compression_level=1)


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
