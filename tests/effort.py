"""A bound on work that is the same on a busy machine: calls are counted, not seconds."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def bounded(calls: int) -> Iterator[None]:
    """Raises AssertionError inside once this thread has called more functions, of Python or of C, than `calls`."""
    left = calls

    def count(_frame: object, event: str, _arg: object) -> None:
        nonlocal left
        left -= event.endswith("call")
        if left < 0:
            sys.setprofile(None)
            raise AssertionError(f"more than {calls:,} calls: a hang, or work that grows too fast")

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        yield
    finally:
        sys.setprofile(before)
