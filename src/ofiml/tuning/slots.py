"""The places of a study and their trials, shared by any number of processes, any of which may be killed at any time.

A trial has a place, 0, 1, 2 …; a process locks its slot while it runs, and the operating system releases the lock of
a process that dies. Its outcome is one line of Optuna's journal, written whole and under a lock, so that a place is
there or is not. Locks lie in files that stay: one that is deleted while it is held would lock nothing.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from ofiml.errors import ConfigError, DataError
from ofiml.tuning.library import optuna
from ofiml.tuning.suggest import Space, read_trial

# What Optuna raises, reading a journal that somebody else wrote, or that was altered.
_UNREADABLE = (ValueError, LookupError, TypeError, AttributeError, AssertionError, RuntimeError, OverflowError)


class Slots:
    """The places of the study that lies in `folder`, `side_by_side` of which may be tried at once; its trials have
    parameters in `space`, and scores of `inner_folds`.
    """

    def __init__(self, folder: Path, side_by_side: int, space: Space, inner_folds: int) -> None:
        self.folder, self.side_by_side, self.space, self.inner_folds = folder, side_by_side, space, inner_folds
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(
                f"Cannot create tuning.storage={folder.parent}: {error.strerror}. Use another folder."
            ) from error

    @contextmanager
    def claim(self, place: int) -> Iterator[bool]:
        """Claim a place: true if no other process runs it and it is not finished."""
        # Places that are never tried at the same time share a lock.
        lock = FileLock(self.folder / f"slot_{place % self.side_by_side}.lock")
        try:
            lock.acquire(blocking=False)
        except Timeout:
            yield False
            return
        try:
            yield place not in self.finished()
        finally:
            lock.release()

    def finished(self) -> dict[int, Any]:
        """Return Optuna's frozen trial of each finished place, in order. Raises DataError for a journal that holds
        anything else.
        """
        with self._study() as study:
            trials: dict[int, Any] = {}
            try:
                for trial in study.get_trials(deepcopy=False):
                    restored = read_trial(trial, self.space, self.inner_folds)
                    trials.setdefault(restored.user_attrs["place"], restored)
            except _UNREADABLE as error:
                raise self._journal_error() from error
            return dict(sorted(trials.items()))

    def add(self, trial: Any) -> None:
        """Write a finished trial, whose user attribute `place` says which."""
        with self._study() as study:
            study.add_trial(trial)

    @contextmanager
    def _study(self) -> Iterator[Any]:
        """Optuna's study as the journal has it now, which nobody else writes meanwhile."""
        storages = optuna().storages
        journal = self._journal
        lock = FileLock(self.folder / "journal.lock")
        with lock, warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna().exceptions.ExperimentalWarning)
            truncate_torn_line(journal)
            try:
                # Its own lock outlives the process that held it, and the next then waits for half a minute.
                storage = storages.JournalStorage(storages.journal.JournalFileBackend(str(journal), lock_obj=lock))
                study = optuna().create_study(
                    storage=storage, study_name="tuning", direction="maximize", load_if_exists=True
                )
            except _UNREADABLE as error:
                raise self._journal_error() from error
            yield study

    @property
    def _journal(self) -> Path:
        return self.folder / "journal"

    def _journal_error(self) -> DataError:
        return DataError(f"{self._journal} is damaged or belongs to another study: delete it to run the trials again.")


def truncate_torn_line(journal: Path) -> None:
    """Remove the half line that an interrupted write leaves, as Optuna cannot read past it."""
    content = journal.read_bytes() if journal.exists() else b""
    whole = content.rfind(b"\n") + 1
    if whole < len(content):
        with journal.open("r+b") as file:
            file.truncate(whole)
