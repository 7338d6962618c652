"""How long work takes, as far as a noisy machine can say: the fastest of several repeats."""

import time
from collections.abc import Callable


def best(work: Callable[[], object], repeats: int = 5, clock: Callable[[], float] = time.perf_counter) -> float:
    """Seconds of the fastest of the repeats; `clock` may be time.process_time, the CPU time of all threads."""
    return best_in_turn([work], repeats, clock)[0]


def best_in_turn(
    works: list[Callable[[], object]], repeats: int = 5, clock: Callable[[], float] = time.perf_counter
) -> list[float]:
    """Seconds of the fastest of the repeats of each work; they run in turn, so that each meets the same machine."""
    seconds: list[list[float]] = [[] for _ in works]
    for _ in range(repeats):
        for its_seconds, work in zip(seconds, works, strict=True):
            start = clock()
            work()
            its_seconds.append(clock() - start)
    return [min(its_seconds) for its_seconds in seconds]
