"""What a sweep shows of its members while they run."""

import io
import re
from pathlib import Path

import pytest
from rich.console import Console

from ofiml.sweeps.manifest import Member, name_folder
from ofiml.sweeps.status import advance_member, finish_member, start_member
from ofiml.sweeps.watch import Watch

MEMBERS = [Member(number, [f"model={name}"], "") for number, name in enumerate(["ols", "ridge"])]


@pytest.fixture
def pipe() -> io.StringIO:
    return io.StringIO()


def make_watch(folder: Path, console: Console, members: list[Member] = MEMBERS) -> Watch:
    return Watch(folder, members, len(members), lambda member: member.overrides[0], console)


def test_a_pipe_gets_a_line_about_the_running_members_every_few_seconds(tmp_path: Path, pipe: io.StringIO) -> None:
    watch = make_watch(tmp_path, Console(file=pipe, width=40))
    status = start_member(name_folder(tmp_path, 0))
    advance_member(name_folder(tmp_path, 0), status, "leak check", 1, 3)
    since = start_member(name_folder(tmp_path, 1)).since
    watch._began = watch._printed_at = since
    watch.look()
    for seconds in (1, 6, 7):
        watch.print_due(since + seconds)
    line = "0 of 2; model=ols: leak check 1 of 3; model=ridge: importing, {} s\n"
    assert pipe.getvalue() == line.format(6)
    watch.print_due(since + 12)
    assert pipe.getvalue() == line.format(6) + line.format(12)


def test_the_lines_of_ended_members_stay_and_the_rest_is_estimated(tmp_path: Path, pipe: io.StringIO) -> None:
    watch = make_watch(tmp_path, Console(file=pipe, width=40))
    first = name_folder(tmp_path, 0)
    finish_member(first, start_member(first), None, "IC 0.1")
    second = name_folder(tmp_path, 1)
    advance_member(second, start_member(second), "folds", 1, 5)
    watch.look()
    watch._ended_at = watch._began + 30
    watch.print_due(watch._ended_at + 10)
    ended, running = pipe.getvalue().splitlines()
    assert re.fullmatch(r"1 of 2  model=ols: IC 0\.1 \(\d+ s\)", ended)
    assert running == "1 of 2, about 20 s left; model=ridge: folds 1 of 5"
    assert watch.estimate_seconds_left(watch._ended_at + 90) == 0  # longer than the first: no estimate below zero


def test_many_running_members_are_counted(tmp_path: Path, pipe: io.StringIO) -> None:
    members = [Member(number, [f"seed={number}"], "") for number in range(6)]
    watch = make_watch(tmp_path, Console(file=pipe), members)
    for member in members:
        folder = name_folder(tmp_path, member.number)
        advance_member(folder, start_member(folder), "model", 0, 1)
    watch.look()
    watch.print_due(watch._began + 6)
    assert pipe.getvalue() == "0 of 6; seed=0: model; seed=1: model; seed=2: model; seed=3: model; 2 more\n"


def test_a_terminal_has_an_estimate_and_no_such_lines(tmp_path: Path, pipe: io.StringIO) -> None:
    watch = make_watch(tmp_path, Console(file=pipe, force_terminal=True, width=120))
    first = name_folder(tmp_path, 0)
    finish_member(first, start_member(first), None, "IC 0.1")
    watch._began -= 60
    watch.look()
    watch.print_due(watch._printed_at + 60)
    assert "; " not in pipe.getvalue()
    with Console(file=io.StringIO(), width=120) as console, console.capture() as shown:
        console.print(watch.bars.get_renderable())
    sweep = shown.get().splitlines()[0]
    assert "1/2" in sweep
    assert "about 60 s left" in sweep
