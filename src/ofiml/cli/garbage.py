"""How often a command looks for garbage that counting references does not find.

A study imports a few thousand modules and draws figures of many small objects. At Python's thresholds the collector
walks over all of them again and again, which was a sixth of the CPU time of a small study, and once more at the end.
What the modules hold is a million objects that stay: it does not walk over them at all.
"""

import atexit
import gc
from collections.abc import Iterator
from contextlib import contextmanager

_THRESHOLDS = 20_000, 50, 20  # new objects; then passes over young ones before one over older ones


@contextmanager
def collect_rarely() -> Iterator[None]:
    """Collect garbage less often inside. What counting references frees, all large tables, is freed at once as ever.

    What is there at the end counts as old: a process that ends walks over nothing, and in another one the next
    collection of all objects finds its garbage.
    """
    before = gc.get_threshold()
    gc.set_threshold(*_THRESHOLDS)
    try:
        yield
    finally:
        gc.freeze()
        gc.unfreeze()
        gc.set_threshold(*before)


@contextmanager
def load_without_collecting() -> Iterator[None]:
    """Load modules inside, without a search for garbage. Until the end of `collect_rarely`, later ones leave out all
    objects that are there now.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if enabled:
            gc.enable()


# The memory of a process that ends is freed by the system, without a walk over its objects.
atexit.register(gc.freeze)
