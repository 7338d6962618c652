"""The workers of a run: threads of this process, processes, or those of a cluster."""

import os
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ofiml.atomic import delete_old_folders
from ofiml.config import Parallel
from ofiml.errors import ConfigError, DataError
from ofiml.parallel import engines
from ofiml.storage import Storage, is_address, open_storage

_PREFIX = "ofiml-handoff-"
_ABANDONED_DAYS = 30


@dataclass(frozen=True, slots=True)
class Workers:
    """Where pieces of work run. `threads` of this process work at a time.

    With another `backend` of joblib, `count` workers outside of this process run the pieces instead, and read what
    they share from the folder `place`; `options` are those of the backend. Every worker runs one thread.
    """

    threads: int
    backend: str = "threading"
    count: int = 1
    place: str = ""
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def share_memory(self) -> bool:
        """Whether the workers are threads of this process."""
        return self.backend == "threading"

    @property
    def storage(self) -> Storage:
        """The folder that all workers see."""
        return open_storage(self.place)


@contextmanager
def open_workers(parallel: Parallel, threads: int, store: str | None) -> Iterator[Workers]:
    """Open the workers that the config chooses, and end those that were started here when the block ends.

    On this machine there are as many workers as `threads`, but not more than cores; a cluster at an address has its
    own number. What the workers share lies in a folder below `store`, which is deleted in the end; without a store, in
    one for temporary files. Raises ConfigError if a package or the cluster is missing.
    """
    if parallel.name == "threads":
        yield Workers(threads)
        return
    if parallel.address is not None and store is None:
        raise ConfigError(
            f"parallel={parallel.name} at an address needs a folder that all workers see, and features.store is null: "
            "set features.store to one, or to s3://…."
        )
    name = f"{_PREFIX}{uuid.uuid4().hex}"
    base = _make_absolute(store or tempfile.gettempdir())
    if not is_address(base):
        delete_old_folders(Path(base), _PREFIX, _ABANDONED_DAYS)  # of runs that were killed
    place = f"{base}/{name}"
    with engines.ENGINES[parallel.name](parallel.address, min(threads, count_cores())) as engine:
        workers = Workers(threads, engine.backend, engine.count, place, engine.options)
        try:
            yield workers
        finally:
            with suppress(DataError):  # report the first error
                workers.storage.delete()


def _make_absolute(store: str) -> str:
    return store.rstrip("/") if is_address(store) else str(Path(store).absolute())


def count_cores() -> int:
    """Count the cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
