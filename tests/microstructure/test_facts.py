"""Stylised facts: by hand on tiny sessions, by property on random ones, and against the raw files of a real day."""

import io
import json
import runpy
import subprocess
import sys
import zipfile
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from ofiml.bars.time import select_states
from ofiml.data.sessions import list_sources
from ofiml.data.synthetic import simulate
from ofiml.errors import DataError
from ofiml.microstructure.facts import book as shape
from ofiml.microstructure.facts import flow, memory, price
from ofiml.microstructure.facts.figures import draw_facts
from ofiml.microstructure.facts.session import average_facts, measure_facts
from ofiml.microstructure.facts.table import (
    PUBLISHED,
    SECTIONS,
    write_facts,
)
from ofiml.ui.format import format_number
from tests.books import SECOND, mirrored, random_session, session
from tests.conftest import ROOT, in_process, slow_but_each
from tests.golden.test_aapl import file_dataset

AMZN = "lobster/LOBSTER_SampleFile_AMZN_2012-06-21_5.zip"
NAN = float("nan")


def measured(function, one):
    return function(one, select_states(one, "message"))


def path(mid, step=1.0, size=5):
    """A session whose mid, in ticks, is mid[k] from k·step seconds on, and which ends with the last."""
    rows = [{"t": k * step, "book": [(int(m) - 1, size, int(m) + 1, size)]} for k, m in enumerate(mid)]
    return session(rows)


# --- by hand ---------------------------------------------------------------------------------------------------------


def test_spread_counts_by_time():
    rows = [
        {"t": 0, "book": [(100, 5, 101, 5)]},  # 1 tick for 4 s
        {"t": 4, "book": [(100, 5, 104, 5)]},  # 4 for 1 s
        {"t": 5, "book": [(None, 0, 104, 5)]},  # none for 90 s
        {"t": 95, "book": [(101, 5, 104, 5)]},  # replaced at once
        {"t": 95, "book": [(102, 5, 104, 5)]},  # 2 for 5 s, to the close
    ]
    got = measured(shape.measure_spread, session(rows, close=100))
    assert got == pytest.approx({"mean": (4 + 4 + 10) / 10, "median": 2, "one_tick": 0.4})


def test_depth_by_level_and_the_time_it_is_there():
    rows = [
        {"t": 0, "book": [(100, 10, 102, 30), (97, 40, 103, 60)]},  # mid 101, 1 s
        {"t": 1, "book": [(100, 20, 104, 20), (None, 0, 106, 20)]},  # mid 102, 3 s; no second bid
        {"t": 4, "book": [(100, 50, None, 0), (99, 40, None, 0)]},  # no mid, 2 s
    ]
    got = measured(shape.measure_depth, session(rows, levels=2, close=6))
    assert got["bid_size"] == pytest.approx({"1": (10 + 3 * 20 + 2 * 50) / 6, "2": 40})
    assert got["ask_size"] == pytest.approx({"1": (30 + 3 * 20) / 4, "2": (60 + 3 * 20) / 4})
    assert got["relative_size"] == pytest.approx({"1": 1, "2": (40 + 30) / (170 / 6 + 22.5)})
    assert got["distance_ticks"] == pytest.approx({"1": (1 + 3 * 2) / 4, "2": (4 + (2 + 3 * 4) / 4) / 2})


def test_messages_count_once_and_a_trade_is_a_trade():
    book, moved = [(100, 5, 101, 5)], [(99, 5, 101, 5)]
    rows = [
        {"t": 0, "action": "A", "book": book},
        {"t": 1, "action": "T", "book": book, "flags": 0},
        {"t": 1, "action": "C", "book": moved},  # a trade that empties the bid
        {"t": 2, "action": "C", "book": [(99, 4, 101, 5)]},  # the best size alone
        {"t": 3, "action": "M", "book": [(99, 4, 101, 5)]},  # nothing at the best
        {"t": 4, "action": "R", "book": [(90, 4, 92, 5)]},  # across a clear no change is counted
        {"t": 5, "action": "A", "book": [(90, 4, 92, 5)], "flags": 0},  # of a message that has not ended
    ]
    one = session(rows, close=10)
    got = shape.measure_messages(one, select_states(one, "message"), "message")
    shares = {"add": 0.2, "cancel": 0.2, "modify": 0.2, "trade": 0.2, "other": 0.2}
    assert got == pytest.approx({**shares, "per_second": 0.5, "best_changed": 2 / 3, "price_changed": 1 / 3})
    by_row = shape.measure_messages(one, select_states(one, "row"), "row")
    assert by_row["per_second"] == pytest.approx(0.7)
    assert by_row["trade"] == pytest.approx(1 / 7)


def test_autocorrelation_of_a_sign_that_turns():
    x = np.tile([1.0, -1.0], 100)
    expected = {"1": -199 / 200, "2": 198 / 200, "101": NAN}
    assert memory.autocorrelate(x, (1, 2, 101)) == pytest.approx(expected, nan_ok=True)
    assert np.isnan(memory.autocorrelate(np.full(200, 0.1), (1,))["1"])
    assert np.isnan(memory.autocorrelate(np.empty(0), (1,))["1"])


def test_events_in_every_other_second_only():
    book = [(100, 5, 101, 5)]
    rows = [{"t": 2 * k + f, "book": book} for k in range(200) for f in (0.1, 0.2, 0.3)]
    got = memory.measure_event_rate(*(lambda s: (s, select_states(s, "message")))(session(rows, close=400)), 1)
    assert got["1"] == pytest.approx(-399 / 400)
    assert got["2"] == pytest.approx(398 / 400)
    assert got["300"] == pytest.approx(100 / 400)


def test_fills_of_one_order_are_one_sign():
    book = [(100, 5, 101, 5)]
    fills = [(1, "T", "B"), (1, "T", "B"), (1, "C", "A"), (1, "T", "B"), (1, "T", "A"), (2, "T", "A"), (2.5, "T", "N"),
             (3, "A", "B"), (3, "T", "B")]  # fmt: skip
    rows = [{"t": t, "action": action, "side": side, "book": book} for t, action, side in fills]
    assert memory.list_trade_signs(session(rows)).tolist() == [1, -1, -1, 1]


def test_decay_of_a_power_law_is_its_exponent():
    acf = {str(lag): 0.5 * lag**-0.6 for lag in memory.SIGN_LAGS}
    assert memory.fit_decay(acf, 100_000) == pytest.approx(0.6)
    # From the first lag that is no more than noise, no lag counts, whatever comes after it.
    assert memory.fit_decay(acf | {"14": -0.1}, 100_000) == pytest.approx(0.6)
    assert memory.fit_decay(acf | {"14": -0.1, "50": 0.9}, 100_000) == pytest.approx(0.6)
    assert np.isnan(memory.fit_decay(acf | {"5": 0.001}, 100_000))
    assert np.isnan(memory.fit_decay(acf, 16))


def test_messages_by_tenth_of_the_session():
    book = [(100, 5, 101, 5)]
    rows = [{"t": t, "book": book} for t in (0, 1, 10, 15, 95, 100)]
    got = measured(memory.measure_intraday, session(rows, close=100))
    assert got == pytest.approx({"1": 5.0, **{str(k): 0.0 for k in range(3, 10)}, "2": 5 / 3, "10": 10 / 3})


def test_kurtosis_of_moves_of_one_size():
    got = measured(price.measure_kurtosis, path([100 + k % 2 for k in range(400)]))
    assert got["1"] == pytest.approx(-2, abs=1e-3)  # all of one size: m4 = m2²
    assert np.isnan(got["10"])  # over an even number of steps there is no move
    assert np.isnan(got["60"])  # six moves


def test_signature_of_a_trend_rises_with_the_step():
    got = measured(price.measure_signature, path(1000 + np.arange(6000)))
    # A tick a second: over a whole number of seconds s the move is s, its square a second s.
    assert [got["signature"][k] for k in ("1", "10", "300")] == pytest.approx([1 / 60, 1 / 6, 5])
    assert got["signature"]["0.1"] == pytest.approx(1 / 60, rel=1e-3)  # one grid step in ten moves a tick
    assert got["volatility"]["ticks"] == pytest.approx(60)
    assert got["volatility"]["bps"] == pytest.approx(1e4 * 60 / (1000 + 2999.5), rel=1e-3)


def test_the_variance_ratio_of_a_trend_is_that_of_the_steps():
    assert measured(price.measure_signature, path(1000 + np.arange(6000)))["variance_ratio"]["300"] == pytest.approx(
        300
    )
    assert np.isnan(measured(price.measure_signature, path([100] * 6000))["variance_ratio"]["300"])


def test_memory_of_moves_and_of_their_ranks():
    """Small moves continue and the few large ones revert: products weigh the large ones, ranks do not."""
    rng = np.random.default_rng(8)
    move = np.repeat(rng.choice([-1, 1], 200), 10)  # a side for ten seconds
    move[5::100], move[6::100] = 40, -40
    got = measured(price.measure_move_memory, path(10_000 + np.concatenate([[0], np.cumsum(move)])))
    later = move[60:]  # after the first minute
    assert got["move_acf"]["1"] == pytest.approx(np.corrcoef(later[1:], later[:-1])[0, 1])
    assert got["move_acf"]["1"] < -0.3
    assert got["rank_acf"]["1"] > 0.7
    assert abs(got["rank_acf"]["10"]) < 0.3
    short = measured(price.measure_move_memory, path(10_000 + np.cumsum(move[:161])))
    assert np.isnan(short["move_acf"]["1"])  # 99 pairs
    assert np.isnan(measured(price.measure_move_memory, path([100] * 400))["rank_acf"]["1"])


def test_a_missing_mid_makes_no_pair_of_moves():
    mid = 1000 + np.cumsum(np.random.default_rng(9).choice([-1, 1], 400))
    one = path(mid)
    at = pl.int_range(pl.len())
    gone = {c: pl.when(at != 200).then(pl.col(c)) for c in ("bid_px_00", "bid_sz_00")}
    holed = measured(price.measure_move_memory, replace(one, events=one.events.with_columns(**gone)))
    move = np.diff(mid)
    pairs = [(move[k], move[k - 1]) for k in range(61, 399) if not {199, 200} & {k, k - 1}]
    assert holed["move_acf"]["1"] == pytest.approx(np.corrcoef(*np.transpose(pairs))[0, 1])


def test_volatility_in_bps_is_of_the_size_of_the_mid():
    through = measured(price.measure_signature, path(np.arange(6000) - 3000))
    assert through["volatility"]["ticks"] == pytest.approx(60)
    assert through["volatility"]["bps"] == pytest.approx(1e4 * 60 / 1500, rel=1e-3)  # the mean of |-3000| … |2999|
    assert np.isnan(measured(price.measure_signature, path([0] * 2000))["volatility"]["bps"])


def test_a_mid_that_is_missing_makes_no_move():
    mid = 1000 + np.arange(1000)
    one = path(mid)
    hole = (pl.int_range(pl.len()) > 200) & (pl.int_range(pl.len()) < 300)
    gone = {c: pl.when(~hole).then(pl.col(c)) for c in ("bid_px_00", "bid_sz_00")}
    holed = measured(price.measure_signature, replace(one, events=one.events.with_columns(**gone)))
    assert holed["signature"]["10"] == pytest.approx(1 / 6)
    assert holed["volatility"]["ticks"] == pytest.approx(60)


def minutes(flow_lots, move):
    k = np.arange(len(move))
    return pl.DataFrame({"bar_open": 60 * SECOND * k, "ofi_00": flow_lots, "move_ticks": move})


def test_next_minute_learns_from_the_first_half_only():
    x = np.random.default_rng(5).integers(-100, 100, 200)
    follows = np.concatenate([[0.0], 0.5 * x[:-1]])
    assert flow.measure_next_minute(minutes(x, follows)) == pytest.approx(1)
    turned = np.where(np.arange(200) <= 99, follows, -follows)
    assert flow.measure_next_minute(minutes(x, turned)) < -2
    # The same minute's flow explains the move; that is no forecast.
    assert abs(flow.measure_next_minute(minutes(x, 0.5 * x))) < 0.2
    assert np.isnan(flow.measure_next_minute(minutes(x[:60], follows[:60])))
    assert flow.measure_next_minute(minutes(x[:61], follows[:61])) == pytest.approx(1)


def test_next_minute_does_not_reach_over_a_gap():
    x = np.random.default_rng(6).integers(-100, 100, 200)
    rows = minutes(x, np.concatenate([[0.0], 0.5 * x[:-1]]))
    assert flow.measure_next_minute(rows.filter(pl.Series(np.arange(200) % 9 != 4))) == pytest.approx(1)


@pytest.mark.parametrize(("alike", "share"), [(True, 1.0), (False, 0.2)])
def test_first_component_of_levels_alike_and_apart(alike, share):
    rng = np.random.default_rng(7)
    own = rng.integers(-100, 100, (20_000, 5))
    lots = np.repeat(own[:, :1], 5, axis=1) if alike else own
    rows = pl.DataFrame({f"ofi_{m:02d}": lots[:, m] for m in range(5)}).with_columns(pl.lit(10.0).alias("depth"))
    assert flow.measure_first_component(rows, 5, 5) == pytest.approx(share, abs=0.01)


def test_a_session_counts_as_one_and_only_where_it_has_the_number():
    a = {"spread_ticks": {"mean": 1.0, "median": NAN, "one_tick": NAN}, "relative_size": {"1": 1.0}}
    b = {"spread_ticks": {"mean": 4.0, "median": NAN, "one_tick": 0.5}, "relative_size": {"1": 1.0, "2": 3.0}}
    got = average_facts([a, b])
    assert got["spread_ticks"] == pytest.approx({"mean": 2.5, "median": NAN, "one_tick": 0.5}, nan_ok=True)
    assert got["relative_size"] == {"1": 1.0, "2": 3.0}


# --- by property -----------------------------------------------------------------------------------------------------


def walk(seed, seconds):
    return path(10_000 + np.cumsum(np.random.default_rng(seed).choice([-2, -1, 0, 1, 2], seconds)))


def test_a_random_walk_is_flat_and_has_no_tails():
    one = walk(8, 36_000)
    curve = measured(price.measure_signature, one)["signature"]
    assert all(abs(curve[k] - 1) < 0.1 for k in ("1", "5", "10", "30"))
    assert abs(curve["300"] - 1) < 0.35  # 120 spans
    assert measured(price.measure_signature, one)["volatility"]["ticks"] == pytest.approx(np.sqrt(60 * 2), rel=0.05)
    tails = measured(price.measure_kurtosis, one)
    assert tails["1"] == pytest.approx(34 / 5 / 4 - 3, abs=0.05)  # of the steps themselves
    assert abs(tails["10"]) < 0.2
    assert abs(tails["60"]) < 4 * np.sqrt(24 / 600)


def test_independent_signs_have_no_memory():
    rng = np.random.default_rng(9)
    book = [(100, 5, 101, 5)]
    rows = [{"t": k, "action": "T", "side": str(rng.choice(["A", "B"])), "book": book} for k in range(5000)]
    got = memory.measure_sign_memory(session(rows))
    assert all(abs(v) < 4 / np.sqrt(5000) for v in got["sign_acf"].values())
    assert np.isnan(got["trades"]["sign_decay"])
    assert got["trades"]["orders"] == 5000
    assert got["trades"]["orders_per_second"] == pytest.approx(5000 / 4999)


def test_a_book_that_never_moves():
    got = measure_facts(path([100] * 4000), "message")
    assert got["spread_ticks"] == {"mean": 2.0, "median": 2.0, "one_tick": 0.0}
    assert got["messages"]["best_changed"] == got["messages"]["price_changed"] == 0
    assert got["volatility"] == {"ticks": 0.0, "bps": 0.0}
    assert all(v == pytest.approx(1, abs=0.01) for v in got["intraday"].values())
    for topic in ("signature", "kurtosis", "impact_best", "impact_levels_1", "rate_acf_1s", "sign_acf", "next_minute"):
        assert np.isnan(list(got[topic].values())).all(), topic


@pytest.mark.slow
def test_swapping_the_sides_changes_nothing():
    one = random_session(10, 12_000, levels=5)
    left, right = measure_facts(one, "message"), measure_facts(mirrored(one, 0), "message")  # p -> -p
    right["bid_size"], right["ask_size"] = right["ask_size"], right["bid_size"]
    assert left.keys() == right.keys()
    known = 0
    for topic, curve in left.items():
        assert curve == pytest.approx(right[topic], rel=1e-9, abs=1e-9, nan_ok=True), topic
        known += sum(v == v for v in curve.values())
    assert known > 80


@pytest.mark.slow
@pytest.mark.parametrize("rows", [1, 2, 30])
def test_a_short_session_has_few_facts_and_no_crash(rows):
    got = measure_facts(replace(path(range(100, 100 + rows), step=0.5), close=20 * SECOND), "message")
    assert got["spread_ticks"]["mean"] == 2
    assert np.isnan(got["impact_best"]["1"])
    for figure in draw_facts({"short": got}).values():
        figure.savefig(io.BytesIO())
    assert "–" in write_facts({"short": got}, {"short": "a short one"})


def test_without_events_there_are_no_facts():
    one = path([100, 101])
    with pytest.raises(DataError, match="no events"):
        measure_facts(replace(one, events=one.events.clear()), "message")
    with pytest.raises(DataError, match="no row has the flag F_LAST"):
        measure_facts(replace(one, events=one.events.with_columns(flags=pl.lit(0, pl.UInt8))), "message")


# --- table and command -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def synthetic(configure):
    return measure_facts(
        simulate(configure("dataset=synthetic", "dataset.session_length=90m").dataset, 0)[0], "message"
    )


def test_every_row_of_the_table_is_measured(synthetic):
    rows = [(topic, key) for section in SECTIONS.values() for _, topic, key, _ in section]
    assert len(set(rows)) == len(rows)
    for topic, key in rows:
        assert key in synthetic[topic], (topic, key)
    assert PUBLISHED.keys() <= set(rows)


def test_table_has_a_column_for_each_market(synthetic):
    text = write_facts({"a": synthetic, "b|c": {}}, {"a": "one", "b|c": "none"})
    lines = [line for line in text.splitlines() if line.startswith("|")]
    assert {line.replace("\\|", "").count("|") for line in lines} == {5}
    (spread,) = (line for line in lines if line.startswith("| spread, mean"))
    assert spread == f"| spread, mean (ticks) | {synthetic['spread_ticks']['mean']:.2f} | – | |"


def test_markets_outside_of_a_rows_range_are_named():
    """Between the real market and the published numbers is inside, and so is each of them."""

    def facts(spread, decay, forecast):
        return {"spread_ticks": {"mean": spread}, "trades": {"sign_decay": decay}, "next_minute": {"r2": forecast}}

    markets = {
        "day": facts(3, 0.8, 0.1),
        "a": facts(3.001, 0.36, -9),
        "b": facts(4, 0.9, 0.05),
        "c": facts(1, 0.2, 0.2),
    }
    lines = write_facts(markets, dict.fromkeys(markets, ""), ["day"]).splitlines()
    cells = {cell[1].strip(): cell[-2].strip() for cell in (line.split("|") for line in lines if line.startswith("|"))}
    assert cells[""] == "outside"
    assert cells["spread, mean (ticks)"] == "below: c; above: b"
    assert cells["exponent γ of its decay"] == "below: c; above: b"
    assert cells["R² of the next minute, out of sample"] == "above: c"
    assert cells["spread, median (ticks)"] == ""
    assert "outside" not in write_facts(markets, dict.fromkeys(markets, ""))


def test_numbers_have_one_kind_of_minus_and_no_minus_zero():
    assert [format_number(v, ".2f") for v in (-1.5, -0.001, NAN, 2)] == ["-1.50", "0.00", "–", "2.00"]
    assert format_number(-1234567.0, ",.0f") == "-1,234,567"
    assert [format_number(v, "+.1%") for v in (-0.0001, 0.01, float("-inf"))] == ["0.0%", "+1.0%", "-inf%"]


def test_tables_of_text_have_one_kind_of_minus(synthetic):
    facts = {topic: dict.fromkeys(values, -1.5) for topic, values in synthetic.items()}
    text = write_facts({"a": facts}, {"a": "one"})
    assert "| -1.5" in text
    assert "−" not in text


def command(*arguments):
    return subprocess.run(
        [sys.executable, "scripts/market_facts.py", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )


@pytest.mark.slow
def test_command_writes_numbers_table_and_figures(tmp_path):
    done = command("--out", str(tmp_path), "one=dataset=synthetic dataset.sessions=2 dataset.session_length=4m",
                   "null=dataset=synthetic_null dataset.sessions=1 dataset.session_length=4m")  # fmt: skip
    assert done.returncode == 0, done.stderr
    record = json.loads((tmp_path / "facts.json").read_text(), parse_constant=pytest.fail)  # NaN is no JSON
    assert [len(record[label]["sessions"]) for label in ("one", "null")] == [2, 1]
    assert 1 < record["one"]["facts"]["spread_ticks"]["mean"] < 5
    assert record["one"]["facts"]["impact_best"]["60"] is None
    assert (tmp_path / "facts.md").read_text().startswith("| | one | null | published |")
    assert len(list((tmp_path / "figures").glob("*.png"))) == 6


@pytest.mark.parametrize(
    ("given", "sentence"),
    slow_but_each(
        3,
        [
            (["dataset=synthetic"], "write LABEL="),
            (["a=dataset=synthetic", "a=dataset=synthetic"], "occurs twice"),
            (["a=dataset=sythetic"], "Did you mean dataset=synthetic"),
            (["a=dataset='synthetic"], "cannot read"),
            (["a=dataset=lobster dataset.path=nowhere.zip"], "matches no file"),
        ],
    ),
)
def test_command_refuses_in_a_sentence(tmp_path, given, sentence):
    main = runpy.run_path(str(ROOT / "scripts" / "market_facts.py"))["main"]
    done = in_process(main, "--out", str(tmp_path / "out"), *given)
    assert (done.returncode, done.stdout) == (2, "")
    assert sentence in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "out").exists()


# --- a real day, from its raw files ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def raw(data):
    """(message rows, book rows) of AMZN as numbers, read without the project's reader."""
    with zipfile.ZipFile(data(AMZN)) as archive:
        names = {kind: next(n for n in archive.namelist() if f"_{kind}_" in n) for kind in ("message", "orderbook")}
        return tuple(np.loadtxt(io.BytesIO(archive.read(names[k])), delimiter=",") for k in ("message", "orderbook"))


@pytest.fixture(scope="module")
def amzn(data):
    (one,) = list_sources(file_dataset("lobster", data(AMZN)))[0]()
    return measure_facts(one, "message")


def test_amzn_spread_and_depth_from_the_raw_book(raw, amzn):
    message, book = raw
    weight = np.diff(np.append(message[:, 0], 57_600.0))
    ticks = (book[:, 0] - book[:, 2]) / 100
    assert amzn["spread_ticks"]["mean"] == pytest.approx(np.average(ticks, weights=weight), rel=1e-6)
    assert amzn["spread_ticks"]["one_tick"] == pytest.approx(np.average(ticks == 1, weights=weight), rel=1e-6)
    for m in range(5):
        ask_px, ask_sz, bid_px, bid_sz = book[:, 4 * m : 4 * m + 4].T
        assert amzn["bid_size"][str(m + 1)] == pytest.approx(np.average(bid_sz, weights=weight), rel=1e-6)
        assert amzn["ask_size"][str(m + 1)] == pytest.approx(np.average(ask_sz, weights=weight), rel=1e-6)
        distance = np.average((ask_px - bid_px) / 200, weights=weight)
        assert amzn["distance_ticks"][str(m + 1)] == pytest.approx(distance, rel=1e-6)


def test_amzn_messages_and_signs_from_the_raw_messages(raw, amzn):
    message, _ = raw
    kind = message[:, 1]
    assert amzn["messages"]["trade"] == pytest.approx(np.isin(kind, (4, 5)).mean())
    assert amzn["messages"]["cancel"] == pytest.approx(np.isin(kind, (2, 3)).mean())
    trades = message[np.isin(kind, (4, 5))]
    orders = [trades[0]]
    for row in trades[1:]:
        if row[0] != orders[-1][0] or row[5] != orders[-1][5]:
            orders.append(row)
    sign = -np.array(orders)[:, 5]
    assert amzn["trades"]["orders"] == len(sign)
    for lag in (1, 10, 50):
        centred = sign - sign.mean()
        expected = (centred[lag:] * centred[:-lag]).sum() / (centred**2).sum()
        assert amzn["sign_acf"][str(lag)] == pytest.approx(expected, rel=1e-9)


def test_amzn_tails_and_signature_from_the_raw_book(raw, amzn):
    from scipy.stats import kurtosis

    message, book = raw
    mid = (book[:, 0] + book[:, 2]) / 200

    def sampled(step):
        at = 34_200 + step * np.arange(round(23_400 / step) + 1)
        at = at[at >= message[0, 0]]
        return mid[np.searchsorted(message[:, 0], at, side="right") - 1]

    for step in (1, 10, 60):
        assert amzn["kurtosis"][str(step)] == pytest.approx(kurtosis(np.diff(sampled(step))), rel=1e-6)
    fine = sampled(0.1)
    variance = {k: np.mean((fine[k:] - fine[:-k]) ** 2) / k for k in (10, 600, 3000)}
    # A trade on a grid line to the microsecond may fall on either side of it in floating point.
    assert amzn["signature"]["1"] == pytest.approx(variance[10] / variance[600], rel=1e-4)
    assert amzn["signature"]["300"] == pytest.approx(variance[3000] / variance[600], rel=1e-4)


def test_amzn_impact_is_the_golden_one(data, amzn):
    golden = json.loads(data("golden/amzn_20120621_impact.json").read_text())["amzn_l5"]
    for seconds in ("1", "10", "60"):
        assert amzn["impact_best"][seconds] == pytest.approx(golden[f"{seconds}s"]["cks_r2_mean"], abs=1e-6)
