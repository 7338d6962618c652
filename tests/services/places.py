"""A piece of work that names the process in which it runs."""

import os
import time
from pathlib import Path

_SECONDS = 300.0  # after which a process works alone


def name_place(piece: int, folder: str) -> int:
    """The number of this process, once a second one has taken a piece, too. Both say so by a file in `folder`."""
    (Path(folder) / str(os.getpid())).touch()
    end = time.monotonic() + _SECONDS
    while len(list(Path(folder).iterdir())) < 2 and time.monotonic() < end:
        time.sleep(0.05)
    return os.getpid()
