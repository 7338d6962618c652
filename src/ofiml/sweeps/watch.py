"""Show how the members of a sweep stand, from the files that they write."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from ofiml.sweeps.manifest import Member, name_folder
from ofiml.sweeps.status import Status, read_status
from ofiml.ui.format import format_seconds

_SECONDS = 0.5  # between two looks
_EVERY = 5.0  # seconds without a line after which a pipe gets one
_MAX_NAMED = 4  # running members in such a line


@contextmanager
def watch_members(
    folder: Path, members: Sequence[Member], total: int, name: Callable[[Member], str], console: Console
) -> Iterator["Watch"]:
    """Show the members of the sweep in `folder` while the context lasts: one bar for all, one line for each that runs.

    `total` counts the members of the whole sweep, of which `members` are still to be run. A line for each that ends
    stays. Elsewhere than on a terminal those lines are printed, and every few seconds one about the members that run.
    """
    watch = Watch(folder, members, total, name, console)
    thread = threading.Thread(target=watch.run, daemon=True)
    with watch.bars:
        thread.start()
        try:
            yield watch
        finally:
            watch.stopped.set()
            thread.join()
            watch.look()


class Watch:
    """What is shown of a sweep's members."""

    def __init__(
        self, folder: Path, members: Sequence[Member], total: int, name: Callable[[Member], str], console: Console
    ) -> None:
        self.stopped = threading.Event()
        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[left]}"),
        )
        self.bars = Progress(*columns, console=console, disable=not console.is_terminal)
        self._folder, self._left, self._name, self._console = folder, list(members), name, console
        self._total, self._count, self._began = total, len(members), time.time()
        self._ended_at = self._printed_at = self._began
        self._tasks: dict[int, TaskID] = {}
        self._running: list[tuple[Member, Status]] = []
        self._all = self.bars.add_task("sweep", total=total, completed=total - len(members), left="")

    def run(self) -> None:
        """Look again and again, until `stopped`."""
        while not self.stopped.wait(_SECONDS):
            self.look()
            self.print_due(time.time())

    def look(self) -> None:
        """Read the status of each member that has not ended, and show it."""
        self._running = []
        for member in list(self._left):
            status = read_status(name_folder(self._folder, member.number))
            if status is None or (status.state != "running" and status.until < self._began):
                continue  # it has not started, or this is how an earlier attempt ended
            if status.state == "running":
                self._show(member, status)
            else:
                self._left.remove(member)
                self._end(member, status)
        left = self.estimate_seconds_left(time.time())
        self.bars.update(self._all, left=f"about {format_seconds(left)} left" if left else "")

    def estimate_seconds_left(self, now: float) -> float | None:
        """Estimate the seconds until the last member ends, at the pace of those that ended; None before the first.

        The pace is that of all processes together, and changes at the end of a member only.
        """
        ended = self._count - len(self._left)
        if not ended:
            return None
        pace = (self._ended_at - self._began) / ended
        return max(0.0, pace * len(self._left) - (now - self._ended_at))

    def print_due(self, now: float) -> None:
        """Print a line about the running members, unless this is a terminal, or the last line is recent."""
        if self._console.is_terminal or not self._running or now - self._printed_at < _EVERY:
            return
        shown = self._running[:_MAX_NAMED]
        parts = [f"{self._name(member)}: {_describe_stage(status, now)}" for member, status in shown]
        if len(self._running) > _MAX_NAMED:
            parts.append(f"{len(self._running) - _MAX_NAMED} more")
        left = self.estimate_seconds_left(now)
        done = f"{self._total - len(self._left)} of {self._total}"
        self._print("; ".join([f"{done}, about {format_seconds(left)} left" if left else done, *parts]), now)

    def _print(self, line: str, now: float) -> None:
        self._console.print(line, soft_wrap=True)
        self._printed_at = now

    def _show(self, member: Member, status: Status) -> None:
        self._running.append((member, status))
        if member.number not in self._tasks:
            self._tasks[member.number] = self.bars.add_task("", left="")
        text = f"  {self._name(member)}: {status.stage}"
        self.bars.update(
            self._tasks[member.number], description=text, total=max(status.total, 1), completed=status.done
        )

    def _end(self, member: Member, status: Status) -> None:
        if member.number in self._tasks:
            self.bars.remove_task(self._tasks.pop(member.number))
        self.bars.advance(self._all)
        self._ended_at = max(self._ended_at, status.until)
        done = self._total - len(self._left)
        how = status.result if status.state == "finished" else f"failed: {status.reason}"
        seconds = f"{status.until - status.since:.0f} s"
        if status.unlogged:
            how += "; not logged"
        self._print(f"{done} of {self._total}  {self._name(member)}: {how} ({seconds})", time.time())


def _describe_stage(status: Status, now: float) -> str:
    """Describe what a running member does, as `leak check 1 of 3`; before its first stage as `importing, 4 s`."""
    if not status.total:
        return f"{status.stage}, {format_seconds(max(0.0, now - status.since))}"
    return f"{status.stage} {status.done} of {status.total}" if status.total > 1 else status.stage
