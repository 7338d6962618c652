"""Progress in a pipe, on a terminal and as calls of a function."""

import io
import re
import threading
from types import SimpleNamespace

import pytest
from rich.console import Console

from ofiml.ui import progress
from ofiml.ui.progress import Bar, Stages, format_seconds


class Pipe(io.StringIO):
    """A pipe that says when a line has come."""

    def __init__(self) -> None:
        super().__init__()
        self.has_line = threading.Event()

    def write(self, text: str) -> int:
        if text.strip():
            self.has_line.set()
        return super().write(text)


def make_pipe() -> tuple[Pipe, Console]:
    pipe = Pipe()
    return pipe, Console(file=pipe, width=200)


def test_short_stages_share_a_line(monkeypatch):
    monkeypatch.setattr(progress, "time", SimpleNamespace(monotonic=lambda: 100.0))
    pipe, console = make_pipe()
    with Stages(console) as stages:
        for name in ("sessions", "folds"):
            with stages.start_stage(name, 2) as bar:
                bar.step()
                bar.step()
        with stages.start_stage("nothing", 0) as bar:
            bar.step()
    assert pipe.getvalue() == "sessions: 2 of 2; folds: 2 of 2\n"


def test_a_line_comes_while_a_step_takes_long(monkeypatch):
    """A thread prints it: nothing else runs during the step."""
    for name in ("_LONG", "_EVERY", "_LINE"):
        monkeypatch.setattr(progress, name, 0.01)
    pipe, console = make_pipe()
    with Stages(console) as stages, stages.start_stage("folds", 4):
        assert pipe.has_line.wait(120)
    assert re.match(r"folds: 0 of 4 after \d+ s\n", pipe.getvalue())


def test_a_long_stage_shows_its_start_its_progress_and_its_end(monkeypatch):
    """A first line after 2 s, then one every 5 s; the clock is the test's."""
    now = [100.0]
    monkeypatch.setattr(progress, "time", SimpleNamespace(monotonic=lambda: now[0]))
    monkeypatch.setattr(progress._Lines, "_tick", lambda self: None)
    pipe, console = make_pipe()
    display, printed_at = progress._Lines(console), []
    bar = Bar("folds", 4, display.update)
    display.start(bar)
    for second in range(15):
        now[0] = 100.0 + second
        if second == 4:
            bar.step()
            bar.step()
        before = pipe.getvalue()
        display.print_due(now[0])
        printed_at += [second] if pipe.getvalue() != before else []
    display.end(bar)
    display.close()
    assert printed_at == [2, 7, 12]
    assert pipe.getvalue().splitlines() == [
        "folds: 0 of 4 after 2 s",
        "folds: 2 of 4, about 7 s left",
        "folds: 2 of 4, about 12 s left",
        "folds: 2 of 4, 14 s",
    ]


def test_lines_that_come_together_share_one():
    """Never more than one line a second; what waits is printed with the next."""
    pipe, console = make_pipe()
    display = progress._Lines(console)
    display.close()  # its thread
    for now in (10.0, 10.3, 10.9, 11.0):
        display.announce(f"at {now}")
        display.print_due(now)
    assert pipe.getvalue().splitlines() == ["at 10.0", "at 10.3; at 10.9; at 11.0"]


def test_the_estimate_follows_the_pace(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    bar = Bar("folds", 5, lambda bar: None)
    assert bar.estimate_seconds_left() is None
    bar.step()
    bar.step()
    now[0] = 130.0
    assert bar.estimate_seconds_left() == 45.0
    assert (format_seconds(45.4), format_seconds(180)) == ("45 s", "3 min")


def test_a_function_receives_every_change_and_nothing_is_printed(capsys):
    calls = []
    with Stages(on_stage=lambda *change: calls.append(change)) as stages:
        stages.announce("a sentence")
        with stages.start_stage("folds", 2) as bar:
            bar.step()
            bar.step()
        with stages.start_stage("trials", 0):
            pass
    assert calls == [("folds", 0, 2), ("folds", 1, 2), ("folds", 2, 2)]
    assert capsys.readouterr() == ("", "")


def test_steps_of_many_threads_are_counted():
    calls = []
    with Stages(on_stage=lambda *change: calls.append(change)) as stages, stages.start_stage("rows", 800) as bar:
        threads = [threading.Thread(target=lambda: [bar.step() for _ in range(100)]) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert [done for _, done, _ in calls] == list(range(801))


def test_a_terminal_has_bars_with_an_estimate():
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=100)
    with Stages(console) as stages:
        stages.announce("a sentence")
        with stages.start_stage("leak check", 3) as bar:
            bar.step()
    assert "a sentence" in screen.getvalue()
    assert "leak check" in screen.getvalue()
    assert "1/3" in screen.getvalue()


def test_an_error_ends_the_progress():
    _, console = make_pipe()
    before = set(threading.enumerate())
    with pytest.raises(KeyError), Stages(console) as stages, stages.start_stage("folds", 2):
        raise KeyError
    assert set(threading.enumerate()) <= before  # another test's thread may end meanwhile
