"""How long work takes, as far as a noisy machine can say: the fastest of several repeats."""

import time
from collections.abc import Callable


def best(work: Callable[[], object], repeats: int = 5, clock: Callable[[], float] = time.perf_counter) -> float:
    """Return the seconds of the fastest of the repeats, by the `clock`."""
    seconds = []
    for _ in range(repeats):
        start = clock()
        work()
        seconds.append(clock() - start)
    return min(seconds)
