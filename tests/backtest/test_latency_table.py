"""Recorded latencies: read to the nanosecond from CSV and Parquet, or refused in a sentence."""

from datetime import UTC, datetime

import polars as pl
import pytest

from ofiml.backtest.scenarios import read_latency_table
from ofiml.errors import ConfigError

TIMES = ["2020-01-01T00:00:00.000000001Z", "2020-01-01T00:00:01Z"]
FIRST = int(datetime(2020, 1, 1, tzinfo=UTC).timestamp()) * 10**9


@pytest.mark.parametrize("end", ["csv", "parquet"])
def test_times_are_ns(tmp_path, end):
    path = tmp_path / f"latencies.{end}"
    table = pl.DataFrame({"time": TIMES, "latency_ns": [7, 9]})
    if end == "csv":
        table.write_csv(path)
    else:
        table.with_columns(pl.col("time").str.to_datetime(time_unit="ns", time_zone="UTC")).write_parquet(path)
    latency = read_latency_table(str(path), 5)
    assert latency.times.tolist() == [FIRST + 1, FIRST + 10**9]
    assert (latency.values.tolist(), latency.response) == ([7, 9], 5)


@pytest.mark.parametrize(
    "text", ["", "time,latency_ns\n", "time,delay\n2020-01-01T00:00:00Z,1\n", "time,latency_ns\nnoon,1\n",
             "time,latency_ns\n2020-01-01T00:00:00Z,\n", "time,latency_ns\n2020-01-01T00:00:00Z,fast\n"]
)  # fmt: skip
def test_what_is_no_table_is_refused(tmp_path, text):
    path = tmp_path / "latencies.csv"
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"latency_table=.*latencies\.csv must be a CSV or Parquet file with the col"):
        read_latency_table(str(path), 0)


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="must be a CSV or Parquet file"):
        read_latency_table(str(tmp_path / "none.parquet"), 0)
