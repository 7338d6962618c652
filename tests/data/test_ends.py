"""The ends of files are read without the rest, in every format, so that files of a session find each other."""

import datetime as dt
import gzip
import io
import zipfile
from dataclasses import replace

import numpy as np
import polars as pl
import pyarrow as pa
import pytest

from ofiml.data import ends
from ofiml.data.feed import Blob
from ofiml.data.formats import dbn
from ofiml.data.readers.databento import mbo
from ofiml.data.schema import extract_times
from ofiml.data.sessions import list_sources
from tests.data.test_carry import MBO_HEADER, mbo_lines
from tests.data.test_databento_mbo import as_dbn
from tests.golden.test_aapl import file_dataset

NIGHT = dt.datetime(2024, 7, 1, 23, 30, tzinfo=dt.UTC)
COLUMNS = {"dataset.columns.symbol": "SYMBOL"}


def quotes(count, first=0):
    rows = range(first, first + count)
    return pl.DataFrame(
        {
            "DT": [NIGHT + dt.timedelta(seconds=i) for i in rows],
            "SYMBOL": ["ES"] * count,
            "BID": [5000.0 + i // 50 % 90 for i in rows],
            "OFR": [5000.25 + i // 50 % 90 for i in rows],
            "BIDSIZ": [i % 1000 + 1 for i in rows],
            "OFRSIZ": [5] * count,
        }
    )


def pack(content, kind):
    if kind == "gzip":
        return gzip.compress(content)
    if kind == "zstd":
        return pa.compress(content, "zstd", asbytes=True)
    if kind == "zip":
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("inner.csv", content)
        return buffer.getvalue()
    return content


@pytest.mark.parametrize("kind", ["csv", "gzip", "zstd", "zip", "parquet"])
def test_the_ends_of_quotes(tmp_path, configure, monkeypatch, kind):
    monkeypatch.setattr(ends, "_END_BYTES", (1 << 10, 1 << 11))
    monkeypatch.setattr(ends, "_END_ROWS", 10)
    table, path = quotes(600), tmp_path / "x"
    if kind == "parquet":
        table.write_parquet(path, row_group_size=256)
    else:
        text = table.write_csv(datetime_format="%Y-%m-%dT%H:%M:%SZ").encode()
        assert len(text) > 10 * (1 << 11)
        path.write_bytes(pack(text, kind))
    dataset = configure("dataset=quotes", f"dataset.path={path}", "dataset.tick=0.25", "dataset.sizes=lots").dataset
    first, last = (ends.find_end([path], dataset, last=k) for k in (False, True))
    second = 10**9
    start = int(NIGHT.timestamp()) * second
    assert (first.stamp, last.stamp) == (start, start + 599 * second)
    assert first.symbols == last.symbols == {"ES"}
    beginning = ends.read_beginning(path)
    assert len(beginning.content) < 5000  # a part of the file


@pytest.mark.parametrize("kind", ["plain", "zstd"])
def test_the_ends_of_dbn(tmp_path, monkeypatch, kind):
    monkeypatch.setattr(ends, "_END_BYTES", (1 << 11,))
    text = "\n".join([MBO_HEADER, *mbo_lines()]) + "\n"
    dataset = file_dataset("databento_mbo", __file__, calendar="24/7")
    rows, _, _ = mbo.read_rows([Blob("x.csv", text.encode())], dataset, (dbn.MBO,), mbo._require_orders)
    raw = as_dbn(rows)
    path = tmp_path / "x.dbn"
    path.write_bytes(pack(raw, kind))
    stamps = rows["ts_recv"].to_physical()
    first, last = (ends.find_end([path], dataset, last=k) for k in (False, True))
    assert first.stamp == stamps[0]
    assert stamps[-1] - 5 * 10**9 <= last.stamp <= stamps[-1]  # the last rows change nothing that is shown
    assert len(ends._read_end(path, 1 << 11, last=True).content) < len(raw) / 5
    path.write_bytes(pack(raw + b"\x04\x17" + bytes(14), kind))  # a record of another length, as in a live recording
    assert ends._read_end(path, 1 << 11, last=True) is None


@pytest.mark.parametrize("kind", ["parquet", "dbn"])
def test_binary_files_of_several_sessions_are_chained_by_their_times(tmp_path, configure, kind):
    """Three hours of a night in files whose names are out of order, and one of the next day."""
    places = [("c", 0), ("a", 1), ("b", 2), ("d", 30)]
    if kind == "parquet":
        for name, hour in places:
            quotes(600, first=3600 * hour).write_parquet(tmp_path / f"{name}.parquet")
        asked = ["dataset=quotes", f"dataset.path={tmp_path}", "dataset.tick=0.25", "dataset.sizes=lots"]
        dataset = configure(*asked, "dataset.calendar=CMES", "dataset.store=null").dataset
    else:
        text = "\n".join([MBO_HEADER, *mbo_lines()]) + "\n"
        dataset = file_dataset("databento_mbo", __file__, calendar="24/7", tick=0.1)
        rows, _, _ = mbo.read_rows([Blob("x.csv", text.encode())], dataset, (dbn.MBO,), mbo._require_orders)
        for name, hour in places:
            cut = rows[100 * hour : 100 * hour + 100]
            if hour > 3:  # a new day begins with a clear
                clocks = [pl.col(c).dt.offset_by(f"{hour}h").dt.cast_time_unit("ns") for c in ("ts_event", "ts_recv")]
                cut = rows[:100].with_columns(clocks)
            (tmp_path / f"{name}.dbn").write_bytes(as_dbn(cut))
        dataset = replace(dataset, path=str(tmp_path))
    sources = list_sources(dataset)
    suffix = "parquet" if kind == "parquet" else "dbn"
    chains = [[path.name for path in source.files] for source in sources]
    assert chains == [[f"{name}.{suffix}" for name in "cab"], [f"d.{suffix}"]]
    sessions = [session for source in sources for session in source()]
    assert [np.all(np.diff(extract_times(s.events)) >= 0) for s in sessions] == [True, True]
    if kind == "parquet":
        assert sessions[0].quality.kept["gap"] == 2
        assert sessions[0].quality.notes[-1] == "joined from 3 files, with a pause of at most 3,001.000 s between them"
