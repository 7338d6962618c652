"""Rows on a disk: they come back as they were, memory has none of them, and nothing is left of the file."""

import errno
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ofiml.cli.exits import describe_error
from ofiml.parallel import Workers
from ofiml.samples.prepare import prepare_dataset
from ofiml.samples.scratch import Scratch, choose_scratch_folder
from ofiml.samples.settings import SampleSettings
from ofiml.samples.table import pool_samples
from ofiml.study import run as experiment
from ofiml.ui.progress import Stages
from tests.mapped import list_columns_in_memory

N = 2000
TABLE = pl.DataFrame(
    {
        "x": np.random.default_rng(1).standard_normal(N),
        "n": np.arange(N),
        "tick": pl.Series(np.arange(N), dtype=pl.Int32),
        "text": [f"a text of more than twelve bytes, {i % 7}" for i in range(N)],
        "y": [None if i % 5 == 0 else i / 7 for i in range(N)],
        "time": pl.Series(np.arange(N), dtype=pl.Datetime("ns", "UTC")),
    }
)


def test_tables_come_back_as_they_were(tmp_path):
    tables = [TABLE, TABLE.clear(), TABLE[7:9], pl.concat([TABLE, TABLE[:3]], rechunk=False), TABLE.select("y")]
    scratch = Scratch(tmp_path)
    regions = [scratch.write(table) for table in tables]
    for table, region in zip(tables, regions, strict=True):
        assert scratch.read(region).equals(table, null_equal=True)
        assert scratch.read(region).schema == table.schema
        assert scratch.read(region).n_chunks() == 1
    late = scratch.write(TABLE[::-1])  # after the file was mapped
    assert scratch.read(late).equals(TABLE[::-1])


def test_what_is_read_is_a_view_of_the_file(tmp_path):
    scratch = Scratch(tmp_path)
    rows = scratch.read(scratch.write(TABLE))
    assert list_columns_in_memory(rows) == []
    assert list_columns_in_memory(rows.with_columns(pl.col("x") + 1)) == ["x"]
    assert list_columns_in_memory(TABLE) == TABLE.columns
    del scratch
    assert rows.equals(TABLE)


def test_several_threads_write_at_a_time(tmp_path):
    scratch = Scratch(tmp_path)
    with ThreadPoolExecutor(4) as threads:
        regions = list(threads.map(lambda k: scratch.write(TABLE[k : k + 50]), range(100)))
    for k, region in enumerate(regions):
        assert scratch.read(region).equals(TABLE[k : k + 50])


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no /dev/full")
def test_a_full_disk_is_named_and_spoils_no_other_table(tmp_path):
    scratch = Scratch(tmp_path)
    whole, before = scratch._file, scratch.write(TABLE)
    full = Path("/dev/full").open("wb", buffering=0)  # noqa: SIM115
    with full as scratch._file, pytest.raises(OSError, match="No space left") as raised:
        scratch.write(TABLE)
    whole.write(b"the beginning of that table")
    assert raised.value.errno == errno.ENOSPC
    assert describe_error(raised.value).startswith(f"{tmp_path}: the disk is full (No space left on device): free")
    scratch._file = whole
    after = scratch.write(TABLE[::2])
    assert scratch.read(before).equals(TABLE)
    assert scratch.read(after).equals(TABLE[::2])


def test_nothing_is_left_of_a_killed_run(tmp_path):
    """The file has no name even while it is written, so nobody can cut it and a killed process leaves none."""
    code = (
        "import sys, pathlib, polars as pl; from ofiml.samples.scratch import Scratch\n"
        f"scratch = Scratch(pathlib.Path({str(tmp_path / 'new')!r})); scratch.write(pl.DataFrame({{'x': [1]}}))\n"
        "print('written', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "written\n"
        assert list((tmp_path / "new").iterdir()) == []
        process.kill()
    assert list((tmp_path / "new").iterdir()) == []


def test_the_file_lies_beside_the_cache(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    assert choose_scratch_folder(str(tmp_path / "cache")) == tmp_path / "cache"
    for store in (None, "s3://bucket/cache"):
        assert choose_scratch_folder(store) == tmp_path / "temporary"


# --- pooled rows -----------------------------------------------------------------------------------------------------


def make_session(number, closes):
    return SimpleNamespace(
        key=(f"S{number}", "2024-01-02"), levels=1, size_unit=1.0, source=f"file {number}",
        quality=SimpleNamespace(notes=[]),
        rows=pl.DataFrame(
            {"bar_close": closes, "mid": [None if c % 4 == 0 else 1.0 for c in closes],
             "y": [None if c % 3 == 0 else c / 7 for c in closes], "scale": [1.0] * len(closes),
             "origin": [f"{number}-{k}" for k in range(len(closes))]},
            schema={"bar_close": pl.Int64, "mid": pl.Float64, "y": pl.Float64, "scale": pl.Float64,
                    "origin": pl.String},
        ),
    )  # fmt: skip


@given(st.lists(st.lists(st.integers(1, 12), max_size=8), max_size=4))
def test_pooled_rows_are_those_of_one_stable_sort(sessions):
    sessions = [make_session(k, closes) for k, closes in enumerate([[1, 5], *sessions])]
    whole = pl.concat([s.rows for s in sessions]).sort("bar_close", maintain_order=True)
    known = whole.filter(pl.col("mid").is_not_null())
    rows, dropped = pool_samples(sessions)
    assert rows.equals(known, null_equal=True)
    assert rows.n_chunks("all") == [1] * len(rows.columns)
    assert dropped == {"no_mid": whole.height - known.height, "no_label": known["y"].null_count()}


# --- a study ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("backend", ["threads", "processes"])
def test_memory_has_no_wide_column_of_a_study(backend, configure, monkeypatch, tmp_path):
    """Sessions, pooled rows, tested bars and what was traded are views of files, but for a few narrow columns."""
    config = configure("debug=tiny", "model=ridge", "features=full", f"parallel={backend}")
    config.features.store = str(tmp_path)
    seen = {}
    fit, prepare = experiment._fit, experiment.prepare_dataset

    def keep_fit(*parts):
        seen["fitted"] = fit(*parts)
        return seen["fitted"]

    def keep_sessions(*parts):
        prepared = prepare(*parts)
        seen["sessions"] = [s.rows for s in prepared.sessions]
        return prepared

    monkeypatch.setattr(experiment, "_fit", keep_fit)
    monkeypatch.setattr(experiment, "prepare_dataset", keep_sessions)
    with Stages() as stages:
        study = experiment.run(config, stages)
    fitted = seen["fitted"]
    for rows in seen["sessions"]:
        assert len(rows.columns) > 100
        assert list_columns_in_memory(rows) == []
    narrow = ["trailing_volatility"]
    for rows in (fitted.rows, fitted.labelled, *(r.predictions for r in fitted.results), study.predictions):
        assert rows.height > 100
        assert list_columns_in_memory(rows) == narrow
    assert study.trades.decided.height > 100
    for table in (study.trades.decided, study.trades.executable, study.trades.gains, study.decisions):
        assert list_columns_in_memory(table) == []


def test_samples_that_no_cache_has_lie_in_the_temporary_folder(configure, monkeypatch, tmp_path):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    config = configure("debug=tiny", "features.store=null")
    with Stages() as stages:
        prepared = prepare_dataset(SampleSettings.of(config), Workers(1), stages)
    assert all(list_columns_in_memory(s.rows) == [] for s in prepared.sessions)
    assert list(tmp_path.iterdir()) == []
