"""Progress of long work: bars on a terminal, lines in a pipe, or calls of a function; on stderr."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Protocol

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from ofiml.ui.format import format_seconds
from ofiml.ui.lines import open_console

OnStage = Callable[[str, int, int], None]

_LONG = 2.0  # seconds after which a stage that still runs gets a line in a pipe
_EVERY = 5.0  # seconds between such lines
_LINE = 1.0  # seconds between any two lines


class Bar:
    """The progress of one stage; `step` may be called from any thread."""

    def __init__(self, name: str, total: int, show: Callable[["Bar"], None]) -> None:
        self.name, self.total, self.completed_steps = name, total, 0
        self.start = time.monotonic()
        self._show, self._lock = show, threading.Lock()

    def step(self) -> None:
        """Advance the bar by one step."""
        with self._lock:
            self.completed_steps += 1
            self._show(self)

    def estimate_seconds_left(self) -> float | None:
        """Estimate the seconds that the steps left will take at the pace so far; None before the first step."""
        if not self.completed_steps:
            return None
        pace = (time.monotonic() - self.start) / self.completed_steps
        return pace * max(0, self.total - self.completed_steps)

    def describe(self) -> str:
        """Describe the progress, as `folds: 2 of 5`."""
        return f"{self.name}: {self.completed_steps} of {self.total}"


def _ignore(bar: Bar) -> None:
    """Show nothing."""


class _Display(Protocol):
    def start(self, bar: Bar) -> None: ...
    def update(self, bar: Bar) -> None: ...
    def end(self, bar: Bar) -> None: ...
    def announce(self, sentence: str) -> None: ...
    def close(self) -> None: ...


class Stages:
    """The progress of the stages of a run.

    On a terminal each stage has a bar and an estimate of the time left. Elsewhere a stage prints a line every few
    seconds if it takes long, and one at its end; there is never more than one line a second. With `on_stage` nothing is
    printed: it is called with the name, the steps done and their total at the start of a stage and after each step,
    from any thread, but never twice at a time for one stage.
    """

    def __init__(self, console: Console | None = None, on_stage: OnStage | None = None) -> None:
        self.console = console or open_console(stderr=True)
        self._on_stage = on_stage
        self._display: _Display | None = None

    def __enter__(self) -> "Stages":
        if self._on_stage is not None:
            self._display = _Calls(self._on_stage)
        else:
            self._display = _Bars(self.console) if self.console.is_terminal else _Lines(self.console)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        if self._display is not None:
            self._display.close()
            self._display = None

    @contextmanager
    def start_stage(self, name: str, total: int) -> Iterator[Bar]:
        """Start a stage of `total` steps and give its bar for the duration of the context; 0 steps are not shown."""
        display = self._display if total > 0 else None
        bar = Bar(name, total, _ignore if display is None else display.update)
        if display is not None:
            display.start(bar)
        try:
            yield bar
        finally:
            if display is not None:
                display.end(bar)

    def announce(self, sentence: str) -> None:
        """Print a sentence about what follows."""
        if self._display is not None:
            self._display.announce(sentence)


class _Calls:
    """Calls a function with each change."""

    def __init__(self, on_stage: OnStage) -> None:
        self._on_stage = on_stage

    def start(self, bar: Bar) -> None:
        self._on_stage(bar.name, 0, bar.total)

    def update(self, bar: Bar) -> None:
        self._on_stage(bar.name, bar.completed_steps, bar.total)

    def end(self, bar: Bar) -> None:
        pass

    def announce(self, sentence: str) -> None:
        pass

    def close(self) -> None:
        pass


class _Bars:
    """Moving bars on a terminal."""

    def __init__(self, console: Console) -> None:
        columns = (
            TextColumn("{task.description:<10}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(elapsed_when_finished=False),
        )
        self._console, self._bars = console, Progress(*columns, console=console)
        self._tasks: dict[int, TaskID] = {}
        self._bars.start()

    def start(self, bar: Bar) -> None:
        self._tasks[id(bar)] = self._bars.add_task(bar.name, total=bar.total)

    def update(self, bar: Bar) -> None:
        self._bars.update(self._tasks[id(bar)], completed=bar.completed_steps)

    def end(self, bar: Bar) -> None:
        self._bars.stop_task(self._tasks.pop(id(bar)))

    def announce(self, sentence: str) -> None:
        self._console.print(sentence)

    def close(self) -> None:
        self._bars.stop()


class _Lines:
    """Lines in a pipe or a file. A thread of its own prints them, because a step may take long."""

    def __init__(self, console: Console) -> None:
        self._console, self._lock = console, threading.Lock()
        self._running: list[Bar] = []
        self._shown_at: dict[int, float] = {}
        self._waiting: list[str] = []
        self._printed_at = -_LINE
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._tick, name="ofiml-progress", daemon=True)
        self._thread.start()

    def start(self, bar: Bar) -> None:
        with self._lock:
            self._running.append(bar)
            self._shown_at[id(bar)] = bar.start + _LONG - _EVERY

    def update(self, bar: Bar) -> None:
        pass

    def end(self, bar: Bar) -> None:
        with self._lock:
            self._running.remove(bar)
            self._shown_at.pop(id(bar))
            if not bar.completed_steps:
                return  # an error ended it, and says so
            seconds = time.monotonic() - bar.start
            self._waiting.append(bar.describe() + (f", {format_seconds(seconds)}" if seconds >= _LONG else ""))

    def announce(self, sentence: str) -> None:
        with self._lock:
            self._waiting.append(sentence)

    def close(self) -> None:
        self._closed.set()
        self._thread.join()
        self._print(time.monotonic())

    def _tick(self) -> None:
        while not self._closed.wait(_LINE / 4):
            self.print_due(time.monotonic())

    def print_due(self, now: float) -> None:
        """Print what is due at the time `now`, unless the last line is more recent than `_LINE` seconds."""
        with self._lock:
            if now - self._printed_at >= _LINE:
                self._collect(now)
                self._print(now)

    def _collect(self, now: float) -> None:
        """Collect a text for each running stage whose last one is old."""
        for bar in self._running:
            if now - self._shown_at[id(bar)] >= _EVERY:
                self._shown_at[id(bar)] = now
                left = bar.estimate_seconds_left()
                pace = f", about {format_seconds(left)} left" if left else f" after {format_seconds(now - bar.start)}"
                self._waiting.append(bar.describe() + pace)

    def _print(self, now: float) -> None:
        if self._waiting:
            self._console.print("; ".join(self._waiting), soft_wrap=True)
            self._waiting.clear()
            self._printed_at = now
