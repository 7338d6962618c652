"""The places of a study and their trials, shared by any number of processes that may be killed at any time.

Each trial has a place: 0, 1, 2 and so on. A process locks the slot of a place while it runs the trial, and the lock of
a killed process is released by the operating system, or by the server of the database. A place is finished once its
trial is written, whole.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Protocol

from filelock import FileLock, Timeout

from ofiml.tuning.suggest import Space, read_trial

NOTE = "note"  # the user attribute of Optuna's study that has the note

#: What Optuna raises on trials that another program wrote or altered.
UNREADABLE = (ValueError, LookupError, TypeError, AttributeError, AssertionError, RuntimeError, OverflowError)


class Slots(Protocol):
    """The places of a study, of which at most `max_parallel` run at once. Its trials have parameters in a space and one
    score for each inner fold.
    """

    #: Seconds between two looks for trials that other processes finished.
    poll_seconds: float

    def claim(self, place: int) -> AbstractContextManager[bool]:
        """Claim a place for the duration of the context: true if no other process runs it and it is not finished."""
        ...

    def read_finished(self) -> dict[int, Any]:
        """Read Optuna's frozen trial of each finished place, in order. Raises DataError for other content."""
        ...

    def add(self, trial: Any) -> None:
        """Write a finished trial; its user attribute `place` is its place."""
        ...

    def read_note(self) -> Any:
        """Read the note of the study, a value of JSON that may come from a stranger; None if it has none."""
        ...

    def write_note(self, note: Any) -> None:
        """Write the note of the study, what was computed from its trials, in place of an earlier one."""
        ...


def read_places(study: Any, space: Space, inner_folds: int) -> dict[int, Any]:
    """Read the frozen trial of each finished place of Optuna's study, in order; of two results the first counts.

    Raises one of `UNREADABLE` for a trial that no study with this space and this number of inner folds writes.
    """
    trials: dict[int, Any] = {}
    for trial in study.get_trials(deepcopy=False):
        restored = read_trial(trial, space, inner_folds)
        trials.setdefault(restored.user_attrs["place"], restored)
    return dict(sorted(trials.items()))


@contextmanager
def lock_file(path: Path) -> Iterator[bool]:
    """Lock a file for the duration of the context; false if another process or thread has locked it.

    The file stays: deleting one that is locked would void the lock.
    """
    lock = FileLock(path)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        yield False
        return
    try:
        yield True
    finally:
        lock.release()
