"""The cache of checked sessions: one Parquet file each, named by what it was made from.

The name is a hash of the input's bytes and names, of the settings that matter, and of the source of this package, so
that nothing has to be invalidated by hand. Files are written to a name of their own and renamed; the manifest, which
holds their hashes, comes last. Whatever is missing, half written or altered is noticed and made again.
"""

import hashlib
import json
import os
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from functools import cache, partial
from pathlib import Path
from typing import Any

import polars as pl

from ofiml.config import FileDataset
from ofiml.events.feed import Blob, digest
from ofiml.events.quality import Quality
from ofiml.events.schema import Session, schema

# Settings that choose among sessions, or say where things lie, and do not change a session.
_ELSEWHERE = {"path", "store", "first_date", "last_date", "max_sessions", "max_events"}


def key(files: Sequence[Blob], dataset: FileDataset, **other: Any) -> str:
    """The name of an input's sessions under a config. `other` is what else changes them."""
    settings = {k: v for k, v in asdict(dataset).items() if k not in _ELSEWHERE}
    made_from = {
        "names": [f.name for f in files],
        "content": digest(*(f.content for f in files)),
        "settings": settings | other,
        "source": _source(),
    }
    return hashlib.sha256(json.dumps(made_from, sort_keys=True).encode()).hexdigest()[:32]


def through(folder: Path, name: str, make: Callable[[], Iterator[Session]]) -> Iterator[Session]:
    """The sessions that `make` yields, from the folder if they are all there and whole, else made and kept there.

    They are kept once all have been taken.
    """
    manifest = _manifest(folder, name)
    if manifest is None:
        yield from _keep(folder, name, make())
        return
    for i, meta in enumerate(manifest):
        meta = {k: v for k, v in meta.items() if k != "sha256"}
        yield Session(events=pl.read_parquet(_file(folder, name, i)), **meta | {"quality": Quality(**meta["quality"])})


def _file(folder: Path, name: str, index: int) -> Path:
    return folder / f"{name}-{index}.parquet"


def _manifest(folder: Path, name: str) -> list[dict[str, Any]] | None:
    """What is kept of each session, if every file is as it was written, else None. The first line is its own hash."""
    try:
        sha, _, content = (folder / f"{name}.json").read_bytes().partition(b"\n")
        if hashlib.sha256(content).hexdigest().encode() != sha:
            return None
        manifest = json.loads(content)
        for i, meta in enumerate(manifest):
            with _file(folder, name, i).open("rb") as file:
                if hashlib.file_digest(file, "sha256").hexdigest() != meta["sha256"]:
                    return None
    except OSError:
        return None
    return manifest


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


_META = ["symbol", "date", "open", "close", "tick", "levels", "size_unit", "source", "digest"]


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
    """A hash of what makes sessions: this package's source, and polars, which parses."""
    folder = Path(__file__).parent
    files = sorted(folder.rglob("*.py"))
    return digest(pl.__version__.encode(), *(f.read_bytes() for f in files))
