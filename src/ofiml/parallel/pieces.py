"""Run independent pieces of work on the workers of a run."""

import threading
import warnings
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, TypeVar, cast

import joblib

from ofiml.parallel.outcomes import CODE, Failures, Outcome, RemoteWork
from ofiml.parallel.shield import shield_processes
from ofiml.parallel.workers import Workers
from ofiml.provenance import identify_code

Piece = TypeVar("Piece")
Result = TypeVar("Result")


def run_pieces(
    work: Callable[[Piece], Result],
    pieces: Sequence[Piece],
    workers: Workers,
    step: Callable[[], None] = lambda: None,
) -> list[Result]:
    """Run `work` on each piece, and return the results in the order of the pieces. `step` is called after each piece.

    After an error no later piece is started, and the running ones end before it is raised: a process that exits while
    one of its threads reads may wait for that thread forever. The error raised is that of the first piece in order that
    fails, in its own class, wherever the pieces run. Outside of this process `work` and the pieces are pickled, so
    `work` is a function of a module, or a partial of one.
    """
    if workers.share_memory:
        outcomes = _run_threads(work, pieces, workers, step)
    else:
        outcomes = _run_remote(work, pieces, workers, step)
    for outcome in outcomes:
        for warning in outcome.warnings:
            warning.show()
        if outcome.error is not None:
            raise outcome.error
    return [cast(Result, outcome.value) for outcome in outcomes]


# --- threads ---------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _LocalWork(Generic[Piece, Result]):
    """Work in this process. `failed` is the number of the first piece with an error so far."""

    work: Callable[[Piece], Result]
    step: Callable[[], None]
    failed: float = float("inf")
    lock: threading.Lock = field(default_factory=threading.Lock)

    def run(self, number: int, piece: Piece) -> Outcome[Result]:
        if number > self.failed:
            return Outcome()
        try:
            value = self.work(piece)
        except Exception as error:  # noqa: BLE001 - raised when the running pieces have ended
            with self.lock:
                self.failed = min(self.failed, number)
            return Outcome(error=error)
        self.step()
        return Outcome(value)


def _run_threads(
    work: Callable[[Piece], Result], pieces: Sequence[Piece], workers: Workers, step: Callable[[], None]
) -> list[Outcome[Result]]:
    local = _LocalWork(work, step)
    parallel = joblib.Parallel(n_jobs=workers.threads, backend="threading", batch_size=1)
    return list(parallel(joblib.delayed(local.run)(k, piece) for k, piece in enumerate(pieces)))


# --- other workers ---------------------------------------------------------------------------------------------------


class _Parallel(joblib.Parallel):  # type: ignore[misc]
    """Calls `report` with the number of completed pieces whenever it grows."""

    report: Callable[[int], None]

    def print_progress(self) -> None:
        """Called by joblib in this process after each piece."""
        self.report(self.n_completed_tasks)


def _run_remote(
    work: Callable[[Piece], Result], pieces: Sequence[Piece], workers: Workers, step: Callable[[], None]
) -> list[Outcome[Result]]:
    completed = 0

    def report(count: int) -> None:
        nonlocal completed
        for _ in range(completed, count):
            step()
        completed = max(completed, count)

    failures = Failures.new(workers.place)
    remote = RemoteWork(work, str(Path.cwd()), failures, tuple(identify_code(*CODE)))
    with warnings.catch_warnings(), joblib.parallel_config(backend=workers.backend, **workers.options):
        # Not about the pieces: how joblib shares arrays, and how Dask sends them.
        warnings.filterwarnings("ignore", module="joblib|distributed|ray")
        parallel = _Parallel(n_jobs=workers.count, batch_size=1)
        parallel.report = report
        with shield_processes() if workers.backend == "loky" else nullcontext():
            return list(parallel(joblib.delayed(remote.run)(k, piece) for k, piece in enumerate(pieces)))
