"""Pieces of work come to the same wherever they run: results, the first error, warnings, shared tables and arrays.

`sequential` stands for workers outside of this process: it takes their whole way but for the copying, which has tests
of its own. Real processes and clusters are slow to start: test_worker_processes.py and tests/services.
"""

import pickle
import threading
import time
import warnings
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from ofiml.data.bad_files import UnreadableInputError
from ofiml.data.quality import BadFile
from ofiml.errors import ConfigError, DataError
from ofiml.parallel import Workers, outcomes, run_pieces, share_record, share_table
from ofiml.parallel.outcomes import Failures, RemoteWork
from ofiml.parallel.pieces import _LocalWork
from ofiml.storage import Folder


@dataclass(frozen=True)
class Record:
    """A record of arrays, of arrays by name, and of records by name."""

    counts: np.ndarray
    arrays: dict[str, np.ndarray]
    records: dict[str, "Record"]
    name: str


@pytest.fixture(params=["threading", "sequential"])
def workers(request, tmp_path):
    return Workers(2, request.param, 1, str(tmp_path / "handoff"))


def square(piece: int) -> int:
    return piece * piece


def refuse(piece: int, bad: tuple[int, ...], done: list[int]) -> int:
    if piece in bad:
        raise UnreadableInputError(BadFile(["a.csv"], "", f"a.csv, line {piece}: price=x. Fix the file."))
    done.append(piece)
    return piece


def test_results_are_in_the_order_of_the_pieces(workers):
    steps = []
    assert run_pieces(square, range(7), workers, lambda: steps.append(1)) == [0, 1, 4, 9, 16, 25, 36]
    assert len(steps) == 7
    assert run_pieces(square, [], workers) == []


def test_an_error_is_that_of_the_first_piece_and_ends_the_work(workers):
    done: list[int] = []
    with pytest.raises(UnreadableInputError, match=r"a\.csv, line 3") as raised:
        run_pieces(partial(refuse, bad=(3, 5), done=done), range(40), workers)
    assert raised.value.bad_file.files == ["a.csv"]
    assert {0, 1, 2} <= set(done)
    assert len(done) < 10, "later pieces were not started"


def test_the_first_error_is_the_first_in_order_and_not_in_time():
    later_failed = threading.Event()

    def work(piece: int) -> None:
        if piece == 0:
            assert later_failed.wait(300)
            raise DataError("the first")
        later_failed.set()
        raise ConfigError("the second")

    with pytest.raises(DataError, match="the first"):
        run_pieces(work, range(6), Workers(2))


def test_a_piece_is_left_out_only_after_an_error_of_an_earlier_one(tmp_path):
    failures = Failures.new(str(tmp_path))
    remote = RemoteWork(square, str(tmp_path), failures, tuple(outcomes.identify_code(*outcomes.CODE)))
    failures.add(10)
    assert remote.run(9, 3).value == 9
    assert remote.run(11, 3).value is None
    failures.add(2)
    assert remote.run(9, 3).value is None


def test_in_threads_too_an_earlier_piece_runs_after_a_later_one_failed():
    local = _LocalWork(partial(refuse, bad=(10,), done=[]), lambda: None)
    assert local.run(10, 10).error is not None
    assert local.run(9, 9).value == 9
    assert local.run(11, 11).value is None


def test_a_worker_of_other_sources_refuses(tmp_path):
    remote = RemoteWork(square, str(tmp_path), Failures.new(str(tmp_path)), ("other sources", "1.0"))
    outcome = remote.run(0, 3)
    assert isinstance(outcome.error, ConfigError)
    assert "install the same" in str(outcome.error)


def test_a_worker_that_does_not_see_the_folder_of_the_run_refuses(tmp_path):
    code = tuple(outcomes.identify_code(*outcomes.CODE))
    outcome = RemoteWork(square, str(tmp_path / "elsewhere"), Failures.new(str(tmp_path)), code).run(0, 3)
    assert isinstance(outcome.error, ConfigError)
    assert f"{tmp_path / 'elsewhere'}" in str(outcome.error)


def read_relative(name: str) -> str:
    return Path(name).read_text()


def test_a_worker_reads_relative_paths_as_the_run_does(tmp_path, monkeypatch):
    for folder in ("run", "worker"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "file").write_text(folder)
    monkeypatch.chdir(tmp_path / "worker")
    code = tuple(outcomes.identify_code(*outcomes.CODE))
    remote = RemoteWork(read_relative, str(tmp_path / "run"), Failures.new(str(tmp_path)), code)
    assert remote.run(0, "file").value == "run"


def warn(piece: int) -> int:
    for _ in range(3):
        warnings.warn(f"piece {piece} is odd" if piece % 2 else "all", DeprecationWarning, stacklevel=1)
    return piece


def test_warnings_arrive_each_once(tmp_path):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert run_pieces(warn, range(4), Workers(2, "sequential", 1, str(tmp_path / "handoff"))) == [0, 1, 2, 3]
    arrived = [(str(w.message), w.category, Path(w.filename).name) for w in caught]
    sentences = ["all", "piece 1 is odd", "all", "piece 3 is odd"]
    assert arrived == [(sentence, DeprecationWarning, "test_pieces.py") for sentence in sentences]


class Uncopied(Exception):
    def __init__(self, one: int, two: int) -> None:
        super().__init__(f"{one} and {two}")


def raise_uncopied(piece: int) -> None:
    raise Uncopied(piece, 2)


def test_errors_can_be_sent(tmp_path):
    bad = UnreadableInputError(BadFile(["a", "b"], "digest", "a: it is cut. Restore it."))
    copied = pickle.loads(pickle.dumps(bad))
    assert type(copied) is UnreadableInputError
    assert (str(copied), copied.bad_file) == (str(bad), bad.bad_file)
    code = tuple(outcomes.identify_code(*outcomes.CODE))
    error = RemoteWork(raise_uncopied, str(tmp_path), Failures.new(str(tmp_path)), code).run(0, 1).error
    assert str(pickle.loads(pickle.dumps(error))) == "Uncopied: 1 and 2"
    assert "raise_uncopied" in error.__notes__[0], "a mistake of the program has its traceback"


def test_tables_and_arrays_are_shared_to_the_bit(workers):
    rng = np.random.default_rng(1)
    table = pl.DataFrame(
        {
            "x": [0.1, None, float("nan"), -0.0],
            "n": [1, 2, None, -4],
            "s": ["a", None, "long enough to be no inline view", ""],
            "at": pl.Series([1, 2, 3, None], dtype=pl.Datetime("ns", "UTC")),
            "small": pl.Series([1, 2, 3, 4], dtype=pl.Int32),
        }
    )
    arrays = {
        "fortran": np.asfortranarray(rng.standard_normal((5, 3))),
        "c": rng.standard_normal((5, 3)),
        "none": np.empty((5, 0)),
    }
    record = Record(np.arange(4), arrays, {"inner": Record(np.arange(9.0), {}, {}, "b")}, "a")
    shared_table, shared_record = share_table(table, workers), share_record(record, workers)
    if not workers.share_memory:
        assert len(pickle.dumps((shared_table, shared_record))) < 1500, "what is sent does not grow with the rows"
    read = shared_table.read()
    assert read.schema == table.schema
    assert read.equals(table, null_equal=True)
    assert np.signbit(read["x"][3])
    again = shared_record.read()
    inner, inner_again = record.records["inner"], again.records["inner"]
    assert (again.name, inner_again.name, again.arrays.keys(), inner_again.records) == ("a", "b", arrays.keys(), {})
    pairs = [(array, again.arrays[name]) for name, array in arrays.items()]
    for array, read_array in [*pairs, (record.counts, again.counts), (inner.counts, inner_again.counts)]:
        assert read_array.tobytes(order="A") == array.tobytes(order="A")
        assert (read_array.shape, read_array.dtype) == (array.shape, array.dtype)
        assert read_array.flags.f_contiguous == array.flags.f_contiguous
        assert type(read_array) is np.ndarray


def test_a_worker_that_does_not_see_the_shared_folder_says_so(tmp_path):
    workers = Workers(2, "sequential", 1, str(tmp_path / "handoff"))
    shared = share_table(pl.DataFrame({"x": [1]}), workers), share_record({"x": np.arange(2)}, workers)
    elsewhere = [replace(one, place=str(tmp_path / "elsewhere")) for one in shared]
    for one in elsewhere:
        with pytest.raises(DataError, match=r"does not see .*elsewhere"):
            one.read()
    Folder(tmp_path / "handoff").delete()
    assert not (tmp_path / "handoff").exists()


def test_pieces_of_threads_run_side_by_side():
    barrier = threading.Barrier(2, timeout=300)

    def work(piece: int) -> float:
        barrier.wait()
        return time.monotonic()

    assert len(run_pieces(work, range(2), Workers(2))) == 2
