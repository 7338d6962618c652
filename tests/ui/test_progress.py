"""Progress in a pipe, on a terminal and as calls of a function."""

import io
import itertools
import threading
import time

import pytest
from rich.console import Console

from ofiml.ui import progress
from ofiml.ui.progress import Bar, Stages, format_seconds


class Pipe(io.StringIO):
    """A pipe that keeps the time of each line."""

    def __init__(self) -> None:
        super().__init__()
        self.times: list[float] = []

    def write(self, text: str) -> int:
        if text.strip():
            self.times.append(time.monotonic())
        return super().write(text)


@pytest.fixture
def quick(monkeypatch):
    """A tenth of the times between lines."""
    for name in ("_LONG", "_EVERY", "_LINE"):
        monkeypatch.setattr(progress, name, getattr(progress, name) / 10)


def make_pipe() -> tuple[Pipe, Console]:
    pipe = Pipe()
    return pipe, Console(file=pipe, width=200)


def test_short_stages_share_a_line():
    pipe, console = make_pipe()
    with Stages(console) as stages:
        for name in ("sessions", "folds"):
            with stages.start_stage(name, 2) as bar:
                bar.step()
                bar.step()
        with stages.start_stage("nothing", 0) as bar:
            bar.step()
    assert pipe.getvalue() in ("sessions: 2 of 2; folds: 2 of 2\n", "sessions: 2 of 2\nfolds: 2 of 2\n")


@pytest.mark.slow
def test_a_long_stage_shows_its_start_its_progress_and_its_end(quick):
    """Also while a single step takes long; never more than one line at a time."""
    pipe, console = make_pipe()
    with Stages(console) as stages, stages.start_stage("folds", 4) as bar:
        time.sleep(0.4)
        for _ in range(2):
            bar.step()
        time.sleep(1.4)
    lines = pipe.getvalue().splitlines()
    assert lines[0] == "folds: 0 of 4 after 0 s"
    assert any(line.startswith("folds: 2 of 4, about ") and line.endswith(" s left") for line in lines[1:-1])
    assert lines[-1].startswith("folds: 2 of 4, ")
    assert "left" not in lines[-1]
    assert 3 <= len(lines) <= 6
    gaps = [after - before for before, after in itertools.pairwise(pipe.times[:-1])]
    assert min(gaps) >= 0.09


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
