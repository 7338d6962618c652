"""How long work takes, as far as a noisy machine can say: the fastest of several repeats."""

import time
from collections.abc import Callable


def best(work: Callable[[], object], repeats: int = 5, clock: Callable[[], float] = time.perf_counter) -> float:
    """Seconds of the fastest of the repeats; `clock` may be time.process_time, the CPU time of all threads."""
    seconds = []
    for _ in range(repeats):
        start = clock()
        work()
        seconds.append(clock() - start)
    return min(seconds)
