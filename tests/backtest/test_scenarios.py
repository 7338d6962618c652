"""The scenarios of a session, and latencies read from tables."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from ofiml.backtest.latency import Latency, draw_latency, fix_latency
from ofiml.backtest.latency_table import read_latency_table
from ofiml.backtest.orders import Queue
from ofiml.backtest.scenarios import MAIN, Variant, choose_queue, make_latency, plan_scenarios
from ofiml.backtest.simulate import Scenario
from ofiml.config import Backtest
from ofiml.errors import DataError

MS = 10**6


def plan(*, exact: bool = False, posts: bool = False, **keys: Any) -> dict[Variant, Scenario]:
    config = Backtest(**{"enabled": True, "latency": "50ms", **keys})
    return plan_scenarios(config, make_latency(config, 7), exact=exact, posts=posts, seed=7)


def test_each_variant_changes_one_thing():
    scenarios = plan(latency_curve=["0ms", "50ms", "0.1s"], sizes=[0.5, 1, 2], response="3ms", posts=True)
    assert next(iter(scenarios)) == MAIN
    main = scenarios[MAIN]
    assert (main.latency.values.tolist(), main.latency.response) == ([50 * MS], 3 * MS)
    assert (main.queue, main.size_factor) == (Queue.PROPORTIONAL, 1.0)
    others = {name: s for name, s in scenarios.items() if s is not main}
    assert {(v.kind, v.name) for v in others} == {
        *(("latency", "0ms"), ("latency", "0.1s"), ("size", "0.5"), ("size", "2")),
        *(("queue", "through"), ("queue", "touch")),
    }
    for variant, s in others.items():
        latency = {"0ms": 0, "0.1s": 100 * MS}.get(variant.name, 50 * MS)
        assert s.latency.values.tolist() == [latency]
        assert s.latency.response == 3 * MS
        assert s.size_factor == (float(variant.name) if variant.kind == "size" else 1.0)
        assert s.queue == (Queue[variant.name.upper()] if variant.kind == "queue" else Queue.PROPORTIONAL)
    # What is no other than the main scenario is not simulated again.
    assert scenarios[Variant("latency", "50ms")] is main
    assert scenarios[Variant("size", "1")] is main


def test_sizes_have_names_of_their_own():
    names = [v.name for v in plan(sizes=[1.0000001, 1.0000002, 1e-7, 1000])]
    assert len(set(names)) == len(names)
    assert not any(v.kind == "queue" for v in plan())


@pytest.mark.parametrize(
    ("name", "exact", "queue"),
    [("auto", True, Queue.EXACT), ("auto", False, Queue.PROPORTIONAL), ("power", True, Queue.POWER),
     ("exact", False, Queue.EXACT), ("pessimistic", True, Queue.PESSIMISTIC)],
)  # fmt: skip
def test_the_queue_model(name: Any, exact: bool, queue: Queue) -> None:
    config = Backtest(enabled=True, latency="0ms", queue=name, queue_power=3.0)
    assert choose_queue(config, exact=exact) == queue
    scenarios = plan(queue=name, queue_power=3.0, exact=exact)
    assert {s.power for s in scenarios.values()} == {3.0}
    assert {s.queue for s in scenarios.values()} == {queue}


def test_drawn_latencies_scale_with_the_median():
    scenarios = plan(latency_jitter=0.5, latency_curve=["0ms", "50ms", "500ms"])
    main = scenarios[MAIN].latency.values
    assert len(np.unique(main)) > 1000
    np.testing.assert_array_equal(main, draw_latency(50 * MS, 0.5, 7).values)
    assert scenarios[Variant("latency", "50ms")] is scenarios[MAIN]
    assert (scenarios[Variant("latency", "0ms")].latency.values == 0).all()
    np.testing.assert_allclose(scenarios[Variant("latency", "500ms")].latency.values, 10 * main, atol=10)
    assert abs(np.median(main) / (50 * MS) - 1) < 0.05


def test_a_table_replaces_the_latency_and_not_the_curve(tmp_path: Path) -> None:
    path = tmp_path / "latencies.csv"
    path.write_text("time,latency_ns\n2024-01-02T09:30:00Z,1000\n2024-01-02T09:30:01Z,3000\n")
    scenarios = plan(latency_table=str(path), latency_curve=["50ms"])
    assert scenarios[MAIN].latency.values.tolist() == [1000, 3000]
    assert scenarios[Variant("latency", "50ms")].latency.values.tolist() == [50 * MS]
    assert scenarios[Variant("size", "2")].latency is scenarios[MAIN].latency


def test_the_latency_that_a_time_may_expect():
    table = Latency(np.array([5, 7]), 0, np.array([100, 200]))
    assert table.expect(np.array([0, 100, 199, 200, 999])).tolist() == [5, 5, 5, 7, 7]
    assert fix_latency(9).expect(np.array([0, 1])).tolist() == [9, 9]


# --- tables ----------------------------------------------------------------------------------------------------------

AT = 1_704_187_800_000_000_000  # 2024-01-02 09:30:00 UTC


def write_csv(texts: list[str]) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        path = folder / "latencies.csv"
        path.write_text("time,latency_ns\n" + "".join(f"{t},{k + 1}\n" for k, t in enumerate(texts)))
        return path

    return write


def write_parquet(kind: pl.DataType, zone: str | None = None) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        times = pl.Series([AT, AT + 10**9]).cast(pl.Datetime("ns", "UTC"))
        times = times.dt.convert_time_zone(zone) if zone else times.dt.replace_time_zone(None)
        path = folder / "latencies.parquet"
        pl.DataFrame({"time": times.cast(kind), "latency_ns": [1.0, 2.0]}).write_parquet(path)
        return path

    return write


@pytest.mark.parametrize(
    "write",
    [
        write_csv(["2024-01-02T09:30:00Z", "2024-01-02T09:30:01Z"]),
        write_csv(["2024-01-02 09:30:00.000", "2024-01-02 09:30:01"]),
        write_csv(["2024-01-02T04:30:00-05:00", "2024-01-02T10:30:01+01:00"]),
        write_csv([str(AT), str(AT + 10**9)]),
        write_parquet(pl.Datetime("ms")),
        write_parquet(pl.Datetime("us", "America/New_York"), "America/New_York"),
    ],
)
def test_times_of_any_unit_and_zone(tmp_path: Path, write: Callable[[Path], Path]) -> None:
    latency = read_latency_table(str(write(tmp_path)), 5)
    assert latency.times is not None
    assert latency.times.tolist() == [AT, AT + 10**9]
    assert latency.times.dtype == latency.values.dtype == np.int64
    assert (latency.values.tolist(), latency.response) == ([1, 2], 5)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "does not exist"),
        ("", "is no table"),
        ("time,latency\n1,2\n", "has no column latency_ns"),
        ("a,b\n1,2\n", "has no column time and latency_ns"),
        ("time,latency_ns\n", "has no rows"),
        ("time,latency_ns\n1,2\n2,\n", "row 2: time or latency_ns is empty"),
        ("time,latency_ns\n2024-01-02T09:30:00,2\nnoon,3\n", "row 2: time or latency_ns is empty or no number"),
        ("time,latency_ns\n1.5,2\n", "time is Float64"),
        ("time,latency_ns\n1,-2\n", "must be whole nanoseconds, 0 or more"),
        ("time,latency_ns\n1,2.5\n", "must be whole nanoseconds"),
        ("time,latency_ns\n1,fast\n", "must be whole nanoseconds"),
        ("time,latency_ns\n2,2\n1,2\n", "row 2: time is before that of the row above"),
    ],
)
def test_a_bad_table_is_one_sentence(tmp_path: Path, content: str | None, message: str) -> None:
    path = tmp_path / "latencies.csv"
    if content is not None:
        path.write_text(content)
    with pytest.raises(DataError) as error:
        read_latency_table(str(path), 0)
    text = str(error.value)
    assert message in text
    assert text.startswith(f"backtest.latency_table={path}")
    assert "\n" not in text
