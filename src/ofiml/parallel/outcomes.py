"""What a piece of work comes to in a worker outside of this process, and what of it is sent back."""

import os
import pickle
import platform
import traceback
import uuid
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Self, TypeVar

import joblib

from ofiml.errors import ConfigError, DataError
from ofiml.parallel.limits import limit_blas_threads
from ofiml.provenance import identify_code
from ofiml.storage import open_storage

Result = TypeVar("Result", covariant=True)

#: The packages whose versions change results, beside the sources of this one.
CODE = ("lightgbm", "numba", "numpy", "polars", "scikit-learn", "scipy")


@dataclass(frozen=True, slots=True)
class Warned:
    """A warning of a worker."""

    message: Warning
    category: type[Warning]
    filename: str
    lineno: int

    def show(self) -> None:
        """Show the warning in this process, as its filters say."""
        warnings.warn_explicit(self.message, self.category, self.filename, self.lineno)


@dataclass(frozen=True, slots=True)
class Outcome(Generic[Result]):
    """The value of a piece or its error; neither if it was left out after an error of an earlier piece."""

    value: Result | None = None
    error: Exception | None = None
    warnings: tuple[Warned, ...] = ()


@dataclass(frozen=True, slots=True)
class Failures:
    """The numbers of the pieces that failed, in the folder that the workers share."""

    place: str

    @classmethod
    def new(cls, place: str) -> Self:
        """Return an empty list of failures in a folder of its own."""
        return cls(f"{place}/failures-{uuid.uuid4().hex}")

    def add(self, number: int) -> None:
        """Add a piece."""
        open_storage(self.place).write(str(number), Path.touch)

    def precede(self, number: int) -> bool:
        """Return whether an earlier piece has failed."""
        return any(int(name) < number for name in open_storage(self.place).list_names())


@dataclass(frozen=True, slots=True)
class RemoteWork(Generic[Result]):
    """Work as it is sent to a worker. It runs in the folder of the run, so that relative paths mean the same.

    `code` identifies the sources and packages of the run.
    """

    work: Callable[[Any], Result]
    folder: str
    failures: Failures
    code: tuple[str, ...]

    def run(self, number: int, piece: Any) -> Outcome[Result]:
        """Run the work on a piece, unless an earlier piece has failed."""
        if self.failures.precede(number):
            return Outcome()
        value, error = None, None
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                self._check_worker()
                # Whatever uses joblib below uses the one thread of this worker, not the cluster.
                with limit_blas_threads(), joblib.parallel_config(backend="threading", n_jobs=1):
                    value = self.work(piece)
            except Exception as raised:  # noqa: BLE001 - it is sent, and raised in the process of the run
                self.failures.add(number)
                error = _make_portable(raised)
        return Outcome(value, error, _collect_warnings(caught))

    def _check_worker(self) -> None:
        """Raise ConfigError for a worker that would give other results, or that does not see the files of the run."""
        where = f"The worker on {platform.node()}"
        if tuple(identify_code(*CODE)) != self.code:
            raise ConfigError(
                f"{where} has other sources of ofiml or other versions of its packages than the run: install the same, "
                "and start it again."
            )
        try:
            os.chdir(self.folder)
        except OSError as error:
            raise ConfigError(
                f"{where} does not see the folder of the run, {self.folder} ({error.strerror}): start the run in a "
                "folder that all workers see."
            ) from error


def _collect_warnings(caught: list[warnings.WarningMessage]) -> tuple[Warned, ...]:
    """Collect the distinct warnings that can be sent."""
    distinct = {}
    for w in caught:
        message = w.message if isinstance(w.message, Warning) else w.category(w.message)
        if not _is_portable(message):
            message = UserWarning(f"{w.category.__name__}: {w.message}")
        distinct[w.category, str(w.message), w.filename, w.lineno] = Warned(
            message, type(message), w.filename, w.lineno
        )
    return tuple(distinct.values())


def _make_portable(error: Exception) -> Exception:
    """Return the error as it can be sent: itself, with the traceback as a note if it is a mistake of the program."""
    if not isinstance(error, ConfigError | DataError | OSError):
        error.add_note("In a worker:\n" + "".join(traceback.format_exception(error)))
    error.__traceback__ = error.__cause__ = error.__context__ = None
    if _is_portable(error):
        return error
    sent = RuntimeError(f"{type(error).__name__}: {error}")
    for note in getattr(error, "__notes__", ()):
        sent.add_note(note)
    return sent


def _is_portable(value: Exception | Warning) -> bool:
    try:
        return str(pickle.loads(pickle.dumps(value))) == str(value)  # noqa: S301 - of this process
    except Exception:  # noqa: BLE001 - whatever the class of the error does when it is copied
        return False
