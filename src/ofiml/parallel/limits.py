"""The limit of one thread for the libraries whose sums depend on the number of threads."""

import importlib
from collections.abc import Iterator
from contextlib import contextmanager

from threadpoolctl import threadpool_limits


def load_blas() -> None:
    """Load the libraries that bring a BLAS or an OpenMP of their own; that of scikit-learn comes with the part that
    LightGBM loads.
    """
    for library in ("numpy", "scipy.linalg", "sklearn.utils", "lightgbm"):
        importlib.import_module(library)


@contextmanager
def limit_blas_threads() -> Iterator[None]:
    """Limit BLAS and OpenMP to one thread, because their sums depend on the number of threads.

    Folds and sessions run in parallel instead. Only loaded libraries can be limited, so all are loaded first.
    """
    load_blas()
    with threadpool_limits(limits=1):
        yield
