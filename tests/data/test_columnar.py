"""Parquet to a table: only what is wanted of it, and one sentence for what is damaged or far too large."""

import io

import polars as pl
import pytest

from ofiml.data.feed import Blob
from ofiml.data.formats import parquet as columnar
from ofiml.errors import DataError


def parquet(**columns):
    content = io.BytesIO()
    pl.DataFrame(columns).write_parquet(content)
    return content.getvalue()


def test_the_wanted_columns_with_their_row():
    content = parquet(a=[1, 2], line=[7, 7], b=["x", None])
    frame = columnar.read_parquet(Blob("f", content), lambda names: [n for n in names if n != "a"])
    assert frame.to_dict(as_series=False) == {"line": [1, 2], "b": ["x", None]}


def test_damage_is_one_sentence():
    content = parquet(a=list(range(1000)))
    for damaged in (b"PAR1", content[:-3], content[:20] + b"\xff" * 20 + content[40:]):
        with pytest.raises(DataError, match=r"^f cannot be read as Parquet \(.*\): fetch or write it again\.$"):
            columnar.read_parquet(Blob("f", damaged), list)
    with pytest.raises(DataError, match="f has no rows"):
        columnar.read_parquet(Blob("f", parquet(a=[])), list)


def test_what_unpacks_to_too_much_is_not_read(monkeypatch):
    monkeypatch.setattr(columnar, "MAX_BYTES", 100_000)

    def wanted(names):
        raise AssertionError("read")

    assert columnar.read_parquet(Blob("f", parquet(a=["x"] * 10_000)), list).height == 10_000
    for much in (["x" * 100_001], [0] * 12_501):  # much in little, and little many times
        with pytest.raises(DataError, match="f unpacks to more than 0 GiB: split it"):
            columnar.read_parquet(Blob("f", parquet(a=much)), wanted)
