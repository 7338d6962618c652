"""One small valid input of every format that a reader takes."""

import gzip
import io
import json
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import py7zr
import pyarrow as pa

from ofiml.config import FileDataset, Policy
from ofiml.data.readers.algoseek import AlgoseekDataset
from ofiml.data.readers.quotes import QuotesDataset
from ofiml.data.writers.vendors import to_dbn
from tests.books import random_session
from tests.data import (
    test_algoseek,
    test_binance,
    test_binance_depth,
    test_bybit,
    test_ccxt,
    test_databento,
    test_hftbacktest,
    test_itch,
    test_quotes,
    test_tardis,
)
from tests.golden.test_aapl import file_dataset

Files = dict[str, bytes]
MBO_HEADER = "ts_recv,ts_event,action,side,price,size,order_id,flags,sequence,symbol,instrument_id,publisher_id"


@dataclass(frozen=True)
class Sample:
    """A valid input: what its files hold before they are packed, and how they are.

    `kind` says what can be damaged inside: `csv` has a header line, `lines` none, `json` a message a line or a list,
    `binary` neither, `table` are bytes of Parquet. `unpacks`: the reader takes the files in gzip as well.
    """

    name: str
    kind: str
    members: Files
    pack: Callable[[Files], Files]
    given: str
    config: Callable[[Path, Policy], FileDataset]
    unpacks: bool = False

    def files(self) -> Files:
        return self.pack(self.members)


def as_is(members: Files) -> Files:
    return dict(members)


def gzipped(members: Files) -> Files:
    return {name: gzip.compress(content, 1, mtime=0) for name, content in members.items()}


def zstd(members: Files) -> Files:
    return {name: pa.compress(content, "zstd", asbytes=True) for name, content in members.items()}


def zipped(members: Files, name: str = "days.zip") -> Files:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for member, content in members.items():
            archive.writestr(zipfile.ZipInfo(member), content, zipfile.ZIP_DEFLATED)
    return {name: buffer.getvalue()}


def seven_zipped(members: Files, name: str = "days.7z") -> Files:
    buffer = io.BytesIO()
    with py7zr.SevenZipFile(buffer, "w", filters=[{"id": py7zr.FILTER_LZMA2, "preset": 0}]) as archive:
        for member, content in members.items():
            archive.writestr(content, member)
    return {name: buffer.getvalue()}


def _plain(name: str, **settings: Any) -> Callable[[Path, Policy], FileDataset]:
    return lambda path, policy: file_dataset(name, path, policy=policy, **({"tick": 1e-9} | settings))


_TARDIS_QUOTES = [(0, "3,100.1,100.0,2"), (9, "3,100.1,99.9,4"), (20, "0.5,100.2,99.9,4"), (30, ",,99.9,4"),
                  (40, "7,130001000.5,130000000,1")]  # fmt: skip
_CRYPTO = {"calendar": "24/7", "hours": "regular", "size_unit": 0.001}


def _quotes(path: Path, policy: Policy) -> QuotesDataset:
    return test_quotes.config(path, policy=policy, tick=1e-9)


def _more_quotes() -> Iterator[Sample]:
    """Wide tables, a zip, decimal commas, dates apart, Parquet, a file without a header."""

    def sample(
        name: str, kind: str, content: bytes, pack: Callable[[Files], Files], given: str, **settings: Any
    ) -> Sample:
        def config(path: Path, policy: Policy) -> QuotesDataset:
            return test_quotes.config(path, policy=policy, tick=1e-9, **settings)

        member = "x.parquet" if kind == "table" else "x.csv"
        return Sample(f"quotes_{name}", kind, {member: content}, pack, given, config)

    levels = {"bid": "b{level}", "bid_size": "bs{level}", "ask": "a{level}", "ask_size": "as{level}", "time": "t"}
    rows = [
        f"17054154{i:02d}.5,{10 - i / 100:.2f},{1 + i},10.1,2,{9.8 - i / 100:.2f},3,10.25,{i + 4}" for i in range(8)
    ]
    wide = _joined("t,b0,bs0,a0,as0,b1,bs1,a1,as1", *rows)
    crypto = {"calendar": "24/7", "symbols": ["X"], "size_unit": 1.0}
    yield sample("wide", "csv", wide, as_is, "x.csv", columns=levels, **crypto)
    yield sample("zip", "csv", wide, zipped, "days.zip", columns=levels, **crypto)
    frame = pl.read_csv(io.BytesIO(wide)).with_columns(pl.from_epoch(pl.col("t").floor().cast(pl.Int64), "s"))
    yield sample("parquet", "table", _parquet(frame), as_is, "x.parquet", columns=levels, **crypto)
    comma = _joined(test_quotes.HEADER, *test_quotes.ROWS).replace(b",", b";").replace(b".", b",")
    yield sample("comma", "binary", comma, as_is, "x.csv", decimal="comma")
    names = {"date": "d", "time": "t", "bid": "b", "ask": "a", "bid_size": "bs", "ask_size": "as", "symbol": "s"}
    names |= {"exchange": "e", "sequence": "n", "suffix": "f"}
    taq = [f"2024-01-16,9:30:{i:02d}.{i},IBM,{'NQ'[i % 2]},{i},10.{i},10.9,{i + 1},2,{'A' * (i > 4)}" for i in range(8)]
    yield sample("taq", "csv", _joined("d,t,s,e,n,b,a,bs,as,f", *taq), as_is, "x.csv", columns=names, exchange="N",
                 time_zone="America/New_York", blank="unchanged")  # fmt: skip
    header = ["time", "bid", "ask", "bid_size", "ask_size"]
    bare = _joined(*(f"17054154{i:02d}000,10.{i},10.9,{i + 1},2" for i in range(8)))
    yield sample("headless", "lines", bare, as_is, "x.csv", columns=dict(zip(header, header, strict=True)),
                 header=header, **crypto)  # fmt: skip


def _algoseek(path: Path, policy: Policy) -> AlgoseekDataset:
    return test_algoseek.config(path, policy=policy, tick=1e-9)


def _joined(*lines: str) -> bytes:
    return ("\n".join(lines) + "\n").encode()


def _databento_csv() -> bytes:
    quantities = [f"{s}_{q}_{m:02d}" for m in range(2) for q in ("px", "sz", "ct") for s in ("bid", "ask")]
    header = ",".join(["ts_recv,ts_event,action,side,price,size,flags,sequence", *quantities, "symbol"])
    rows = [
        f"2024-10-21T14:00:{i:02d}.000000001Z,2024-10-21T14:00:{i:02d}Z,{'AT'[i % 3 == 2]},B,{10 + i / 100:.2f},5,128,"
        f"{i},{10 + i / 100:.2f},{10.03 + i / 100:.2f},{5 + i},7,1,2,"
        f"{9.9 + i / 100:.2f},{10.1 + i / 100:.2f},3,{4 + i},1,1,{'X' if i < 6 else 'Y'}"
        for i in range(1, 10)
    ]
    return _joined(header, *rows)


def _raw_csv() -> bytes:
    header = "ts_recv,ts_event,action,side,price,size,flags,sequence,bid_px_00,ask_px_00,bid_sz_00,ask_sz_00,symbol"
    start = test_databento.START
    rows = [
        f"{start + i * 10**9 + 1},{start + i * 10**9},A,B,10010000000,5,128,{i},{10_010_000_000 + i * 10**7},"
        f"{10_050_000_000 + i * 10**7},{5 + i},7,X"
        for i in range(1, 9)
    ]
    return _joined(header, *rows)


_QUOTE = "bid_px_00,ask_px_00,bid_sz_00,ask_sz_00"


def _bbo_csv() -> bytes:
    header = f"ts_recv,ts_event,rtype,publisher_id,instrument_id,side,price,size,flags,sequence,{_QUOTE},symbol"
    rows = [
        f"2024-10-21T14:00:{i:02d}.000000000Z,2024-10-21T13:59:{i:02d}.5Z,195,2,38,B,10.01,5,168,{i},"
        f"{10 + i / 100:.2f},{10.03 + i / 100:.2f},{5 + i},7,X"
        for i in range(1, 9)
    ]
    return _joined(header, *rows)


def _tbbo_csv() -> bytes:
    header = f"ts_recv,ts_event,rtype,instrument_id,action,side,price,size,flags,sequence,{_QUOTE},bid_ct_00,ask_ct_00"
    rows = [
        f"2024-10-21T14:00:{i:02d}.000000001Z,2024-10-21T14:00:{i:02d}Z,1,38,T,B,10.01,5,128,{i},{10 + i / 100:.2f},"
        f"{10.03 + i / 100:.2f},{5 + i},7,1,2"
        for i in range(1, 9)
    ]
    return _joined(header, *rows)


def _cmbp_csv() -> bytes:
    header = f"ts_recv,ts_event,publisher_id,instrument_id,action,side,price,size,flags,{_QUOTE},bid_pb_00,ask_pb_00"
    rows = [
        f"2024-10-21T14:00:{i:02d}.000000001Z,2024-10-21T14:00:{i:02d}Z,{2 + 39 * (i % 2)},38,{'AT'[i % 2]},B,10.01,5,"
        f"128,{10 + i / 100:.2f},{10.03 + i / 100:.2f},{5 + i},7,2,41"
        for i in range(1, 9)
    ]
    return _joined(header, *rows)


def _mbo_csv() -> bytes:
    rows = []
    for i in range(14):
        side = "AB"[i % 2]
        price = 10.10 + i / 100 if side == "A" else 10.05 - i / 100
        action, order = (("A", i), ("A", i), ("M", i - 2), ("C", i - 2), ("T", 0), ("F", 1), ("A", i))[i % 7]
        stamp = f"2024-10-21T14:00:{i:02d}"
        rows.append(f"{stamp}.000000001Z,{stamp}Z,{action},{side},{price:.2f},{3 + i},{order},128,{i},X,38,2")
    return _joined(MBO_HEADER, *rows)


def _parquet(events: pl.DataFrame) -> bytes:
    buffer = io.BytesIO()
    events.write_parquet(buffer)
    return buffer.getvalue()


_MESSAGE = "ABC_2012-06-21_34200000_57600000_message_{}.csv"
_LOBSTER = [
    ("34200.5,1,11,100,2000000,1", "2000100,50,2000000,100,2000300,7,1999900,3"),
    ("34201.000000001,4,12,10,2000100,-1", "2000100,40,2000000,100,2000300,7,1999900,3"),
    ("34300,7,0,0,-1,-1", "2000100,40,2000000,100,2000300,7,1999900,3"),
    ("34400,1,13,5,2000000,1", "9999999999,0,2000000,105,9999999999,0,1999900,3"),
    ("34401.25,3,14,5,2000200,-1", "2000200,8,2000000,105,9999999999,0,1999900,3"),
    ("34402,5,0,1,2000100,1", "2000200,8,2000000,105,9999999999,0,-9999999999,0"),
]
_PAIR = {
    _MESSAGE.format(2): _joined(*(m for m, _ in _LOBSTER)),
    _MESSAGE.format(2).replace("_message_", "_orderbook_"): _joined(*(b for _, b in _LOBSTER)),
}


def _lobster_alone() -> bytes:
    rows = []
    for i in range(30):
        side = 1 - 2 * (i % 2)
        price = 2000000 - 100 * (i % 7) * side
        rows.append(f"{34200 + i / 8},{(1, 1, 1, 2, 4, 3)[i % 6]},{i // 2},{10 + i},{price},{side}")
    return _joined(*rows)


def _binance_messages() -> list[dict[str, Any]]:
    b = test_binance
    return [
        b.depth(8, 9, 7, [("99.0", "1")]),
        b.BOOK,
        *b.GAP[1:],
        b.trade(2, "99.0", "0.25", maker=True, at=19),
        b.ticker(20, "99.0", "1", "101.0", "1"),
    ]


def _tardis_snapshots() -> bytes:
    names = [f"{side}s[{m}].{what}" for m in range(3) for side in ("ask", "bid") for what in ("price", "amount")]
    header = ",".join(["exchange,symbol,timestamp,local_timestamp", *names])
    t = test_tardis.START
    rows = [
        f"x,BTCUSDT,{t + 10 * i - 5},{t + 10 * i},{100.1 + i:.1f},{i}.5,{100.0 + i:.1f},2,"
        f"{100.2 + i:.1f},1,{99.9 + i:.1f},0.001,,,{99.5 + i:.1f},4"
        for i in range(1, 8)
    ]
    return _joined(header, *rows)


def samples() -> dict[str, Sample]:
    """Every sample by its name, DATASET or DATASET_FORM."""
    return {s.name: s for s in _samples()}


def _samples() -> Iterator[Sample]:
    events = random_session(3, 25, levels=10)
    usual = _plain("databento")
    always = _plain("databento", calendar="24/7")
    yield Sample("databento_csv", "csv", {"x.csv": _databento_csv()}, as_is, "x.csv", usual, unpacks=True)
    yield Sample("databento_raw", "csv", {"x.csv.zst": _raw_csv()}, zstd, "x.csv.zst", usual, unpacks=True)
    yield Sample("databento_dbn", "binary", {"x.dbn": to_dbn(events)}, as_is, "x.dbn", always, unpacks=True)
    mbp1 = test_databento.metadata() + b"".join(test_databento.quote(i) for i in range(12))
    yield Sample("databento_mbp1", "binary", {"x.dbn.zst": mbp1}, zstd, "x.dbn.zst", always, unpacks=True)
    yield Sample("databento_bbo", "csv", {"x.csv": _bbo_csv()}, as_is, "x.csv", usual, unpacks=True)
    yield Sample("databento_tbbo", "csv", {"x.csv": _tbbo_csv()}, as_is, "x.csv", usual, unpacks=True)
    yield Sample("databento_cmbp", "csv", {"x.csv": _cmbp_csv()}, as_is, "x.csv", usual, unpacks=True)
    live = test_databento.live(*(test_databento.quote(i) for i in range(9)))
    yield Sample("databento_live", "binary", {"x.dbn": live}, as_is, "x.dbn", always, unpacks=True)
    yield Sample("databento_parquet", "table", {"x.parquet": _parquet(events.events)}, as_is, "x.parquet", always)
    mbo = _plain("databento_mbo")
    yield Sample("databento_mbo_csv", "csv", {"x.csv": _mbo_csv()}, as_is, "x.csv", mbo, unpacks=True)
    orders = test_databento.orders()
    yield Sample("databento_mbo_dbn", "binary", {"x.dbn": orders}, as_is, "x.dbn", mbo, unpacks=True)
    lobster = _plain("lobster", hours="regular")
    message = _MESSAGE.format(2)
    yield Sample("lobster_pair", "lines", _PAIR, as_is, message, lobster, unpacks=True)
    yield Sample("lobster_zip", "lines", _PAIR, zipped, "days.zip", lobster)
    yield Sample("lobster_7z", "lines", _PAIR, seven_zipped, "days.7z", lobster)
    yield Sample("lobster_messages", "lines", {message: _lobster_alone()}, as_is, message, lobster)
    itch = _plain("itch", hours="regular")
    day = {test_itch.NAME: test_itch.framed(*test_itch.DAY)}
    yield Sample("itch", "binary", day, as_is, test_itch.NAME, itch, unpacks=True)
    bare = {test_itch.NAME: b"".join(test_itch.DAY)}
    yield Sample("itch_bare", "binary", bare, as_is, test_itch.NAME, itch, unpacks=True)
    binance = _plain("binance", **_CRYPTO)
    messages = _binance_messages()
    stamps = ((test_binance.START + i) * 10**6 for i in range(len(messages)))
    stream = _joined(*(f"{t} {json.dumps(m)}" for t, m in zip(stamps, messages, strict=True)))
    yield Sample("binance_stream", "json", {"x.txt": stream}, as_is, "x.txt", binance, unpacks=True)
    updates = [test_binance.spot(m) for m in messages if m.get("e") == "depthUpdate"]
    pair = {"a_update.json": json.dumps(updates).encode(), "a_snapshot.json": json.dumps(test_binance.BOOK).encode()}
    yield Sample("binance_pair", "json", pair, as_is, "a_update.json", binance, unpacks=True)
    t_depth = {f"a_depth_{part}.csv": content for part, content in test_binance_depth.T_DEPTH.items()}
    yield Sample("binance_t_depth", "csv", t_depth, as_is, "a_depth_update.csv", binance, unpacks=True)
    books = [test_binance_depth.partial(i) for i in range(1, 9)]
    partial = _joined(*(f"{(test_binance.START + i) * 1000} {json.dumps(m)}" for i, m in enumerate(books)))
    yield Sample("binance_partial", "json", {"x.txt": partial}, as_is, "x.txt", binance, unpacks=True)
    bybit = _joined(*map(json.dumps, test_bybit.STREAM))
    yield Sample("bybit", "json", {"x.data": bybit}, zipped, "days.zip", _plain("bybit", **_CRYPTO))
    lines = _joined(*map(json.dumps, test_ccxt.BOOKS))
    yield Sample("ccxt", "json", {"x.jsonl": lines}, as_is, "x.jsonl", _plain("ccxt", **_CRYPTO), unpacks=True)
    hft = _plain("hftbacktest", **_CRYPTO | {"tick": 0.1})
    yield Sample("hftbacktest", "binary", {"x.npz": test_hftbacktest.pack()}, as_is, "x.npz", hft)
    tardis = _plain("tardis", **_CRYPTO)
    names = {k: test_tardis.NAME.format(k) for k in ("incremental_book_L2", "book_snapshot_5", "trades")}
    trades = _joined(test_tardis.TRADE_HEADER, *test_tardis.trades())
    rows = _joined(test_tardis.BOOK_HEADER, *test_tardis.book())
    for form, book, content in (("incremental", "incremental_book_L2", rows), ("snapshot", "book_snapshot_5", None)):
        files = {names[book]: content or _tardis_snapshots()}
        yield Sample(f"tardis_{form}", "csv", files, gzipped, names[book], tardis)
        yield Sample(f"tardis_{form}_trades", "csv", files | {names["trades"]: trades}, gzipped, names[book], tardis)
    quotes = _joined(
        "exchange,symbol,timestamp,local_timestamp,ask_amount,ask_price,bid_price,bid_amount",
        *(f"x,BTCUSDT,{test_tardis.START + t - 5},{test_tardis.START + t},{r}" for t, r in _TARDIS_QUOTES),
    )
    yield Sample("tardis_quotes", "csv", {names["trades"].replace("trades", "quotes"): quotes, names["trades"]: trades},
                 gzipped, names["trades"].replace("trades", "quotes"), tardis)  # fmt: skip
    taq = _joined(test_algoseek.HEADER, *test_algoseek.ROWS)
    yield Sample("algoseek", "csv", {"x.csv": taq}, as_is, "x.csv", _algoseek, unpacks=True)
    quotes = _joined(test_quotes.HEADER, *test_quotes.ROWS)
    yield Sample("quotes", "csv", {"x.csv": quotes}, as_is, "x.csv", _quotes, unpacks=True)
    yield from _more_quotes()
    small = random_session(4, 25, levels=3).events
    own = _plain("parquet", calendar="24/7")
    yield Sample("parquet", "table", {"x.parquet": _parquet(small)}, as_is, "x.parquet", own)
