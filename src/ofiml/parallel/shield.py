"""Processes that do not hear the Ctrl-C of their parent's terminal."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import resource_tracker


@contextmanager
def shield_processes() -> Iterator[None]:
    """Shield the processes that this thread starts inside from Ctrl-C, which reaches all processes of a terminal.

    While they load, each would answer with a traceback. Their parent ends them. It hears Ctrl-C by another thread, so
    that a wait of this one does not end before its time. Nothing changes where signals cannot be blocked.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    resource_tracker.ensure_running()  # its start ends the block
    done = threading.Event()
    threading.Thread(target=done.wait, daemon=True).start()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        done.set()
