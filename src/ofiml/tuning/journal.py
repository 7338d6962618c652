"""The places of a study in a folder. The outcome of a trial is one line of Optuna's journal, written under a lock, so a
place is either finished or not.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock

from ofiml.atomic import name_file
from ofiml.errors import ConfigError, DataError
from ofiml.tuning.library import import_optuna
from ofiml.tuning.slots import NOTE, UNREADABLE, lock_file, read_places
from ofiml.tuning.suggest import Space

_STUDY = "tuning"  # the name of the study in its journal


class JournalSlots:
    """The places of the study in `folder`; see `Slots`."""

    poll_seconds = 0.05

    def __init__(self, folder: Path, max_parallel: int, space: Space, inner_folds: int) -> None:
        self.folder, self.max_parallel, self.space, self.inner_folds = folder, max_parallel, space, inner_folds
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(
                f"Cannot create tuning.storage={folder.parent}: {error.strerror}. Use another folder."
            ) from error

    @contextmanager
    def claim(self, place: int) -> Iterator[bool]:
        """Claim a place for the duration of the context; see `Slots`."""
        # Places that are never run at the same time share a lock.
        with lock_file(self.folder / f"slot_{place % self.max_parallel}.lock") as is_locked:
            yield is_locked and place not in self.read_finished()

    def read_finished(self) -> dict[int, Any]:
        """Read Optuna's frozen trial of each finished place, in order. Raises DataError for a journal with other
        content.
        """
        with self._open_study() as study:
            try:
                return read_places(study, self.space, self.inner_folds)
            except UNREADABLE as error:
                raise self._build_journal_error() from error

    def add(self, trial: Any) -> None:
        """Write a finished trial; its user attribute `place` is its place."""
        with self._open_study() as study:
            study.add_trial(trial)

    def read_note(self) -> Any:
        """Read the note of the study; None if it has none."""
        with self._open_study() as study:
            return study.user_attrs.get(NOTE)

    def write_note(self, note: Any) -> None:
        """Write the note of the study in place of an earlier one."""
        with self._open_study() as study:
            study.set_user_attr(NOTE, note)

    @contextmanager
    def _open_study(self) -> Iterator[Any]:
        """Open Optuna's study from the journal, under a lock against other writers."""
        optuna = import_optuna()
        storages = optuna.storages
        journal = self._journal
        lock = FileLock(self.folder / "journal.lock")
        with lock, name_file(journal), warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            truncate_torn_line(journal)
            try:
                # Optuna's own lock outlives a killed process, and the next process would wait for half a minute.
                storage = storages.JournalStorage(storages.journal.JournalFileBackend(str(journal), lock_obj=lock))
                # `create_study` with `load_if_exists` would add a line to the journal each time.
                known = _STUDY in optuna.get_all_study_names(storage)
                study = (
                    optuna.load_study(study_name=_STUDY, storage=storage)
                    if known
                    else optuna.create_study(storage=storage, study_name=_STUDY, direction="maximize")
                )
            except UNREADABLE as error:
                raise self._build_journal_error() from error
            yield study

    @property
    def _journal(self) -> Path:
        return self.folder / "journal"

    def _build_journal_error(self) -> DataError:
        return DataError(f"{self._journal} is damaged or belongs to another study: delete it to run the trials again.")


def truncate_torn_line(journal: Path) -> None:
    """Remove the partial line that an interrupted write leaves; Optuna cannot read past it."""
    content = journal.read_bytes() if journal.exists() else b""
    length = content.rfind(b"\n") + 1
    if length < len(content):
        with journal.open("r+b") as file:
            file.truncate(length)
