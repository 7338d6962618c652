"""MBP as DBN and Parquet: the same events as from CSV, and one sentence for every kind of damage."""

import contextlib
import datetime as dt
import gzip
import random
import struct

import databento_dbn as d
import numpy as np
import polars as pl
import pyarrow as pa
import pytest

from ofiml.data.cache import write_events
from ofiml.data.feed import Blob
from ofiml.data.formats import dbn
from ofiml.data.readers.databento import mbp as databento
from ofiml.data.schema import F_LAST, F_SNAPSHOT
from ofiml.data.writers.vendors import to_dbn
from ofiml.errors import DataError
from tests.books import random_session
from tests.conftest import slow_but_each
from tests.data.test_readers import DROP, GOOD, HEADER, read
from tests.golden.test_aapl import file_dataset

SAMPLES = ["GLBX.MDP3.test_data.mbp-10", *(f"dbn_test_data.mbp-10.v{v}" for v in (1, 2, 3))]
NONE = 2**63 - 1
START = 1_729_519_200_000_000_000  # 2024-10-21, 14:00 UTC
CENT = 10_000_000


class Interval:
    def __init__(self, symbol, start="2024-10-21", end="2024-10-22"):
        self.symbol = symbol
        self.start_date, self.end_date = dt.date.fromisoformat(start), dt.date.fromisoformat(end)


class Mapped:
    def __init__(self, raw_symbol, *intervals):
        self.raw_symbol, self.intervals = raw_symbol, list(intervals)


def quote(i, **changed):
    """A record of one level, a second after the one before it, by the vendor's own package."""
    level = d.BidAskPair(bid_px=1000 * CENT, ask_px=1002 * CENT, bid_sz=5, ask_sz=7, bid_ct=1, ask_ct=2)
    fields = {
        "publisher_id": 2, "instrument_id": 38, "ts_event": START + i * 10**9, "price": 1000 * CENT, "size": 5,
        "action": d.Action.ADD, "side": d.Side.BID, "depth": 0, "ts_recv": START + i * 10**9 + 1, "flags": 128,
        "ts_in_delta": 1, "sequence": i, "levels": level,
    }  # fmt: skip
    return bytes(d.MBP1Msg(**fields | changed))


def metadata(*mappings, schema=d.Schema.MBP_1, stype_out=d.SType.INSTRUMENT_ID, **other):
    stype_in = d.SType.INSTRUMENT_ID if stype_out == d.SType.RAW_SYMBOL else d.SType.RAW_SYMBOL
    return bytes(
        d.Metadata(
            dataset="XNAS.ITCH", start=0, stype_in=stype_in, stype_out=stype_out, schema=schema,
            mappings=list(mappings or [Mapped("X", Interval("38"))]), version=3, **other,
        ).encode()
    )  # fmt: skip


def mapping(symbol, number, out=None, end=2**64 - 1):
    """A live client's record that maps an instrument's number to a symbol."""
    return bytes(
        d.SymbolMappingMsg(
            publisher_id=0, instrument_id=number, ts_event=START, stype_in=d.SType.RAW_SYMBOL, stype_in_symbol=symbol,
            stype_out=d.SType.INSTRUMENT_ID, stype_out_symbol=str(number) if out is None else out, start_ts=START,
            end_ts=end,
        )
    )  # fmt: skip


def system(text="Heartbeat"):
    return bytes(d.SystemMsg(ts_event=START, msg=text))


def live(*records, ts_out=False):
    """A file as a live client writes it: metadata without schema and mappings, then mappings among the records."""
    head = d.Metadata(dataset="XNAS.ITCH", start=0, stype_in=None, stype_out=d.SType.INSTRUMENT_ID, schema=None,
                      ts_out=ts_out, version=3)  # fmt: skip
    half = len(records) // 2
    return b"".join([head.encode(), system(), mapping("X", 38), *records[:half], system(), *records[half:]])


def put(tmp_path, *parts, name="book.dbn"):
    path = tmp_path / name
    path.write_bytes(b"".join(parts))
    return path


# --- real files ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SAMPLES)
def test_samples_hold_what_the_vendors_decoder_says(data, name):
    path = data(f"databento/{name}.dbn.zst")
    decoder = d.DBNDecoder(compression=d.Compression.ZSTD)
    decoder.write(path.read_bytes())
    _, *records = decoder.decode()
    (s,) = read(path, calendar="24/7", tick=0.25)
    assert (s.symbol, s.levels, s.events.height, s.quality.dropped) == ("ESH1", 10, len(records), {})
    for row, r in zip(
        s.events.with_columns(pl.col("ts_event", "ts_recv").to_physical()).to_dicts(), records, strict=True
    ):
        for field in ("ts_event", "ts_recv", "price", "size", "sequence"):
            assert row[field] == getattr(r, field)
        assert (row["flags"], row["action"], row["side"]) == (int(r.flags), str(r.action), str(r.side))
        for m, level in enumerate(r.levels):
            for field in ("bid_px", "ask_px", "bid_sz", "ask_sz", "bid_ct", "ask_ct"):
                assert row[f"{field}_{m:02d}"] == getattr(level, field)


@pytest.mark.parametrize("rtype", [dbn.MBO, dbn.MBP_1, dbn.MBP_10])
def test_layouts_are_the_vendors(rtype):
    theirs = {dbn.MBO: d.MBOMsg, dbn.MBP_1: d.MBP1Msg, dbn.MBP_10: d.MBP10Msg}[rtype]
    ours = dbn.make_record_dtype(rtype)
    assert ours.itemsize == theirs.size_hint
    one_byte = {"S1": "u1"}
    assert [(n, ours[n].str.lstrip("<|")) for n in ours.names] == [(n, one_byte.get(t, t)) for n, t in theirs._dtypes]


@pytest.mark.parametrize("name", slow_but_each(2, ["aapl_20241021", "arl_20250717"]))
def test_dbn_and_csv_are_the_same(data, tmp_path, name):
    csv = data(f"databento/{name}_mbp10.csv")
    (text,) = read(csv)
    for made, raw in (("plain", to_dbn(text)), ("gzip", gzip.compress(to_dbn(text))), ("zstd", zstd(to_dbn(text)))):
        (binary,) = read(put(tmp_path, raw, name=f"{made}.dbn"))
        assert binary.events.equals(text.events)
        assert (binary.symbol, binary.date, binary.open, binary.close) == (
            text.symbol,
            text.date,
            text.open,
            text.close,
        )


def zstd(raw):
    """Two frames, as Databento's may be."""
    half = len(raw) // 2
    return b"".join(pa.compress(part, "zstd", asbytes=True) for part in (raw[:half], raw[half:]))


@pytest.mark.parametrize("pretty", [True, False])
def test_parquet_and_csv_are_the_same(data, tmp_path, pretty):
    csv = data("databento/arl_20250717_mbp10.csv")
    (text,) = read(csv)
    table = pl.read_csv(csv, infer_schema_length=None).with_columns(
        pl.col("ts_event", "ts_recv").str.to_datetime("%+", time_unit="ns")
    )
    if pretty:
        table = table.with_columns(pl.col(c).fill_null(float("nan")) for c in table.columns if c[4:6] == "px")
    else:
        prices = [c for c in table.columns if c == "price" or c[4:6] == "px"]
        table = table.with_columns(pl.col("ts_event", "ts_recv").dt.timestamp("ns").cast(pl.UInt64))
        table = table.with_columns((pl.col(prices) * 1e9).round().cast(pl.Int64).fill_null(NONE))
    path = tmp_path / "arl.parquet"
    table.write_parquet(path)
    (columnar,) = read(path)
    assert columnar.events.equals(text.events)


@pytest.mark.parametrize("name", ["aapl_20241021", "arl_20250717"])
def test_our_own_parquet_reads_back(data, tmp_path, name):
    (text,) = read(data(f"databento/{name}_mbp10.csv"))
    write_events(text, tmp_path / "own.parquet")
    (again,) = read(tmp_path / "own.parquet")
    assert again.events.equals(text.events)


# --- one level -------------------------------------------------------------------------------------------------------


def test_mbp_1_is_one_level(tmp_path):
    nothing = d.BidAskPair(bid_px=999 * CENT, ask_px=NONE, bid_sz=5, ask_sz=0, bid_ct=1, ask_ct=0)
    path = put(
        tmp_path, metadata(), quote(0), quote(1, action=d.Action.TRADE, side=d.Side.NONE), quote(2, levels=nothing)
    )
    (s,) = read(path)
    assert (s.symbol, s.levels) == ("X", 1)
    book = s.events.select("bid_px_00", "ask_px_00", "bid_sz_00", "ask_sz_00", "bid_ct_00", "ask_ct_00").rows()
    assert book == [(1000 * CENT, 1002 * CENT, 5, 7, 1, 2)] * 2 + [(999 * CENT, None, 5, None, 1, None)]
    assert s.events["action"].to_list() == ["A", "T", "A"]
    assert s.events["side"].to_list() == ["B", "N", "B"]
    assert {k: s.quality.kept[k] for k in ("sentinel", "one_sided")} == {"sentinel": 1, "one_sided": 1}


def test_tbbo_is_one_level_before_each_trade(tmp_path):
    trades = [quote(i, action=d.Action.TRADE, side=d.Side.ASK) for i in range(3)]
    header = HEADER.replace(",symbol", ",bid_ct_00,ask_ct_00,symbol")
    rows = [GOOD.format(i).replace(",A,B,", ",T,A,").replace(",X", ",1,1,X") for i in range(3)]
    path = tmp_path / "tbbo.csv"
    path.write_text("\n".join([header, *rows]))
    for file in (put(tmp_path, metadata(schema=d.Schema.TBBO), *trades), path):
        (s,) = read(file)
        assert (s.levels, s.events["action"].to_list(), s.events["side"].to_list()) == (
            1,
            ["M", "T"] * 3,
            ["N", "A"] * 3,
        )
        assert s.events["bid_ct_00"].to_list() == [1, None] * 3
        assert s.events["bid_px_00"].is_null().to_list() == [False, True] * 3
        assert s.events["price"].is_null().to_list() == [True, False] * 3
        assert "use MBP-1 for order flow" in " ".join(s.quality.notes)


def test_more_levels_than_there_are(tmp_path):
    with pytest.raises(DataError, match=r"column bid_px_01 is missing .*the file has 1 levels; see dataset\.levels"):
        read(put(tmp_path, metadata(), quote(0)), levels=2)


# --- symbols ---------------------------------------------------------------------------------------------------------


def test_numbers_get_their_symbol_of_the_day(tmp_path):
    day = 86_400
    names = [Mapped("X", Interval("38")), Mapped("Y", Interval("39"), Interval("38", "2024-10-22", "2024-10-23"))]
    rows = [quote(0), quote(1, instrument_id=39), quote(2, instrument_id=40), quote(day)]
    sessions = read(put(tmp_path, metadata(*names), *rows), calendar="24/7")
    assert [(s.symbol, s.date, s.events.height) for s in sessions] == [
        ("X", "2024-10-21", 1),
        ("Y", "2024-10-21", 1),
        ("Y", "2024-10-22", 1),
        ("40", "2024-10-21", 1),
    ]
    # From its second instrument on, the symbol has another book.
    assert sessions[2].events["flags"].to_list() == [F_LAST | F_SNAPSHOT]
    (s,) = read(put(tmp_path, metadata(*names), *rows), calendar="24/7", symbols=["40"])
    assert s.events.height == 1
    with pytest.raises(DataError, match="contains no symbol Z; it contains X, Y, 40"):
        read(put(tmp_path, metadata(*names), *rows), symbols=["Z"])


def test_symbols_mapped_the_other_way_round(tmp_path):
    names = Mapped("38", Interval("X"))
    (s,) = read(put(tmp_path, metadata(names, stype_out=d.SType.RAW_SYMBOL), quote(0), quote(1)))
    assert s.symbol == "X"


def test_mappings_that_contradict_themselves(tmp_path):
    names = [Mapped("X", Interval("38")), Mapped("X.c.0", Interval("38"))]
    with pytest.raises(DataError, match=r"instrument 38 is both X and X\.c\.0 on 2024-10-21"):
        read(put(tmp_path, metadata(*names), quote(0)))
    with pytest.raises(DataError, match="maps 'X' to 'abc', neither is an instrument id"):
        read(put(tmp_path, metadata(Mapped("X", Interval("abc"))), quote(0)))
    (s,) = read(put(tmp_path, metadata(Mapped("X", Interval(""))), quote(0), quote(1)))  # not resolved by the vendor
    assert s.symbol == "38"


def test_several_books_under_one_name_are_refused(tmp_path):
    with pytest.raises(DataError, match=r"record 2, column publisher_id: X has rows of several publishers \(2, 41\)"):
        read(put(tmp_path, metadata(), quote(0), quote(1, publisher_id=41)))


# --- damage ----------------------------------------------------------------------------------------------------------


def altered(record, field, value):
    row = np.frombuffer(record, dbn.make_record_dtype(dbn.MBP_1)).copy()
    row[field] = value
    return row.tobytes()


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("action", ord("Q"), "column action: not one of A, C, M"),
        ("side", 0, "column side: not one of A, B, N"),
        ("ts_recv", 2**64 - 1, "column ts_recv: the time is undefined"),
        ("ts_event", 2**63, "column ts_event: the time is undefined"),
        ("price", 2**62, r"column price: the price 4611686018427387904 \(in 1e-9\) is too large"),
        ("bid_px_00", -(2**63), r"column bid_px_00: the price -9223372036854775808 \(in 1e-9\) is too large"),
        ("size", 2**32 - 1, "column size: 4294967295 is the placeholder for no size"),
        ("ask_sz_00", 2**32 - 1, "column ask_sz_00: 4294967295 is the placeholder for no size"),
        ("bid_sz_00", 0, "column bid_sz_00: level 0 has a price, .* and no size"),
    ],
)
def test_damaged_records_are_named_or_dropped(tmp_path, field, value, message):
    path = put(tmp_path, metadata(), quote(0), altered(quote(1), field, value), quote(2), quote(3))
    with pytest.raises(DataError, match=rf"book\.dbn, record 2, {message}"):
        read(path)
    (s,) = read(path, policy=DROP)
    assert (s.events["sequence"].to_list(), sum(s.quality.dropped.values())) == ([0, 2, 3], 1)


def test_sizes_in_lots(tmp_path):
    level = d.BidAskPair(bid_px=1000 * CENT, ask_px=1002 * CENT, bid_sz=500, ask_sz=700, bid_ct=1, ask_ct=2)
    path = put(tmp_path, metadata(), *(quote(i, size=100 * i + 1 * (i == 2), levels=level) for i in range(4)))
    with pytest.raises(DataError, match=r"record 3, column size: 201 is not a multiple of dataset\.size_unit=100"):
        read(path, size_unit=100.0)
    (s,) = read(path, size_unit=100.0, policy=DROP)
    assert s.events["size"].to_list() == [0, 1, 3]
    assert s.events["ask_sz_00"].to_list() == [7, 7, 7]


def test_misshapen_files(tmp_path):
    head, rows = metadata(), [quote(i) for i in range(3)]
    size, start = len(rows[0]), len(head)
    order = bytes(
        d.MBOMsg(
            publisher_id=2, instrument_id=38, ts_event=START, order_id=7, price=CENT, size=5, channel_id=0,
            action=d.Action.ADD, side=d.Side.BID, ts_recv=START, flags=130, ts_in_delta=0, sequence=1,
        )
    )  # fmt: skip
    for parts, message in [
        (
            [head, *rows, rows[0][:-3]],
            rf"ends inside record 4 \(byte {start + 3 * size}\), after {size - 3} of its {size}",
        ),
        (
            [head, rows[0], order, rows[1]],
            rf"record 2 \(byte {start + size}\): records of type 160 \(MBO\) among .*MBP-1",
        ),
        ([head, rows[0], altered(rows[1], "length", 4)], r"record 2 .*, field length: 16 bytes where .* have 80"),
        ([head, altered(rows[0], "length", 0)], r"record 1 .*, field length: 0 bytes"),
        ([head, altered(rows[0], "rtype", 0)], r"contains records of type 0 \(trades\); supported are MBO"),
        ([head], r"contains no records"),
        ([b"DBN\x03\0"], "ends inside its header, after 5 of 8 bytes"),
        ([head[:100]], rf"ends inside its metadata, after 100 of {start} bytes"),
        ([b"DBN\x09", head[4:], *rows], "DBN version 9; versions 1 to 3"),
        ([b"DBN\x00", head[4:], *rows], "DBN version 0; versions 1 to 3"),
        ([head[:8], b"\xff" * (start - 8), *rows], r"its metadata \(bytes 8 to .*\) cannot be read"),
        ([head, order], "contains MBO records: use dataset=databento_mbo"),
    ]:
        with pytest.raises(DataError, match=message):
            read(put(tmp_path, *parts))
    packed = pa.compress(b"".join([head, *rows]), "zstd", asbytes=True)
    with pytest.raises(DataError, match="cut short or damaged"):
        read(put(tmp_path, packed[:-5]))


def test_a_panic_in_the_vendors_decoder_is_an_error_of_the_data(tmp_path, monkeypatch):
    panic = type("PanicException", (BaseException,), {})

    def decode(raw):
        raise panic("index out of range")

    path = put(tmp_path, metadata(), quote(0))
    monkeypatch.setattr(dbn.databento_dbn, "Metadata", type("Metadata", (), {"decode": staticmethod(decode)}))
    with pytest.raises(DataError, match=r"its metadata .* cannot be read \(index out of range\)"):
        read(path)


def test_ctrl_c_is_no_damage(tmp_path, monkeypatch):
    def decode(raw):
        raise KeyboardInterrupt

    path = put(tmp_path, metadata(), quote(0))
    monkeypatch.setattr(dbn.databento_dbn, "Metadata", type("Metadata", (), {"decode": staticmethod(decode)}))
    with pytest.raises(KeyboardInterrupt):
        read(path)


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("price", 1e30, r"row 2, column price: 1e\+30 cannot be read"),
        ("bid_px_00", float("inf"), "row 2, column bid_px_00: inf cannot be read"),
        ("action", "Q", "row 2, column action: 'Q' cannot be read"),
        ("size", None, "row 2, column size: the value is missing"),
        ("flags", 300, "row 2, column flags: 300 cannot be read"),
        ("bid_sz_00", -5, "row 2, column bid_sz_00: the size -5 is negative"),
    ],
)
def test_damaged_parquet_is_named_or_dropped(tmp_path, column, value, message):
    columns = {
        "ts_recv": [START + i * 10**9 for i in range(4)], "ts_event": [START + i * 10**9 for i in range(4)],
        "action": ["A"] * 4, "side": ["B"] * 4, "price": [10.01] * 4, "size": [5] * 4, "flags": [128] * 4,
        "sequence": [0, 1, 2, 3], "bid_px_00": [10.01] * 4, "ask_px_00": [10.03] * 4, "bid_sz_00": [5] * 4,
        "ask_sz_00": [7] * 4, "symbol": ["X"] * 4,
    }  # fmt: skip
    columns[column][1] = value
    path = tmp_path / "book.parquet"
    pl.DataFrame(columns).write_parquet(path)
    with pytest.raises(DataError, match=rf"book\.parquet, {message}"):
        read(path)
    (s,) = read(path, policy=DROP)
    assert (s.events["sequence"].to_list(), sum(s.quality.dropped.values())) == ([0, 2, 3], 1)


def test_parquet_that_is_none(tmp_path):
    for raw in (b"PAR1", b"PAR1" + b"\0" * 50 + b"PAR1", b"PAR1" + b"\xff" * 50):
        with pytest.raises(DataError, match=r"book\.dbn cannot be read as Parquet"):
            read(put(tmp_path, raw))
    pl.DataFrame({"a": [1]}).write_parquet(tmp_path / "other.parquet")
    with pytest.raises(DataError, match="column ts_event is missing"):
        read(tmp_path / "other.parquet")


# --- fuzz ------------------------------------------------------------------------------------------------------------


def damaged(raw, rng):
    """The bytes, cut, flipped, doubled, or partly overwritten."""
    raw = bytearray(raw)
    how = rng.randrange(4)
    if how == 0:
        return bytes(raw[: rng.randrange(len(raw))])
    if how == 1:
        for _ in range(rng.randint(1, 6)):
            raw[rng.randrange(len(raw))] ^= 1 << rng.randrange(8)
    elif how == 2:
        at, to = sorted(rng.randrange(len(raw)) for _ in range(2))
        raw[at:to] = raw[at:to] * 2 if rng.random() < 0.5 else b""
    else:
        at = rng.randrange(len(raw))
        raw[at : at + 8] = rng.choice([b"\xff" * 8, b"\0" * 8, b"\x80" + b"\0" * 7, b"\x7f" + b"\xff" * 7])
    return bytes(raw)


def orders():
    rng, rows = random.Random(5), []
    for i in range(60):
        action, side = rng.choice([d.Action.ADD, d.Action.CANCEL, d.Action.MODIFY, d.Action.TRADE]), rng.choice("AB")
        rows.append(
            bytes(
                d.MBOMsg(
                    publisher_id=2, instrument_id=38, ts_event=START + i, order_id=rng.randrange(9),
                    size=rng.randint(1, 9),
                    price=(1000 + rng.randint(1, 9) * (1 if side == "A" else -1)) * CENT, channel_id=0, action=action,
                    side=d.Side.from_str(side), ts_recv=START + i, flags=130, ts_in_delta=0, sequence=i,
                )
            )
        )  # fmt: skip
    return metadata(schema=d.Schema.MBO) + b"".join(rows)


@pytest.mark.parametrize("kind", ["dbn", "mbp1"])
def test_what_is_read_of_a_damaged_file_is_what_stands_there(tmp_path, kind):
    """Records unpacked one by one, by the layout's offsets."""
    raw = to_dbn(random_session(3, 40, levels=10)) if kind == "dbn" else metadata() + b"".join(map(quote, range(20)))
    rng = random.Random(11)
    dataset = file_dataset("databento", put(tmp_path, raw), policy=DROP)
    compared = 0
    for _ in range(100):
        bad = damaged(raw, rng)
        with contextlib.suppress(DataError):
            for feed in databento.read_feeds([Blob("book", bad)], dataset):
                start, size = 8 + int.from_bytes(bad[4:8], "little"), len(quote(0)) if kind == "mbp1" else 368
                columns = ["line", "price", "size", "action", "side", "sequence", "bid_px_00", "ask_px_00", "bid_sz_00"]
                for line, *ours in feed.events.select(columns).iter_rows():
                    record = bad[start + (line - 1) * size :][:size]
                    price, lots, action, side = struct.unpack_from("<qIcc", record, 16)
                    there = (price, lots, action.decode(), side.decode(), *struct.unpack_from("<IqqI", record, 44))
                    assert tuple(ours) == there
                    compared += 1
    assert compared > 100


def test_every_cut_of_a_file_is_noticed(tmp_path):
    raw = metadata() + quote(0) + quote(1)
    dataset = file_dataset("databento", put(tmp_path, raw))
    whole = len(metadata()) + len(quote(0))
    for end in range(len(raw)):
        if end == whole:  # a cut between records cannot be seen
            continue
        with pytest.raises(DataError):
            list(databento.read_feeds([Blob("book", raw[:end])], dataset))
