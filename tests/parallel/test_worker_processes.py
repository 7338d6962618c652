"""Processes of this machine: what they are sent, and studies that run in them as in threads."""

import os
import pickle
import signal
import time
from contextlib import suppress

import pytest

from ofiml.config import Parallel
from ofiml.data.sessions import list_sources
from ofiml.errors import ConfigError
from ofiml.parallel import open_workers
from ofiml.parallel.engines import ENGINES
from tests.parallel.runs import (
    QUICK,
    QUOTES,
    TINY,
    complete,
    list_processes,
    read_report,
    start,
    wait_until_gone,
    without_place,
    write_days,
)


def test_a_source_can_be_sent(configure, tmp_path):
    write_days(tmp_path / "days")
    dataset = configure(*QUOTES, f"dataset.path={tmp_path / 'days' / 'day1.csv'}").dataset
    (source,) = list_sources(dataset)
    sent = pickle.dumps(source)
    assert len(sent) < 5000, "what is sent does not grow with the events"
    assert [s.digest for s in pickle.loads(sent)()] == [s.digest for s in source()]
    assert pickle.loads(sent).name() == source.name()


def test_a_simulated_day_can_be_sent(configure):
    from ofiml.data.sessions import _name_day, _simulate_day

    dataset = configure("debug=tiny").dataset
    assert pickle.loads(pickle.dumps(dataset)) == dataset
    assert pickle.loads(pickle.dumps(_simulate_day)) is _simulate_day
    assert _name_day(pickle.loads(pickle.dumps(dataset)), 1) == _name_day(dataset, 1)


@pytest.mark.parametrize("name", ["processes", "dask"])
def test_at_most_as_many_processes_as_cores(name, monkeypatch, tmp_path):
    counts = []

    class Opened(Exception):
        pass

    def open_engine(address, count):
        counts.append(count)
        raise Opened

    monkeypatch.setitem(ENGINES, name, open_engine)
    monkeypatch.setattr("ofiml.parallel.workers.count_cores", lambda: 3)
    for threads in (1, 3, 64):
        with pytest.raises(Opened), open_workers(Parallel(name), threads, str(tmp_path)):
            pass
    assert counts == [1, 3, 3]


def test_what_workers_share_is_deleted(tmp_path):
    with open_workers(Parallel("processes"), 2, str(tmp_path)) as workers:
        workers.storage.write("x", lambda path: path.write_bytes(b"x"))
        assert len(list(tmp_path.glob("ofiml-handoff-*/x"))) == 1
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_run_left_is_deleted_after_a_month(tmp_path):
    for name, days in (("ofiml-handoff-old", 31), ("ofiml-handoff-young", 29), ("others", 99)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").touch()
        then = time.time() - days * 24 * 3600
        os.utime(tmp_path / name, (then, then))
    with open_workers(Parallel("processes"), 2, str(tmp_path)):
        pass
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ofiml-handoff-young", "others"]


def test_a_cluster_needs_a_shared_folder():
    with pytest.raises(ConfigError, match=r"set features\.store"), open_workers(Parallel("ray", "auto"), 2, None):
        pass


@pytest.mark.parametrize(("name", "product"), [("dask", "Dask"), ("ray", "Ray")])
def test_a_missing_package_is_one_sentence(name, product, monkeypatch, tmp_path):
    for module in ("distributed", "ray"):
        monkeypatch.setitem(__import__("sys").modules, module, None)
    sentence = rf"parallel={name} needs {product}, which is not installed: pip install 'ofiml\[{name}\]'\."
    with pytest.raises(ConfigError, match=sentence), open_workers(Parallel(name, "auto"), 2, str(tmp_path)):
        pass


@pytest.mark.parametrize(
    ("name", "address", "sentence"),
    [
        ("ray", None, "parallel=ray needs the address of a cluster"),
        ("processes", "tcp://127.0.0.1:1", "parallel.address is for parallel=dask and parallel=ray"),
        ("dask", "", "parallel.address is empty"),
        ("slurm", None, "parallel.name=slurm"),
    ],
)
def test_a_config_that_cannot_be_is_one_sentence(name, address, sentence):
    with pytest.raises(ConfigError, match=sentence):
        Parallel(name, address)


@pytest.mark.slow
@pytest.mark.parametrize("store", ["cached", "null"])
def test_a_study_in_processes_has_the_bits_of_one_in_threads(tmp_path, store):
    reports = []
    for name in ("threads", "processes"):
        (tmp_path / name).mkdir()
        folder = "null" if store == "null" else str(tmp_path / name / "cache")
        run = start(tmp_path / name, *QUICK, f"parallel={name}", f"features.store={folder}")
        assert complete(run)[0] == 0
        reports.append(without_place(read_report(tmp_path / name)))
        assert not list((tmp_path / name).rglob("*handoff-*"))
    assert reports[0]["predictions"]["sha256"].startswith(TINY)
    assert reports[0]["controls"]
    assert reports[1] == reports[0]


@pytest.mark.slow
def test_the_first_bad_file_ends_a_run_in_processes_as_in_threads(tmp_path):
    write_days(tmp_path / "days", bad=(1, 3))
    arguments = (*QUOTES, f"dataset.path={tmp_path / 'days'}", "tracking=off")
    ends = [complete(start(tmp_path, *arguments, f"parallel={name}")) for name in ("threads", "processes")]
    assert ends[0][0] == ends[1][0] == 1
    assert "day1.csv" in ends[0][2]
    assert ends[1][2].splitlines()[-1] == ends[0][2].splitlines()[-1]


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_a_signal_ends_all_processes(tmp_path, number):
    days = "dataset.sessions=500"  # it has not ended before the signal
    run = start(tmp_path, "parallel=processes", "tracking=off", "features.store=null", days)
    try:
        while sum("loky" in line for line in list_processes(run.pid)) < 2:
            assert run.poll() is None, complete(run)
            time.sleep(0.1)
        time.sleep(2)
        assert run.poll() is None, complete(run)
        run.send_signal(number)
        assert wait_until_gone(run.pid) == []
    finally:
        with suppress(ProcessLookupError):
            os.killpg(run.pid, signal.SIGKILL)
    code, _, err = complete(run)
    assert code == {signal.SIGTERM: 143, signal.SIGINT: 130, signal.SIGKILL: -9}[number]
    assert "Traceback" not in err
