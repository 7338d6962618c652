"""How often a command looks for garbage that counting references does not find.

A study imports a few thousand modules and draws figures of many small objects. At Python's thresholds the collector
walks over all of them again and again, which was a sixth of the CPU time of a small study, and once more at the end.
"""

import atexit
import gc
from collections.abc import Iterator
from contextlib import contextmanager

_THRESHOLDS = 20_000, 50, 20  # new objects; then passes over young ones before one over older ones


@contextmanager
def collect_rarely() -> Iterator[None]:
    """Collect garbage less often inside. What counting references frees, all large tables, is freed at once as ever."""
    before = gc.get_threshold()
    gc.set_threshold(*_THRESHOLDS)
    try:
        yield
    finally:
        gc.set_threshold(*before)


# The memory of a process that ends is freed by the system, without a walk over its objects.
atexit.register(gc.freeze)
