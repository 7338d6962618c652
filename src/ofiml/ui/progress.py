"""Progress bars for long work, on one screen for any number of threads."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

#: Is told of a stage, how many of its steps are done, and of how many.
OnStage = Callable[[str, int, int], None]


class Stages:
    """The progress bars of the stages of a run. On a terminal they move; elsewhere each stage prints one line."""

    def __init__(self, console: Console | None = None, on_stage: OnStage | None = None) -> None:
        self.console = console or Console(stderr=True, quiet=on_stage is not None)
        self.on_stage = on_stage
        columns = (TextColumn("{task.description:<10}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        self._bars = Progress(*columns, console=self.console, disable=not self.console.is_terminal)

    def __enter__(self) -> "Stages":
        self._bars.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._bars.stop()

    @contextmanager
    def start_stage(self, name: str, total: int) -> Iterator["Bar"]:
        """Start a stage of `total` steps, and give its bar for the duration of the context."""
        bar = Bar(self._bars, self._bars.add_task(name, total=total, visible=total > 0), self.on_stage)
        bar.report()
        yield bar
        if total and not self.console.is_terminal:
            self.console.print(f"{name}: {bar.completed_steps} of {total}", highlight=False)


class Bar:
    """The bar of one stage; `step` may be called from any thread."""

    def __init__(self, bars: Progress, task: TaskID, on_stage: OnStage | None) -> None:
        self._bars, self._task, self._on_stage = bars, task, on_stage

    def step(self) -> None:
        """Advance the bar by one step."""
        self._bars.advance(self._task)
        self.report()

    def report(self) -> None:
        """Tell `on_stage` how far the stage is."""
        if self._on_stage is not None:
            task = self._bars.tasks[self._task]
            self._on_stage(task.description, int(task.completed), int(task.total or 0))

    @property
    def completed_steps(self) -> int:
        """The number of steps so far."""
        return int(self._bars.tasks[self._task].completed)
