"""A sweep from its start to its result: the folder, the parent run, what is left to do, and how it ended."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import filelock
from rich.console import Console

from ofiml.config import Config, Tracking
from ofiml.errors import ConfigError, StoreError
from ofiml.sweeps.later import finish_members
from ofiml.sweeps.manifest import (
    Manifest,
    Member,
    digest_members,
    find_earlier,
    name_folder,
    read_manifest,
    write_manifest,
)
from ofiml.sweeps.resume import clear_members, fail_running, list_unfinished, list_working
from ofiml.sweeps.status import Status, read_status
from ofiml.ui.format import format_markdown_table
from ofiml.ui.lines import open_console

if TYPE_CHECKING:
    from ofiml.comparison.leaderboard import Leaderboard

_PATIENCE = 60.0  # seconds for the processes of a killed sweep to see that they are alone


@dataclass(frozen=True, slots=True)
class Sweep:
    """An open sweep: its folder, all members, those `left` to run, its parent run, and the store of its runs.

    `faults` has what the store failed to do for the sweep itself, as sentences.
    """

    folder: Path
    members: list[Member]
    left: list[Member]
    parent: str | None
    tracking: Tracking
    faults: list[str] = field(default_factory=list)


@contextmanager
def open_sweep(
    folder: Path,
    members: list[Member],
    configs: Sequence[Config],
    typed: Sequence[str] = (),
    *,
    resume: bool,
    console: Console,
) -> Iterator[Sweep]:
    """Open the sweep of these members in `folder`, or the earlier one that they continue, for one process at a time.

    `typed` are the overrides of the command line, for the tag of its run.

    When the context ends, no member and no run counts as running any more, and the parent run says how the sweep ended.
    Raises ConfigError if the folder has another sweep, or one that runs.
    """
    tracking = configs[0].tracking
    digest = digest_members(members, tracking.experiment_name if tracking.enabled else None)
    earlier = find_earlier(folder, digest) if resume else None
    if resume and earlier is None:
        console.print("No earlier sweep has these members and this code: all of them run.")
    if earlier is None and (folder / "sweep.json").exists():
        hint = (
            "choose another hydra.sweep.dir" if resume else "add sweep.resume=true, or choose another hydra.sweep.dir"
        )
        raise ConfigError(f"{folder} already contains a sweep: {hint}.")
    folder = earlier or folder
    folder.mkdir(parents=True, exist_ok=True)
    lock = filelock.FileLock(folder / "sweep.lock", timeout=0)
    try:
        lock.acquire()
    except filelock.Timeout:
        raise ConfigError(f"The sweep in {folder} is running: wait for it, or stop it first.") from None
    try:
        sweep = _start(folder, digest, members, configs, typed)
        _print_start(sweep, console)
        with _end(sweep):
            yield sweep
    finally:
        lock.release()


def _start(folder: Path, digest: str, members: list[Member], configs: Sequence[Config], typed: Sequence[str]) -> Sweep:
    tracking = configs[0].tracking
    manifest, left = read_manifest(folder), members
    parent = manifest.parent if manifest else None
    if manifest is not None:
        _wait_for_orphans(folder, members)
    if tracking.enabled:
        from ofiml.sweeps.names import name_sweep
        from ofiml.tracking.names import join_overrides
        from ofiml.tracking.parent import end_open_children, is_finished, open_parent, reopen_parent

        if parent is not None and not reopen_parent(tracking, parent):
            parent = None
        if parent is None:
            tags = {
                "sweep.folder": folder.name,
                "overrides": join_overrides(typed),
                "dataset": ", ".join(dict.fromkeys(config.dataset.label for config in configs)),
            }
            parent = open_parent(tracking, name_sweep(members), tags)
        else:
            end_open_children(tracking, parent, "KILLED", "The sweep was killed.")
    if manifest is not None:
        finish_members(folder, members, tracking)
        left = list_unfinished(
            folder, members, lambda run: not tracking.enabled or (run is not None and is_finished(tracking, run))
        )
        clear_members(folder, left)
    write_manifest(folder, Manifest(digest, members, parent))
    return Sweep(folder, members, left, parent, tracking)


def _print_start(sweep: Sweep, console: Console) -> None:
    finished = len(sweep.members) - len(sweep.left)
    before = f", {finished} finished earlier" if finished else ""
    console.print(f"sweep of {len(sweep.members)}{before}: {sweep.folder}", soft_wrap=True)


def _wait_for_orphans(folder: Path, members: Sequence[Member]) -> None:
    """Wait until no process of a killed sweep works in its folder. Raises ConfigError if one stays."""
    until = time.monotonic() + _PATIENCE
    while True:
        working = list_working(folder, members)
        if not working:
            return
        if time.monotonic() > until:
            numbers = ", ".join(map(str, working))
            raise ConfigError(f"Process {numbers} still works on the sweep in {folder}: stop it first.")
        time.sleep(0.2)


@contextmanager
def _end(sweep: Sweep) -> Iterator[None]:
    """Mark what an interrupt or an error leaves behind, and end the parent run."""
    try:
        yield
    except BaseException as error:
        interrupted = isinstance(error, KeyboardInterrupt)
        reason = "interrupted" if interrupted else f"the sweep ended: {type(error).__name__}"
        fail_running(sweep.folder, sweep.members, reason)
        with suppress(Exception):  # report the first error
            _end_parent(sweep, "KILLED" if interrupted else "FAILED", reason)
        raise
    with _note_faults(sweep):
        _end_parent(sweep, "FAILED" if list_failed(sweep) else "FINISHED", "its process ended")


def _end_parent(sweep: Sweep, status: str, reason: str) -> None:
    if sweep.parent is None:
        return
    from ofiml.tracking.parent import close_parent, end_open_children

    end_open_children(sweep.tracking, sweep.parent, "KILLED" if status == "KILLED" else "FAILED", reason)
    failed = len(list_failed(sweep))
    metrics = {"members": float(len(sweep.members)), "failed": float(failed)}
    close_parent(sweep.tracking, sweep.parent, status, metrics, _write_page(sweep))


SweepEnd = Literal["finished", "failed", "unlogged"]
"""How a sweep ended: every member has a result and is logged, a member failed, or the store lacks a result."""


def print_result(sweep: Sweep) -> SweepEnd:
    """Print the leaderboard of the finished members and why others failed or are not logged; return how it ended.

    Leaderboard and members are also written into the folder, and logged to the parent run.
    """
    from ofiml.sweeps.document import write_sweep_document

    console = open_console()
    failed = list_failed(sweep)
    board, paths = _rank_members(sweep, console)
    document = write_sweep_document(sweep.folder, sweep.members, board)
    if sweep.parent is not None and not sweep.faults:
        from ofiml.tracking.parent import log_files

        with _note_faults(sweep):
            log_files(sweep.tracking, sweep.parent, [*paths, document])
    lines = []
    for member in failed:
        status = _read(sweep, member)
        reason = status.reason if status else "it did not run"
        lines.append(f"failed: {' '.join(member.overrides)}: {reason}")
    unlogged = [(m, s.unlogged) for m in sweep.members if (s := _read(sweep, m)) is not None and s.unlogged]
    lines += [f"not logged: {' '.join(member.overrides)}: {reason}" for member, reason in unlogged]
    lines += [f"not logged: the run of the sweep itself: {fault}" for fault in sweep.faults]
    if unlogged or sweep.faults:
        lines.append("When the store works again, the same command with sweep.resume=true logs what is missing.")
    for line in [*lines, f"Report of the sweep: {document}"]:
        console.print(line, soft_wrap=True)
    return "failed" if failed else "unlogged" if unlogged or sweep.faults else "finished"


def _rank_members(sweep: Sweep, console: Console) -> tuple["Leaderboard | None", list[Path]]:
    """Print the leaderboard of the logged members; return it with its files, or nothing if the store fails.

    With tracking off it is made from the folders of the members.
    """
    statuses = [_read(sweep, member) for member in sweep.members]
    runs = [s.run_id for s in statuses if s is not None and s.state == "finished" and s.run_id]
    finished = [m for m, s in zip(sweep.members, statuses, strict=True) if s is not None and s.state == "finished"]
    if not (runs if sweep.tracking.enabled else finished):
        return None, []
    from ofiml.comparison import page
    from ofiml.comparison.leaderboard import make_leaderboard, rank_runs, write_leaderboard
    from ofiml.sweeps.untracked import list_members

    with _note_faults(sweep):
        if sweep.tracking.enabled:
            board = make_leaderboard(sweep.tracking.experiment_name, sweep.tracking.uri, runs, apart=True)
        else:
            members = list_members(sweep.folder, finished)
            board = rank_runs(members, "this sweep", "", [run.run_id for run in members], apart=True)
        page.show_page(board.groups, board.trials, console)
        return board, write_leaderboard(board, sweep.folder)
    return None, []


@contextmanager
def _note_faults(sweep: Sweep) -> Iterator[None]:
    """Note a fault of the store instead of ending the sweep with it: its members have their results."""
    try:
        yield
    except StoreError as error:
        sweep.faults.append(str(error))


def _write_page(sweep: Sweep) -> str:
    """Write what each member came to as Markdown, for the page of the parent run."""
    rows = []
    for member in sweep.members:
        status = _read(sweep, member)
        how = (
            "not run" if status is None else status.result if status.state == "finished" else f"failed: {status.reason}"
        )
        rows.append([str(member.number), f"`{' '.join(member.overrides)}`", how])
    return format_markdown_table(["member", "overrides", "result"], rows)


def list_failed(sweep: Sweep) -> list[Member]:
    """List the members without a result."""
    return [m for m in sweep.members if (s := _read(sweep, m)) is None or s.state != "finished"]


def _read(sweep: Sweep, member: Member) -> Status | None:
    return read_status(name_folder(sweep.folder, member.number))
