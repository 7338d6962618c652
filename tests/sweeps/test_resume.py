"""What a killed sweep leaves behind, and what is done again."""

import os
from dataclasses import replace

import pytest

from ofiml.config import Tracking
from ofiml.errors import ConfigError
from ofiml.reporting.summary import summarise_report
from ofiml.study.json_border import write_json
from ofiml.sweeps.manifest import (
    Manifest,
    Member,
    digest_config,
    digest_members,
    find_earlier,
    name_folder,
    read_manifest,
    write_manifest,
)
from ofiml.sweeps.resume import clear_members, fail_running, list_running, list_unfinished, list_working
from ofiml.sweeps.run import open_sweep
from ofiml.sweeps.status import advance_member, fail_member, finish_member, read_status, start_member

MEMBERS = [Member(number, [f"seed={number}"], str(number)) for number in range(4)]


@pytest.fixture
def left_behind(tmp_path):
    """A folder in which member 0 is finished, 1 failed, 2 was killed, and 3 was never begun."""
    whole = name_folder(tmp_path, 0)
    finish_member(whole, start_member(whole), "a", "IC 0.1")
    (whole / "report.json").write_text("{}")
    fail_member(name_folder(tmp_path, 1), start_member(name_folder(tmp_path, 1)), "no data")
    advance_member(name_folder(tmp_path, 2), start_member(name_folder(tmp_path, 2)), "folds", 1, 3)
    return tmp_path


def test_only_what_has_no_result_is_left(left_behind):
    assert list_unfinished(left_behind, MEMBERS, lambda _: True) == MEMBERS[1:]
    assert list_unfinished(left_behind, MEMBERS, lambda run: run != "a") == MEMBERS, "its run is not in the store"
    (left_behind / "0" / "report.json").unlink()
    assert list_unfinished(left_behind, MEMBERS, lambda _: True) == MEMBERS


def test_a_member_that_runs_again_begins_with_an_empty_folder(left_behind):
    clear_members(left_behind, MEMBERS[1:])
    assert sorted(path.name for path in left_behind.iterdir()) == ["0"]


def test_what_was_running_has_failed(left_behind):
    assert list_running(left_behind, MEMBERS) == [MEMBERS[2]]
    fail_running(left_behind, MEMBERS, "killed")
    status = read_status(left_behind / "2")
    assert (status.state, status.reason, status.stage) == ("failed", "killed", "folds")
    assert status.until >= status.since
    assert read_status(left_behind / "1").reason == "no data"
    assert read_status(left_behind / "3") is None


@pytest.mark.parametrize("content", ["", "{}", '{"state": "done", "since": 1}', "\x00"])
def test_another_content_is_no_status(tmp_path, content):
    (tmp_path / "status.json").write_text(content)
    assert read_status(tmp_path) is None


def test_only_a_running_member_has_a_process_that_works(left_behind):
    assert list_working(left_behind, MEMBERS) == [os.getpid()], "member 2 says that it runs in this process"
    status = read_status(left_behind / "2")
    advance_member(left_behind / "2", replace(status, process=replace(status.process, started=1)), "folds", 2, 3)
    assert list_working(left_behind, MEMBERS) == [], "the number belongs to another process now"


# --- finding it again ------------------------------------------------------------------------------------------------


def test_a_digest_follows_from_what_changes_results(configure):
    one = digest_config(configure("model=ridge", "debug=tiny"))
    assert one == digest_config(configure("model=ridge", "debug=tiny", "threads=1", "tracking=off"))
    assert one == digest_config(configure("model=ridge", "debug=tiny", "features.store=elsewhere"))
    assert one == digest_config(configure("model=ridge", "debug=tiny", "report=off"))
    assert one != digest_config(configure("model=ridge", "debug=tiny", "seed=8"))
    assert one != digest_config(configure("model=ridge", "debug=tiny", "backtest.latency=1s"))


def test_a_sweep_is_known_by_its_members_their_order_and_the_experiment():
    digest = digest_members(MEMBERS, "ofiml")
    assert digest == digest_members(list(MEMBERS), "ofiml")
    assert len({digest, digest_members(MEMBERS[:3], "ofiml"), digest_members(MEMBERS, None)}) == 3
    assert digest != digest_members(MEMBERS[::-1], "ofiml")


def test_the_last_sweep_with_these_members_is_found(tmp_path):
    days = [tmp_path / day / at for day, at in (("2024-01-01", "10-00-00"), ("2024-01-02", "09-00-00"))]
    for age, place in enumerate(days[::-1]):
        write_manifest(place, Manifest("same", MEMBERS, None))
        os.utime(place / "sweep.json", (1e9 - age, 1e9 - age))
    write_manifest(tmp_path / "2024-01-02" / "12-00-00", Manifest("other", MEMBERS, None))
    (tmp_path / "2024-01-02" / "11-00-00").mkdir()
    (tmp_path / "2024-01-02" / "11-00-00" / "sweep.json").write_text("[]")
    assert find_earlier(tmp_path / "2024-01-03" / "08-00-00", "same") == days[1]
    assert find_earlier(days[0], "same") == days[0], "a folder that is named counts first"
    assert find_earlier(days[0], "third") is None


def test_a_manifest_is_read_as_it_was_written(tmp_path):
    assert read_manifest(tmp_path) is None
    manifest = Manifest("d", MEMBERS, "p")
    write_manifest(tmp_path, manifest)
    assert read_manifest(tmp_path) == manifest
    (tmp_path / "sweep.json").write_text("{")
    with pytest.raises(ConfigError, match=r"sweep\.json is not JSON"):
        read_manifest(tmp_path)


# --- one process at a time -------------------------------------------------------------------------------------------


@pytest.fixture
def opened(tmp_path, configure, quiet_console):
    configs = [configure("debug=tiny", "tracking=off", f"seed={m.number}") for m in MEMBERS]
    assert isinstance(configs[0].tracking, Tracking)
    return lambda **how: open_sweep(tmp_path / "day" / "time", MEMBERS, configs, console=quiet_console, **how)


@pytest.fixture
def quiet_console():
    from rich.console import Console

    return Console(quiet=True)


def test_a_folder_with_a_sweep_is_only_resumed(opened, tmp_path):
    with opened(resume=True) as sweep:
        assert sweep.left == MEMBERS
        assert sweep.parent is None
        place = name_folder(sweep.folder, 0)
        finish_member(place, start_member(place), None, "IC 0.1")
        (place / "report.json").write_text("{}")
    with pytest.raises(ConfigError, match=r"already contains a sweep: add sweep\.resume=true"), opened(resume=False):
        pass
    with opened(resume=True) as sweep:
        assert sweep.left == MEMBERS[1:]


def test_a_member_killed_after_its_study_was_complete_is_not_run_again(opened, run, configure):
    """Only its status was missing. One without a result, or with half a report, is run again."""
    report = run("debug=tiny", "model=ols", "evaluation.controls=false", "evaluation.leak_check=false").report
    without = replace(report.metrics.pooled["ic"], value=float("nan"))
    nothing = replace(report, metrics=replace(report.metrics, pooled=report.metrics.pooled | {"ic": without}))
    with opened(resume=False) as sweep:
        for number, text in enumerate([write_json(report), write_json(report)[:-9], write_json(nothing)]):
            place = name_folder(sweep.folder, number)
            status = start_member(place)
            advance_member(place, replace(status, process=replace(status.process, started=1)), "folds", 1, 3)
            (place / "report.json").write_text(text)
    with opened(resume=True) as sweep:
        assert sweep.left == MEMBERS[1:]
        status = read_status(name_folder(sweep.folder, 0))
    assert (status.state, status.result, status.run_id) == ("finished", summarise_report(report), None)


def test_a_running_sweep_is_not_resumed(opened):
    with opened(resume=False), pytest.raises(ConfigError, match="is running: wait"), opened(resume=True):
        pass


def interrupt(place):
    start_member(place)
    raise KeyboardInterrupt


def test_an_interrupt_leaves_nothing_running(opened):
    with pytest.raises(KeyboardInterrupt), opened(resume=False) as sweep:
        interrupt(name_folder(sweep.folder, 2))
    status = read_status(name_folder(sweep.folder, 2))
    assert (status.state, status.reason) == ("failed", "interrupted")
