"""Which files of old runs can go: what the output folder and the store both hold, and what failed runs left.

Runs themselves stay in the store, with their params, tags and metrics: a run that disappeared would no longer count as
a trial, and flatter the best of the others.
"""

import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from ofiml.provenance import hash_files
from ofiml.tracking.entry import LOCK, UNLOGGED, is_abandoned
from ofiml.tracking.read import RUN_ID_FILE, ListedRun, list_runs
from ofiml.tracking.store import connect

_DAY = 24 * 3600.0
_KEPT = (RUN_ID_FILE, "verdict.md", "status.json")  # which run it was, what came out, and that it ended


@dataclass(frozen=True, slots=True)
class Candidate:
    """A folder whose files can be deleted: its run (None if nothing says which), why, the `files`, and their size in
    bytes.
    """

    folder: Path
    run_id: str | None
    reason: str
    files: list[Path]
    size: int


@dataclass(frozen=True, slots=True)
class Kept:
    """An old folder whose files stay, and why."""

    folder: Path
    reason: str


def find_candidates(outputs: Path, uri: str, days: float) -> tuple[list[Candidate], list[Kept]]:
    """Find the folders of runs that are older than `days`: below `outputs`, and in the store.

    An output folder qualifies if the store has every file of it, byte for byte, in a run that finished; the folder
    `unlogged` in it if its run was killed before its study was complete; a folder of the store if its run was deleted,
    failed or was killed. Stores that are not folders of this machine keep their files.
    Raises ConfigError for a store that cannot be read.
    """
    runs = {run.run_id: run for run in list_runs(None, uri)}
    before = time.time() - days * _DAY
    found: list[Candidate] = []
    kept: list[Kept] = []
    for folder in _list_outputs(outputs):
        one = _judge_output(folder, runs, uri, before)
        if isinstance(one, Candidate):
            found.append(one)
        elif one is not None:
            kept.append(one)
    found += _list_abandoned(outputs, before)
    for run in runs.values():
        ended = run.deleted or run.status in ("FAILED", "KILLED")
        place = _find_artifacts(run.run_id, uri) if ended and run.started / 1000 < before else None
        if place is not None and (files := _list_files(place)):
            how = "deleted" if run.deleted else run.status.lower()
            found.append(Candidate(place, run.run_id, f"its run is {how}", files, _measure(files)))
    return found, kept


def delete_files(candidate: Candidate) -> None:
    """Delete the files of a folder, and the folders in it that are then empty."""
    for file in candidate.files:
        file.unlink(missing_ok=True)
    for folder in sorted((p for p in candidate.folder.rglob("*") if p.is_dir()), reverse=True):
        if not folder.is_symlink() and not any(folder.iterdir()):
            folder.rmdir()
    if candidate.folder.is_dir() and not any(candidate.folder.iterdir()):
        shutil.rmtree(candidate.folder)


def _list_outputs(outputs: Path) -> Iterator[Path]:
    """List the output folders of logged runs."""
    yield from (path.parent for path in sorted(outputs.rglob(RUN_ID_FILE)) if not path.is_symlink())


def _list_abandoned(outputs: Path, before: float) -> Iterator[Candidate]:
    """List what killed runs kept for the store of studies that they did not complete."""
    for place in sorted(outputs.rglob(UNLOGGED)):
        kept = [] if place.is_symlink() else [path for path in _list_files(place) if path.name != LOCK]
        if kept and not _is_young(kept, before) and is_abandoned(place.parent):
            reason = "its run was killed before its study was complete"
            yield Candidate(place, None, reason, _list_files(place), _measure(kept))


def _judge_output(folder: Path, runs: dict[str, ListedRun], uri: str, before: float) -> Candidate | Kept | None:
    """Say whether an output folder can go, must stay, or is not old or empty already (None)."""
    files = [path for path in _list_files(folder) if path.name not in _KEPT]
    if not files or _is_young(files, before):
        return None
    run = runs.get((folder / RUN_ID_FILE).read_text(errors="replace").strip())
    if run is None or run.deleted or run.status != "FINISHED":
        return Kept(folder, "the store has no finished run of it")
    place = _find_artifacts(run.run_id, uri)
    if place is None:
        return Kept(folder, "the files of the store are not on this machine")
    for path in files:
        other = place / path.relative_to(folder)
        if other.is_symlink() or not other.is_file():
            return Kept(folder, f"the store lacks {path.relative_to(folder)}")
        if path.stat().st_size != other.stat().st_size or hash_files([path]) != hash_files([other]):
            return Kept(folder, f"the store has another {path.relative_to(folder)}")
    return Candidate(folder, run.run_id, "the store has the same files", files, _measure(files))


def _find_artifacts(run_id: str, uri: str) -> Path | None:
    """Find the folder of a run's files in a store on this machine; a store may come from a stranger.

    MLflow's own places end with the id of the run and `artifacts`; no other place is trusted.
    """
    parts = urlsplit(str(connect(uri).get_run(run_id).info.artifact_uri))
    path = Path(unquote(parts.path))
    if parts.scheme not in ("", "file") or parts.netloc or path.parts[-2:] != (run_id, "artifacts"):
        return None
    return path if path.is_dir() and not path.is_symlink() and not path.parent.is_symlink() else None


def _list_files(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.rglob("*")) if path.is_file() and not path.is_symlink()]


def _is_young(files: list[Path], before: float) -> bool:
    return max(path.stat().st_mtime for path in files) > before


def _measure(files: list[Path]) -> int:
    return sum(path.stat().st_size for path in files)
