"""The limit of one thread for the libraries whose sums depend on the number of threads."""

import importlib
from collections.abc import Iterator
from contextlib import contextmanager

from threadpoolctl import threadpool_limits


@contextmanager
def limit_blas_threads() -> Iterator[None]:
    """Limit BLAS and OpenMP to one thread, because their sums depend on the number of threads.

    Folds and sessions run in parallel instead. Only loaded libraries can be limited, so the libraries that bring a BLAS
    of their own are loaded first.
    """
    for library in ("numpy", "scipy.linalg", "sklearn.linear_model", "lightgbm"):
        importlib.import_module(library)
    with threadpool_limits(limits=1):
        yield
