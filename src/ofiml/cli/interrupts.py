"""The end of a command by Ctrl-C or SIGTERM. A process begins with this module, which therefore loads no library."""

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import NoReturn

from ofiml.errors import Terminated

INTERRUPTED, TERMINATED = 130, 143  # exit codes, as in shells
REMEDY = "Run the same command again."
_SECONDS = 0.05  # until an interrupt that was lost is repeated


def report_interrupt(interrupt: KeyboardInterrupt, remedy: str = REMEDY) -> int:
    """Print the sentence of an interrupt to stderr and return its exit code. `remedy` is what to do next."""
    cause, code = (
        ("ended by SIGTERM", TERMINATED) if isinstance(interrupt, Terminated) else ("interrupted", INTERRUPTED)
    )
    sys.stderr.write(f"ofiml: {cause}. {remedy}\n")
    return code


@contextmanager
def raise_interrupts() -> Iterator[list[KeyboardInterrupt]]:
    """Raise Ctrl-C and SIGTERM inside as KeyboardInterrupt, so that open files and runs are closed.

    Yields the list of those received: a library may turn one that it is interrupted by into an error of its own.
    A second SIGTERM is ignored.
    """
    received: list[KeyboardInterrupt] = []

    def receive(interrupt: KeyboardInterrupt) -> NoReturn:
        if isinstance(interrupt, Terminated):
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        received.append(interrupt)
        raise received[0]

    with _handle_signals(receive), _repeat_lost_interrupts():
        yield received


@contextmanager
def end_at_interrupts() -> Iterator[None]:
    """End the process at Ctrl-C or SIGTERM inside, while modules load and a config is composed.

    There is nothing to close yet, and libraries do not always pass on an exception that interrupts them.
    """

    def end(interrupt: KeyboardInterrupt) -> NoReturn:
        os._exit(report_interrupt(interrupt))

    with _handle_signals(end):
        yield


@contextmanager
def _repeat_lost_interrupts() -> Iterator[None]:
    """Interrupt again, without a word, when compiled code that called Python prints an interrupt and goes on."""
    print_unraisable, print_error = sys.unraisablehook, sys.excepthook
    repetitions: list[threading.Timer] = []

    def repeat() -> None:
        repetitions.append(threading.Timer(_SECONDS, signal.raise_signal, [signal.SIGINT]))
        repetitions[-1].start()

    def hook_unraisable(lost: "sys.UnraisableHookArgs") -> None:
        repeat() if isinstance(lost.exc_value, KeyboardInterrupt) else print_unraisable(lost)

    def hook_error(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        repeat() if isinstance(error, KeyboardInterrupt) else print_error(kind, error, trace)

    sys.unraisablehook, sys.excepthook = hook_unraisable, hook_error
    try:
        yield
    finally:
        sys.unraisablehook, sys.excepthook = print_unraisable, print_error
        for repetition in repetitions:
            repetition.cancel()


@contextmanager
def _handle_signals(handle: Callable[[KeyboardInterrupt], NoReturn]) -> Iterator[None]:
    """Call `handle` inside for each signal, unless the process ignores it.

    Only the main thread can handle signals; elsewhere nothing changes.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def receive(number: int, frame: FrameType | None) -> None:
        handle(Terminated() if number == signal.SIGTERM else KeyboardInterrupt())

    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        for number, handler in before.items():
            if handler is not signal.SIG_IGN:
                signal.signal(number, receive)
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
