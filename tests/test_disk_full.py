"""A disk without room: one sentence, no damaged cache, no half file taken for whole, and with room the run works."""

import errno
import json
import os
import subprocess
import sys
from itertools import count
from pathlib import Path

import polars as pl
import pytest
from polars.exceptions import ComputeError

from ofiml.atomic import name_file, write_atomically
from ofiml.cli.exits import describe_error
from ofiml.data.cache import cache_items, has_items
from ofiml.storage import Folder
from ofiml.tracking.record import record_study
from ofiml.tuning.journal import JournalSlots

FULL = OSError(errno.ENOSPC, "No space left on device")  # as a write raises it: without the name of the file
FULL_IN_RUST = ComputeError("parquet: underlying IO error: No space left on device (os error 28)")
FULL_WITHOUT_NUMBER = OSError("No space left on device (os error 28)")  # of Arrow files, also in Rust


@pytest.mark.parametrize("error", [FULL, FULL_IN_RUST, FULL_WITHOUT_NUMBER])
def test_the_file_and_the_remedy_are_named_and_nothing_is_left(tmp_path, error):
    def write(part):
        part.write_bytes(b"half")
        raise error

    path = tmp_path / "a.json"
    path.write_text("before")
    with pytest.raises(OSError, match="No space left") as raised:
        write_atomically(path, write)
    assert describe_error(raised.value) == (
        f"{path}: the disk is full (No space left on device): free some space, then run the same command again."
    )
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]
    assert path.read_text() == "before"


def test_an_error_without_a_file_is_described_too():
    assert describe_error(FULL).startswith("The disk is full (No space left on device): free some space")


@pytest.mark.parametrize("error", [ValueError("a mistake"), OSError("a library's own")])
def test_other_errors_stay_as_they_are(tmp_path, error):
    with pytest.raises(type(error)) as raised, name_file(tmp_path):
        raise error
    assert raised.value is error


def pack(number):
    return pl.DataFrame({"x": [number]}), {"number": number}


def unpack(table, meta):
    return table["x"][0]


def test_a_cache_that_finds_no_room_is_made_again(tmp_path, monkeypatch):
    """Whichever write fails: of the first table, of the second, of the list of both."""

    def read(made):
        return list(
            cache_items(Folder(tmp_path / "cache"), "a", lambda: (made.append(n) or n for n in (1, 2)), pack, unpack)
        )

    original = write_atomically
    for failing in range(3):
        calls = count()

        def write(path, write_to, failing=failing, calls=calls):
            if next(calls) == failing:
                raise FULL
            return original(path, write_to)

        with monkeypatch.context() as patch:
            patch.setattr("ofiml.storage.write_atomically", write)
            with pytest.raises(OSError, match="No space left"):
                read([])
        assert not has_items(Folder(tmp_path / "cache"), "a")
    made = []
    assert read(made) == [1, 2]
    assert made == [1, 2]
    assert read(made) == [1, 2]
    assert made == [1, 2], "now they are cached"


@pytest.mark.slow
def test_a_run_folder_without_room_has_no_report(run, tmp_path, monkeypatch):
    """A report is the last file, so that a folder with one is whole."""
    study = run("debug=tiny", "model=ols", "report.html=false", "report.figures=[]")
    monkeypatch.setattr("ofiml.study.run.run", lambda *_: study)
    original = write_atomically
    written = record_study(study.config, tmp_path / "whole").folder
    files = len([p for p in written.iterdir() if p.is_file()])
    for failing in range(files):
        calls = count()

        def write(path, write_to, failing=failing, calls=calls):
            if next(calls) == failing:
                raise OSError(errno.ENOSPC, "No space left on device", str(path))
            return original(path, write_to)

        with monkeypatch.context() as patch:
            patch.setattr("ofiml.atomic.write_atomically", write)
            patch.setattr("ofiml.reporting.files.write_atomically", write)
            with pytest.raises(OSError, match="No space left"):
                record_study(study.config, tmp_path / str(failing))
        assert not (tmp_path / str(failing) / "report.json").exists()


def test_a_tuning_journal_without_room_keeps_its_whole_lines(tmp_path, monkeypatch):
    import optuna

    backend = optuna.storages.journal.JournalFileBackend
    slots = JournalSlots(tmp_path / "tuning", 1, {}, 2)
    assert slots.read_finished() == {}
    whole = (tmp_path / "tuning" / "journal").read_bytes()

    def tear(self, logs):
        with Path(self._file_path).open("ab") as file:
            file.write(b'{"op_code": 4, "wor')
        raise FULL

    with monkeypatch.context() as patch:
        patch.setattr(backend, "append_logs", tear)
        with pytest.raises(OSError, match="No space left") as raised:
            slots.add(optuna.trial.create_trial(value=0.0, state=optuna.trial.TrialState.COMPLETE))
    assert "journal: the disk is full" in describe_error(raised.value)
    assert slots.read_finished() == {}
    journal = (tmp_path / "tuning" / "journal").read_bytes()
    assert journal.startswith(whole)
    assert all(json.loads(line) for line in journal.splitlines())


# --- a small disk ----------------------------------------------------------------------------------------------------


@pytest.fixture
def disk(tmp_path):
    """A disk of 64 MB in memory; skips the test where the system mounts none."""
    place = tmp_path / "disk"
    place.mkdir()
    line = ["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(place)]
    if subprocess.run(line, capture_output=True, check=False).returncode:
        pytest.skip("no disk can be mounted: it takes the rights of root")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


@pytest.mark.slow
@pytest.mark.parametrize("room", [30_000, 2_500_000])
def test_a_whole_run_on_a_disk_without_room(disk, room):
    env = {k: v for k, v in os.environ.items() if k != "MLFLOW_TRACKING_URI"}
    line = [sys.executable, "-m", "ofiml.run", "debug=tiny", "model=lgbm"]

    def start():
        return subprocess.run(line, cwd=disk, env=env, capture_output=True, text=True, check=False)

    filler = disk / "filler"
    space = os.statvfs(disk)
    filler.write_bytes(bytes(space.f_bavail * space.f_frsize - room))
    done = start()
    assert done.returncode in (1, 2, 3), done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.count("ofiml: ") == 1
    assert "is full" in done.stderr, done.stderr
    for report in disk.glob("outputs/*/*/report.json"):
        assert json.loads(report.read_text())["predictions"]["sha256"]
    filler.unlink()
    for place in disk.glob("outputs/*/*/unlogged"):
        sync = [sys.executable, "-m", "ofiml.sync", str(place.parent)]
        assert subprocess.run(sync, cwd=disk, env=env, check=False).returncode == 0
    again = start()
    assert again.returncode == 0, again.stderr
    digests = {json.loads(p.read_text())["predictions"]["sha256"] for p in disk.glob("outputs/*/*/report.json")}
    assert len(digests) == 1
