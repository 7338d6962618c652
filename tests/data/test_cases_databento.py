"""Databento files as users have them: what each schema states, and when its quotes stood."""

import csv
import gzip
import io
from itertools import pairwise
from pathlib import Path

import databento_dbn as d
import numpy as np
import polars as pl
import pytest

import ofiml
from ofiml.config import Policy
from ofiml.data.schema import F_LAST
from ofiml.errors import DataError
from tests.data import test_databento
from tests.data.test_databento import CENT, START, live, mapping, metadata, put, quote, system
from tests.data.test_readers import read

CASES = Path(__file__).parents[1] / "cases"
NANO = 10**9


def case(number):
    (folder,) = CASES.glob(f"{number}-*")
    return folder


def stated(path):
    """The rows of a CSV as text, by Python's own reader."""
    raw = path.read_bytes()
    raw = gzip.decompress(raw) if path.suffix == ".gz" else raw
    return list(csv.DictReader(io.StringIO(raw.decode())))


def rewrite(tmp_path, rows, columns=None, name="book.csv"):
    path = tmp_path / name
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, columns or list(rows[0]), extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
    return path


# --- the unit of prices ----------------------------------------------------------------------------------------------

SPREAD = CASES / "001-databento-raw-prices-below-0.01" / "6e_spread_mbp10_raw.csv"


def pretty_time(text):
    whole, rest = divmod(int(text), NANO)
    return f"{np.datetime64(whole, 's')}.{rest:09d}Z"


def test_raw_prices_are_nanos_whatever_their_digits(tmp_path):
    rows = stated(SPREAD)
    iso = [r | {t: pretty_time(r[t]) for t in ("ts_recv", "ts_event")} for r in rows]
    turned = rewrite(tmp_path, iso, list(reversed(rows[0])))
    packed = tmp_path / "book.csv.gz"
    packed.write_bytes(gzip.compress(SPREAD.read_bytes()))
    for path in (SPREAD, turned, packed):
        (s,) = read(path, calendar="CMES", tick=0.00005)
        for column in ("bid_px_00", "ask_px_09", "price"):
            assert s.events[column].to_list() == [int(r[column]) for r in rows]
    assert s.events["bid_px_00"][0] == 2_050_000  # 0.00205
    assert s.events["ask_px_00"][0] == 2_100_000


@pytest.mark.parametrize("price", ["{:.9f}", "{}", "{:.2e}"])
def test_decimals_are_currency(tmp_path, price):
    rows = [
        r | {c: price.format(int(r[c]) / NANO) for c in r if c == "price" or c[4:6] == "px"} for r in stated(SPREAD)
    ]
    (raw,), (s,) = (
        read(SPREAD, calendar="CMES", tick=0.00005),
        read(rewrite(tmp_path, rows), calendar="CMES", tick=0.00005),
    )
    assert s.events.equals(raw.events)


def whole_first(n, start, step):
    """Rows whose first prices are whole, as programs that omit zeros write them."""
    for i in range(n):
        bid = start if i < 300 else start + step * (i % 4)
        yield {
            "ts_recv": 1_729_519_200 * NANO + i * NANO, "ts_event": 1_729_519_200 * NANO + i * NANO, "action": "A",
            "side": "B", "price": f"{bid:.12g}", "size": 1, "flags": 128, "sequence": i, "bid_px_00": f"{bid:.12g}",
            "ask_px_00": f"{bid + 1:.12g}", "bid_sz_00": 5 + i % 3, "ask_sz_00": 7, "symbol": "X",
        }  # fmt: skip


def test_all_rows_decide_not_the_first_ones(tmp_path):
    (s,) = read(rewrite(tmp_path, list(whole_first(2000, 97_000, 0.25))), calendar="24/7", tick=0.25)
    assert s.events["bid_px_00"].max() == 97_000_750_000_000
    assert s.events["bid_px_00"][0] == 97_000 * NANO


def test_integers_off_the_tick_are_refused(tmp_path):
    rows = list(whole_first(300, 97_000, 0))
    with pytest.raises(
        DataError, match=r"line 2, column price: all prices are integers.*97000 is 9\.7e-05.*decimal point"
    ):
        read(rewrite(tmp_path, rows), calendar="24/7", tick=5.0)
    table = pl.DataFrame(rows).with_columns(pl.col("price", "bid_px_00", "ask_px_00").cast(pl.Int64))
    table.write_parquet(tmp_path / "book.parquet")
    with pytest.raises(DataError, match="row 1, column price: all prices are integers"):
        read(tmp_path / "book.parquet", calendar="24/7", tick=5.0)


# --- instruments without symbols -------------------------------------------------------------------------------------


def test_instruments_are_told_apart_by_number(tmp_path):
    path = case("019") / "two_instruments.csv"
    rows = stated(path)
    sessions = read(path)
    assert [s.symbol for s in sessions] == ["38", "39"]
    for s in sessions:
        own = [r for r in rows if r["instrument_id"] == s.symbol]
        assert s.events["bid_px_00"].to_list() == [round(float(r["bid_px_00"]) * 100) * CENT for r in own]
        assert s.events["sequence"].to_list() == [int(r["sequence"]) for r in own]
    (one,) = read(path, symbols=["39"])
    assert one.events.equals(sessions[1].events)
    with pytest.raises(DataError, match=r"several instruments \(38, 39\): choose them by number instead of AAPL"):
        read(path, symbols=["AAPL"])
    alone = rewrite(tmp_path, [r for r in rows if r["instrument_id"] == "38"])
    assert [s.symbol for s in read(alone)] == ["38"]
    assert [s.symbol for s in read(alone, symbols=["AAPL"])] == ["AAPL"]  # a single instrument may be named


# --- quotes before and after a trade ---------------------------------------------------------------------------------


def spreads(rows):
    """The effective spread in ticks of each trade of `rows`, from its own quotes."""
    sign = {"B": 1, "A": -1}
    return [
        2 * sign[r["side"]] * (float(r["price"]) - (float(r["bid_px_00"]) + float(r["ask_px_00"])) / 2) / 0.01
        for r in rows
    ]


@pytest.mark.parametrize("name", ["tbbo.csv.gz", "mbp1.csv.gz"])
def test_trades_pay_the_spread_that_stood_before_them(name):
    path = case("030") / name
    trades = [r for r in stated(path) if r["action"] == "T"]
    assert np.mean(spreads(trades)) == pytest.approx(1) == min(spreads(trades))
    (s,) = read(path)
    table = ofiml.compute_features(s, ["effective_spread", "trade_count"], "60s")
    known = table.filter(~pl.col("effective_spread").is_nan())
    assert (known["effective_spread"] - 1).abs().max() < 1e-9
    assert known["trade_count"].sum() == pytest.approx(len(trades), abs=2)


def test_the_book_after_a_trade_of_tbbo_is_unknown():
    (s,) = read(case("030") / "tbbo.csv.gz")
    trades = s.events.filter(pl.col("action") == "T")
    assert trades.height == 1247
    assert trades["bid_px_00"].null_count() == trades["ask_sz_00"].null_count() == trades.height
    quotes = s.events.filter(pl.col("action") == "M")
    rows = stated(case("030") / "tbbo.csv.gz")
    assert quotes["bid_px_00"].to_list() == [round(float(r["bid_px_00"]) * 100) * CENT for r in rows]
    table = ofiml.compute_features(s, ["effective_spread"], "10s")
    assert table["mid"].null_count() == table.height
    assert (table["ofi_00"] == 0).all()


def test_a_study_of_tbbo_is_refused_with_the_reason(run):
    with pytest.raises(DataError, match=r"tbbo\.csv\.gz: no bar has a mid.*\(TBBO\).*use MBP-1"):
        run("dataset=databento", f"dataset.path={case('030') / 'tbbo.csv.gz'}", "debug=tiny")


def test_the_schema_of_dbn_decides(tmp_path):
    trades = [quote(i, action=d.Action.TRADE, side=d.Side.ASK) for i in range(3)]
    (s,) = read(put(tmp_path, metadata(schema=d.Schema.MBP_1), *trades))
    assert s.events["action"].to_list() == ["T"] * 3  # of MBP-1 without a change of the book
    (s,) = read(put(tmp_path, live(*trades)))
    assert s.events["action"].to_list() == ["M", "T"] * 3


# --- states at intervals, and quotes of several venues ---------------------------------------------------------------


def test_bbo_is_a_state_a_second(tmp_path):
    path = case("033") / "es_bbo-1s.csv"
    rows = stated(path)
    minutes = [r | {"rtype": "196", "ts_event": "", "price": ""} for r in rows]  # no trade yet
    for file in (path, rewrite(tmp_path, minutes), rewrite(tmp_path, rows, list(reversed(rows[0])))):
        (s,) = read(file, calendar="CMES", tick=0.25)
        e = s.events
        assert (s.levels, e.height, set(e["action"]), set(e["side"])) == (1, len(rows), {"M"}, {"N"})
        assert e["price"].null_count() == e.height
        assert e["size"].sum() == 0
        assert e["ts_recv"].equals(e["ts_event"], check_names=False)
        for column in ("bid_sz_00", "ask_sz_00"):
            assert e[column].to_list() == [int(r[column]) for r in rows]
    flow = ofiml.compute_ofi(s)["ofi_00"]
    assert flow.to_list() == [0, *(e_n(a, b) for a, b in pairwise(rows))]
    assert any(flow)


def e_n(before, after):
    """The flow of Cont, Kukanov & Stoikov between two rows of best quotes."""
    (pb, qb, pa, qa), (pb1, qb1, pa1, qa1) = (
        (float(r["bid_px_00"]), int(r["bid_sz_00"]), float(r["ask_px_00"]), int(r["ask_sz_00"]))
        for r in (before, after)
    )
    return qb1 * (pb1 >= pb) - qb * (pb1 <= pb) - qa1 * (pa1 <= pa) + qa * (pa1 >= pa)


def bbo(i, message=d.BBOMsg, rtype=d.RType.BBO_1S, **changed):
    level = d.BidAskPair(bid_px=1000 * CENT, ask_px=1002 * CENT, bid_sz=5 + i, ask_sz=7, bid_ct=1, ask_ct=2)
    if message is d.CBBOMsg:
        level = d.ConsolidatedBidAskPair(
            bid_px=1000 * CENT, ask_px=1002 * CENT, bid_sz=5 + i, ask_sz=7, bid_pb=2, ask_pb=39
        )
    fields = {
        "rtype": rtype, "publisher_id": 2, "instrument_id": 38, "ts_event": 2**64 - 1, "price": 2**63 - 1, "size": 0,
        "side": d.Side.NONE, "ts_recv": START + i * NANO, "flags": 168, "levels": level,
    } | ({"sequence": i} if message is d.BBOMsg else {})  # fmt: skip
    return bytes(message(**fields | changed))


def cmbp(i, rtype=d.RType.CMBP_1, publisher=2, action=d.Action.MODIFY, bid=1000, ask=1002):
    level = d.ConsolidatedBidAskPair(bid_px=bid * CENT, ask_px=ask * CENT, bid_sz=5 + i, ask_sz=7, bid_pb=2, ask_pb=39)
    return bytes(
        d.CMBP1Msg(
            rtype=rtype, publisher_id=publisher, instrument_id=38, ts_event=START + i * NANO, price=1001 * CENT, size=3,
            action=action, side=d.Side.BID, flags=128, ts_recv=START + i * NANO + 1, ts_in_delta=1, levels=level,
        )
    )  # fmt: skip


@pytest.mark.parametrize(
    ("message", "schema", "rtype", "venues"),
    [
        (d.BBOMsg, d.Schema.BBO_1S, d.RType.BBO_1S, False),
        (d.BBOMsg, d.Schema.BBO_1M, d.RType.BBO_1M, False),
        (d.CBBOMsg, d.Schema.CBBO_1S, d.RType.CBBO_1S, True),
        (d.CBBOMsg, d.Schema.CBBO_1M, d.RType.CBBO_1M, True),
    ],
)
def test_interval_records_are_states(tmp_path, message, schema, rtype, venues):
    path = put(tmp_path, metadata(schema=schema), *(bbo(i, message, rtype) for i in range(4)))
    (s,) = read(path)
    assert s.events["bid_sz_00"].to_list() == [5, 6, 7, 8]
    assert s.events["flags"].to_list() == [F_LAST] * 4
    assert s.events["bid_ct_00"].to_list() == ([None] * 4 if venues else [1] * 4)
    notes = " ".join(s.quality.notes)
    assert "states at the end of each interval" in notes
    assert ("consolidated" in notes) == venues
    assert ofiml.compute_ofi(s)["ofi_00"].to_list() == [0, 1, 1, 1]


def test_consolidated_quotes_have_several_publishers(tmp_path):
    rows = [cmbp(0), cmbp(1, publisher=39), cmbp(2, publisher=41, action=d.Action.TRADE), cmbp(3, ask=999)]
    path = put(tmp_path, metadata(schema=d.Schema.CMBP_1), *rows[:3])
    (s,) = read(path)
    assert (s.levels, s.events["action"].to_list()) == (1, ["M", "M", "T"])
    assert s.events["bid_sz_00"].to_list() == [5, 6, 7]
    assert s.events["sequence"].to_list() == [1, 2, 3]
    assert "the best over several venues (consolidated)" in " ".join(s.quality.notes)
    crossed = put(tmp_path, metadata(schema=d.Schema.CMBP_1), *rows)
    with pytest.raises(DataError, match=r"record 4, column bid_px_00: .*crossed"):
        read(crossed)
    assert read(crossed, policy=Policy(crossed="keep"))[0].quality.kept["crossed"] == 1


def test_tcbbo_is_before_its_trades(tmp_path):
    trades = [cmbp(i, rtype=d.RType.TCBBO, action=d.Action.TRADE) for i in range(3)]
    (s,) = read(put(tmp_path, metadata(schema=d.Schema.TCBBO), *trades))
    assert s.events["action"].to_list() == ["M", "T"] * 3
    assert s.events["bid_px_00"].is_null().to_list() == [False, True] * 3


def test_an_mbp_file_without_action_is_no_bbo(tmp_path):
    rows = [{k: v for k, v in r.items() if k != "action"} for r in stated(case("056") / FIRST)[:20]]
    path = rewrite(tmp_path, rows)
    with pytest.raises(DataError, match=r"column action is missing.*all columns"):
        read(path)
    shorter = rewrite(tmp_path, rows, [c for c in rows[0] if c not in ("depth", "ts_in_delta")])
    with pytest.raises(
        DataError, match=r"line 2, column rtype: records of type 1 \(MBP-1\), which have a column action"
    ):
        read(shorter)


# --- live files ------------------------------------------------------------------------------------------------------


def test_a_live_file_is_read_with_its_own_mappings():
    path = case("032") / "live_es.dbn"
    decoder = d.DBNDecoder()
    decoder.write(path.read_bytes())
    theirs = [r for r in decoder.decode() if isinstance(r, d.MBP1Msg)]
    (s,) = read(path, calendar="CMES", tick=0.25)
    assert s.symbol == "ESZ4"
    assert s.events["bid_px_00"].to_list() == [r.levels[0].bid_px for r in theirs]
    assert s.events["ask_sz_00"].to_list() == [r.levels[0].ask_sz for r in theirs]


def test_live_instruments_and_their_changes(tmp_path):
    other = [quote(i, instrument_id=39) for i in (2, 4)]
    path = put(
        tmp_path, live(quote(0), mapping("Y.c.0", 39, "Y5"), quote(1), other[0], mapping("Z", 38), quote(3), other[1]),
        quote(5, instrument_id=40), system(),
    )  # fmt: skip
    sessions = {s.symbol: s.events["sequence"].to_list() for s in read(path)}
    assert sessions == {"X": [0, 1], "Z": [3], "Y5": [2, 4], "40": [5]}


def test_live_orders(tmp_path):
    head, orders = metadata(schema=d.Schema.MBO), test_databento.orders()
    body = orders[len(head) :]
    size = len(body) // 60
    parts = [body[i : i + size] for i in range(0, len(body), size)]
    policy = Policy(no_snapshot="keep", **dict.fromkeys(("crossed", "time_reversal"), "keep"))
    (plain,) = read(put(tmp_path, orders), "databento_mbo", policy=policy)
    (s,) = read(put(tmp_path, live(*parts)), "databento_mbo", policy=policy)
    assert s.symbol == "X"
    assert s.events.equals(plain.events)


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ([live(), system()], "only control records of a live client and no market data"),
        ([live(quote(0)), quote(1)[:-9]], r"ends inside record 5 \(byte \d+\), after 71 of its 80 bytes"),
        ([live(quote(0)), system()[:-8]], r"ends inside record 5 \(byte \d+\), after 312 of its 320 bytes"),
        ([live(quote(0)), b"\x01\x16" + mapping("X", 38)[2:]], r"record 5 .*field length: 4 bytes where .*symbol mapp"),
        ([live(quote(0)), mapping("X", 38).replace(b"X\0", b"\xff\0")], r"record 5 .*the symbol .* is damaged"),
        ([live(quote(0)), mapping("", 38, "")], "record 5 .* the symbol mapping has no symbol"),
        ([live(quote(0)), bbo(1)], r"record 5 .*: records of type 195 \(BBO\) among records of type 1 \(MBP-1\)"),
    ],
)
def test_damaged_live_files(tmp_path, parts, message):
    with pytest.raises(DataError, match=message):
        read(put(tmp_path, *parts))


# --- files of UTC days -----------------------------------------------------------------------------------------------

FIRST = "glbx-mdp3-20240701.mbp-1.csv.gz"


@pytest.mark.parametrize("name", [FIRST, "glbx-mdp3-20240702.mbp-1.csv.gz"])
def test_each_file_of_a_cme_session_reads(name):
    path = case("056") / name
    (s,) = read(path, calendar="CMES", hours="regular", tick=0.25)
    assert (s.symbol, s.date, s.events.height) == ("ESU4", "2024-07-02", len(stated(path)))
