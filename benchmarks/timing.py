"""How long work takes, as far as a noisy machine can say: the fastest of several repeats."""

import time
from collections.abc import Callable


def best(work: Callable[[], object], repeats: int = 5) -> float:
    """Seconds of the fastest of the repeats."""
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return min(seconds)
