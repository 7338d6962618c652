"""A piece of work that names the process in which it runs."""

import os
import time


def name_place(piece: int) -> int:
    """The number of this process, after a while in which the other one takes a piece, too."""
    time.sleep(1.5)
    return os.getpid()
