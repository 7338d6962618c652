"""Files of old runs go if another place has them; runs, and files that only one place has, stay."""

import os
import time
from pathlib import Path

import pytest

from ofiml.cli.prune import main as prune
from ofiml.config import Tracking
from ofiml.tracking.entry import lock_entry
from ofiml.tracking.prune import find_candidates
from ofiml.tracking.store import connect, open_store

FILES = {"report.json": b"{}", "figures/a.png": b"png", "models/fold_00.txt": b"tree"}


@pytest.fixture
def stored(workdir, new_store):
    """Makes a run with these files in the store and in an output folder, ten days old: (its id, the folder)."""
    uri = new_store(workdir)
    client = connect(uri)
    experiment = open_store(Tracking(enabled=True, uri=uri, experiment="ofiml", suffix=""))
    old = time.time() - 10 * 24 * 3600

    def make(name, status="FINISHED", files=FILES):
        run_id = client.create_run(experiment, start_time=int(old * 1000), tags={"kind": "forecast"}).info.run_id
        folder = workdir / "outputs" / name
        for path, content in (FILES | {"verdict.md": b"a forecast", "run_id": run_id.encode()}).items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(content)
            os.utime(folder / path, (old, old))
        for path, content in files.items():
            source = workdir / "source" / path
            source.parent.mkdir(parents=True, exist_ok=True)
            source.write_bytes(content)
            client.log_artifact(run_id, str(source), Path(path).parent.as_posix().strip(".") or None)
        client.set_terminated(run_id, status)
        return run_id, folder

    make.uri, make.client, make.outputs = uri, client, workdir / "outputs"
    return make


def list_names(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_what_the_store_has_goes_from_the_outputs(stored, capsys):
    run_id, folder = stored("one")
    assert prune(["--uri", stored.uri]) == 0
    assert "0.0 MB of 1 runs can be deleted: --yes does it." in capsys.readouterr().out
    assert len(list_names(folder)) == 5, "nothing is deleted without --yes"
    assert prune(["--uri", stored.uri, "--yes"]) == 0
    assert list_names(folder) == ["run_id", "verdict.md"]
    assert [item.path for item in stored.client.list_artifacts(run_id)] == ["figures", "models", "report.json"]
    assert prune(["--uri", stored.uri, "--yes"]) == 0
    assert "Nothing to delete." in capsys.readouterr().out
    assert prune(["--uri", stored.uri, "--outputs", "nope"]) == 2
    assert capsys.readouterr().err.startswith("ofiml: There is no folder nope")


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        (FILES | {"figures/a.png": b"gnp"}, "the store has another figures/a.png"),
        ({"report.json": b"{}"}, "the store lacks figures/a.png"),
    ],
)
def test_what_the_store_has_not_stays(stored, files, reason, capsys):
    _, folder = stored("one", files=files)
    assert prune(["--uri", stored.uri, "--yes"]) == 0
    assert f"kept {folder.relative_to(folder.parents[1])}: {reason}" in capsys.readouterr().out
    assert len(list_names(folder)) == 5


def test_a_run_that_did_not_finish_loses_its_files_in_the_store_and_stays_a_run(stored):
    run_id, folder = stored("one", status="FAILED")
    assert prune(["--uri", stored.uri, "--yes"]) == 0
    assert stored.client.list_artifacts(run_id) == []
    assert stored.client.get_run(run_id).info.status == "FAILED"
    assert len(list_names(folder)) == 5, "no other place has them now"


def test_what_a_killed_run_kept_for_the_store_goes(stored, capsys):
    """But not what a study keeps that is complete, and not what a run writes now."""
    old = time.time() - 10 * 24 * 3600

    def keep(name, *files):
        folder = stored.outputs / name
        for file in files:
            (folder / "unlogged" / file).parent.mkdir(parents=True, exist_ok=True)
            (folder / "unlogged" / file).write_text("x")
            os.utime(folder / "unlogged" / file, (old, old))
        return folder

    killed, complete, working = (
        keep("killed", "model/MLmodel"),
        keep("complete", "entry.json"),
        keep("working", "model/x"),
    )
    with lock_entry(working):
        assert prune(["--uri", stored.uri, "--yes"]) == 0
    assert (
        "killed/unlogged: 2 files, 0.0 MB: its run was killed before its study was complete" in capsys.readouterr().out
    )
    assert [list_names(folder) for folder in (killed, complete)] == [[], ["unlogged/entry.json"]]
    assert "unlogged/model/x" in list_names(working)
    (killed / "unlogged").mkdir(parents=True)
    (killed / "unlogged" / "young").touch()
    found, _ = find_candidates(stored.outputs, stored.uri, days=7)
    assert [one.folder for one in found] == [working / "unlogged"], "its process has ended, and the other one is young"


def test_young_runs_stay(stored):
    _, folder = stored("one")
    os.utime(folder / "report.json")
    stored("two", status="KILLED")
    found, _ = find_candidates(folder.parent, stored.uri, days=7)
    assert [one.reason for one in found] == ["its run is killed"]
    assert find_candidates(folder.parent, stored.uri, days=30) == ([], [])


def test_nothing_outside_is_deleted(stored, tmp_path):
    """A link in an output folder is no file of it, and a store's word for another place is not taken."""
    _, folder = stored("one")
    outside = tmp_path / "outside.txt"
    outside.write_text("mine")
    (folder / "link.txt").symlink_to(outside)
    (folder / "run_id").write_text("../../etc")
    found, kept = find_candidates(folder.parent, stored.uri, days=7)
    assert (found, [one.reason for one in kept]) == ([], ["the store has no finished run of it"])
    assert prune(["--uri", stored.uri, "--yes", "--days", "-1"]) == 2
    assert outside.read_text() == "mine"
