"""Show how the members of a sweep stand, from the files that they write."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from ofiml.sweeps.manifest import Member, name_folder
from ofiml.sweeps.status import Status, read_status

_SECONDS = 0.5  # between two looks


@contextmanager
def watch_members(
    folder: Path, members: Sequence[Member], total: int, name: Callable[[Member], str], console: Console
) -> Iterator["Watch"]:
    """Show the members of the sweep in `folder` while the context lasts: one bar for all, one line for each that runs.

    `total` counts the members of the whole sweep, of which `members` are still to be run. A line for each that ends
    stays. Elsewhere than on a terminal, only those lines are printed.
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
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        self.bars = Progress(*columns, console=console, disable=not console.is_terminal)
        self._folder, self._left, self._name, self._console = folder, list(members), name, console
        self._total, self._began = total, time.time()
        self._tasks: dict[int, TaskID] = {}
        self._all = self.bars.add_task("sweep", total=total, completed=total - len(members))

    def run(self) -> None:
        """Look again and again, until `stopped`."""
        while not self.stopped.wait(_SECONDS):
            self.look()

    def look(self) -> None:
        """Read the status of each member that has not ended, and show it."""
        for member in list(self._left):
            status = read_status(name_folder(self._folder, member.number))
            if status is None or (status.state != "running" and status.until < self._began):
                continue  # it has not started, or this is how an earlier attempt ended
            if status.state == "running":
                self._show(member, status)
            else:
                self._left.remove(member)
                self._end(member, status)

    def _show(self, member: Member, status: Status) -> None:
        if member.number not in self._tasks:
            self._tasks[member.number] = self.bars.add_task("")
        text = f"  {escape(self._name(member))}: {escape(status.stage)}"
        self.bars.update(
            self._tasks[member.number], description=text, total=max(status.total, 1), completed=status.done
        )

    def _end(self, member: Member, status: Status) -> None:
        if member.number in self._tasks:
            self.bars.remove_task(self._tasks.pop(member.number))
        self.bars.advance(self._all)
        done = self._total - len(self._left)
        how = status.result if status.state == "finished" else f"failed: {status.reason}"
        seconds = f"{status.until - status.since:.0f} s"
        if status.unlogged:
            how += "; not logged"
        line = f"{done} of {self._total}  {self._name(member)}: {how} ({seconds})"
        self._console.print(line, highlight=False, markup=False, soft_wrap=True)
