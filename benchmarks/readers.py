"""Speed of readers and of the book builder, as ratios from one run: `make bench`.

Readers are compared with what no reader can avoid: polars reading the same columns of the same CSV, numpy copying the
columns of the same records, orjson parsing the same lines. The builder is
one kernel on one thread, numbering the orders included; its peers are a plain-Python book of dicts, and the limit is
copying what it writes. Each figure is the best of several repeats. The data are simulated and written for the
occasion.
"""

import argparse
import io
import tempfile
import time
import tracemalloc
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import polars as pl
from rich.console import Console
from rich.table import Table
from timing import best

from ofiml.config import FileDataset, Policy
from ofiml.data.book import MESSAGE_COLUMNS, build_events, kernel
from ofiml.data.checks import Checker
from ofiml.data.cutting import cut_sessions
from ofiml.data.feed import Blob, Feed
from ofiml.data.formats import dbn
from ofiml.data.readers.binance import streams as binance
from ofiml.data.readers.databento import mbp as databento
from ofiml.data.readers.itch import messages as itch
from ofiml.data.readers.lobster import days as lobster
from ofiml.data.schema import F_LAST
from ofiml.data.writers.vendors import to_dbn

ROWS, LEVELS = 300_000, 10
MESSAGES = 100_000


def order_stream(count: int, seed: int = 0) -> pl.DataFrame:
    """Messages of orders that come near the mid and are deleted at random, some thousands resting."""
    rng = np.random.default_rng(seed)
    picks = rng.random((count, 3))
    distances = rng.exponential(8.0, count).astype(np.int64)
    op, side, price, order = (np.empty(count, np.int64) for _ in range(4))
    live: list[int] = []
    mid = 10_000
    for i in range(count):
        if len(live) < 400 or (picks[i, 0] < 0.5 and len(live) < 4000):
            op[i], side[i], order[i] = kernel.ADD, picks[i, 1] < 0.5, 10**9 + i
            price[i] = mid - 1 - distances[i] if side[i] == kernel.BID else mid + distances[i]
            live.append(i)
        else:
            at = int(picks[i, 2] * len(live))
            born, live[at] = live[at], live[-1]
            live.pop()
            op[i], side[i], price[i], order[i] = kernel.DELETE, side[born], price[born], order[born]
    columns = {
        "line": np.arange(count),
        "ts_event": 1_700_000_000_000_000_000 + np.arange(count) * 1_000_000,
        "ts_recv": 1_700_000_000_000_100_000 + np.arange(count) * 1_000_000,
        "price": price * 10_000_000,
        "size": np.full(count, 100),
        "flags": np.full(count, F_LAST),
        "sequence": np.arange(count),
        "op": op,
        "op_side": side,
        "order": order,
        "show": np.full(count, kernel.ALWAYS),
    }
    frame = pl.DataFrame(columns).with_columns(action=pl.lit("A"), side=pl.lit("B"))
    return frame.select(pl.col(c).cast(t) for c, t in MESSAGE_COLUMNS.items())


def dict_book(messages: pl.DataFrame) -> None:
    """The same orders in dicts, with the top levels sorted out at each message."""
    orders: dict[int, tuple[int, int]] = {}
    sides: tuple[dict[int, int], dict[int, int]] = ({}, {})
    for op, side, price, size, order in messages.select("op", "op_side", "price", "size", "order").iter_rows():
        if op == kernel.ADD:
            orders[order] = (side, price)
            sides[side][price] = sides[side].get(price, 0) + size
        else:
            del orders[order]
            sides[side][price] -= size
            if sides[side][price] == 0:
                del sides[side][price]
        sorted(sides[kernel.BID], reverse=True)[:LEVELS]
        sorted(sides[kernel.ASK])[:LEVELS]


def table(title: str, rows: list[tuple[str, float, float]], first: str) -> None:
    """Print million rows per second of each (name, rows, seconds), and how the others compare with the first."""
    out = Table(title=title, box=None)
    for column in ("", "million rows/s", first):
        out.add_column(column, justify="right" if column else "left")
    base = rows[0][2] / rows[0][1]
    for name, count, seconds in rows:
        out.add_row(name, f"{count / seconds / 1e6:.2f}", f"{base / (seconds / count):.2f}x the time")
    Console().print(out)


def main() -> None:
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    messages = order_stream(1_000_000)
    price, size = (messages[c].to_numpy() for c in ("price", "size"))
    op, side, show = (messages[c].to_numpy() for c in ("op", "op_side", "show"))
    n = messages.height
    row_of, effect, placed = np.empty(n, np.int64), np.empty(n, np.uint8), np.empty(n, np.int64)
    px, sz, ct = (np.empty((2 * LEVELS, n), np.int64) for _ in range(3))

    def bare() -> None:
        numbered = messages["order"].rank("dense").cast(pl.Int64).to_numpy() - 1
        kernel.run(op, side, price, size, numbered, show, LEVELS, n, row_of, effect, placed, px, sz, ct)

    few = messages.head(20_000)
    copied = np.empty((3, 2 * LEVELS, n), np.int64)
    table(
        f"book builder: {n:,} order messages, a row of {LEVELS} levels for each",
        [
            ("builder, one thread", n, best(bare)),
            ("with messages and events as tables", n, best(lambda: build_events(messages, LEVELS))),
            ("copying what it writes", n, best(lambda: np.copyto(copied, px))),
            ("a book of dicts", few.height, best(lambda: dict_book(few))),
        ],
        "the builder takes",
    )

    events, _ = build_events(messages.head(ROWS), LEVELS)
    csv = Blob("book.csv", _as_csv(events))
    settings: dict[str, Any] = {
        "symbols": None,
        "calendar": "24/7",
        "hours": "all",
        "first_date": None,
        "last_date": None,
    }
    limits: dict[str, Any] = {
        "tick": 0.01,
        "size_unit": 1.0,
        "levels": None,
        "store": None,
        "max_sessions": None,
        "max_events": None,
    }
    dataset = FileDataset(name="databento", path=__file__, policy=Policy(), **settings, **limits)
    (feed,) = databento.read_feeds([csv], dataset)
    _lobster(dataset)
    _itch(dataset)
    columns = [c for c in feed.events.columns if c != "line"] + ["symbol"]
    table(
        f"CSV: {ROWS:,} rows of MBP-10, {len(csv.content) / 1e6:.0f} MB",
        [
            ("databento reader", ROWS, best(lambda: list(databento.read_feeds([csv], dataset)))),
            (
                "polars.read_csv, same columns",
                ROWS,
                best(lambda: pl.read_csv(io.BytesIO(csv.content), columns=columns)),
            ),
            ("checks of the books", ROWS, best(lambda: Checker("b", Policy()).check_book(feed.events, LEVELS))),
        ],
        "the reader takes",
    )
    _dbn(dataset, feed)
    _binance(dataset)


def _dbn(dataset: FileDataset, feed: Feed) -> None:
    """Held against numpy seeing the records and copying each column that the event schema has."""
    (session,) = cut_sessions(feed, dataset, "0" * 64)
    file = Blob("book.dbn", to_dbn(session))
    layout = dbn.make_record_dtype(dbn.MBP_10)
    names = [c for c in session.events.columns if c != "symbol"]
    start = len(file.content) - session.events.height * layout.itemsize

    def copied() -> pl.DataFrame:
        records = np.frombuffer(file.content, layout, offset=start)
        types = {"action": np.uint8, "side": np.uint8, "flags": np.uint8}
        kept = {c: np.uint32 if c[4:6] == "ct" else types.get(c, np.int64) for c in names}
        return pl.DataFrame({c: records[c].astype(t) for c, t in kept.items()})

    table(
        f"DBN: {session.events.height:,} records of MBP-10, {len(file.content) / 1e6:.0f} MB",
        [
            ("databento reader", ROWS, best(lambda: list(databento.read_feeds([file], dataset)))),
            ("np.frombuffer and a copy of each column", ROWS, best(copied)),
        ],
        "the reader takes",
    )


def _lobster(dataset: FileDataset) -> None:
    """Hold the reader against unzipping and polars, in CPU time: both use several threads."""
    rng = np.random.default_rng(3)
    mid = 2_236_300 + 100 * rng.integers(-1, 2, ROWS).cumsum()
    seconds = 34_200 + np.sort(rng.random(ROWS)) * 23_400
    messages = {"time": seconds.round(9), "type": rng.integers(1, 6, ROWS), "order": 11_885_113 + np.arange(ROWS),
                "size": rng.integers(1, 500, ROWS), "price": mid - 100, "side": np.ones(ROWS, np.int64)}  # fmt: skip
    books = {f"{side}_{m}_{q}": (mid + sign * (100 + 100 * m) if q == "px" else rng.integers(1, 500, ROWS))
             for m in range(5) for side, sign in (("ask", 1), ("bid", -1)) for q in ("px", "sz")}  # fmt: skip
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for kind, table_ in (("message", messages), ("orderbook", books)):
            name = f"ABC_2012-06-21_34200000_57600000_{kind}_5.csv"
            archive.writestr(name, pl.DataFrame(table_).write_csv(include_header=False, float_precision=9))
    blob = Blob("day.zip", packed.getvalue())
    day = replace(dataset, name="lobster", calendar="XNYS", hours="regular")

    def read_plainly() -> None:
        with zipfile.ZipFile(io.BytesIO(blob.content)) as archive:
            for info in archive.infolist():
                pl.read_csv(io.BytesIO(archive.read(info)), has_header=False)

    table(
        f"LOBSTER: {ROWS:,} messages with 5 levels, {len(blob.content) / 1e6:.0f} MB packed, CPU time",
        [
            ("lobster reader", ROWS, best(lambda: list(lobster.read_feeds([blob], day)), clock=time.process_time)),
            ("unzip and polars.read_csv", ROWS, best(read_plainly, clock=time.process_time)),
        ],
        "the reader takes",
    )


def _binance(dataset: FileDataset) -> None:
    """Held against orjson parsing each line, whose values nothing uses, by CPU time."""
    stream = Blob("stream.txt", _as_stream())
    dataset = replace(dataset, name="binance", tick=0.1, size_unit=0.001, policy=Policy(clock="keep"))
    count = stream.content.count(b"\n")

    cpu = time.process_time

    def parsed() -> None:
        for line in io.BytesIO(stream.content):
            orjson.loads(line.partition(b" ")[2])

    table(
        f"Binance: {count:,} messages of a stream, {len(stream.content) / 1e6:.0f} MB",
        [
            ("binance reader", count, best(lambda: list(binance.read_feeds([stream], dataset)), 10, cpu)),
            ("orjson.loads of each line", count, best(parsed, 10, cpu)),
        ],
        "the reader takes",
    )


def _itch(dataset: FileDataset) -> None:
    """Hold the reader against reading the file, and show the memory that it needs."""
    n = 3_000_000
    layout = np.dtype([("length", ">u2"), ("type", "S1"), ("locate", ">u2"), ("tracking", ">u2"), ("high", ">u2"),
                       ("time", ">u4"), ("order", ">u8"), ("side", "S1"), ("shares", ">u4"), ("stock", "S8"),
                       ("price", ">u4")])  # fmt: skip
    rows = np.zeros(n, layout)
    rows["length"], rows["type"], rows["shares"], rows["high"] = 36, b"A", 100, 7_962  # 34,200 s in units of 2^32 ns
    rows["order"], rows["time"], rows["side"] = np.arange(n), np.arange(n), b"B"
    rows["locate"] = 1 + (np.arange(n) % 100 > 0)
    rows["stock"] = np.where(rows["locate"] == 1, b"AAA     ", b"BBB     ")
    rows["price"] = 100_000 - 100 * (np.arange(n) % 50)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "01302020.NASDAQ_ITCH50"
        path.write_bytes(rows.tobytes())
        day = replace(dataset, name="itch", calendar="XNAS", symbols=["AAA"])

        def read() -> None:
            list(itch.read_feeds([Blob(path.name, path=path)], day))

        read()  # compiles
        tracemalloc.start()
        read()
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        table(
            f"ITCH: {n:,} messages, {path.stat().st_size / 1e6:.0f} MB, one symbol of 1 %: {peak / 1e6:.0f} MB at most",
            [
                ("itch reader", n, best(read, clock=time.process_time)),
                ("reading the file", n, best(lambda: path.read_bytes(), clock=time.process_time)),
            ],
            "the reader takes",
        )


def _as_stream() -> bytes:
    """As Binance's perpetuals send it: 7 % depth updates of 60 levels, 23 % trades, 70 % best quotes."""
    rng = np.random.default_rng(0)
    kinds = rng.random(MESSAGES)
    mid, last, lines = 600_000, 10**12, []
    sides = [[[f"{(mid - sign * k) / 10:.1f}0", f"{k}.000"] for k in range(1, 1001)] for sign in (1, -1)]
    for i, kind in enumerate(kinds):
        t = 1_723_161_255_000 + 4 * i
        if i == 0:
            message: dict[str, Any] = {"lastUpdateId": last, "bids": sides[0], "asks": sides[1], "E": t, "T": t}
            lines.append(b"%d000000 %b" % (t, orjson.dumps(message)))
            continue
        if kind < 0.07:
            distance = np.ceil(rng.exponential(200.0, (2, 30))).astype(np.int64)
            sizes = rng.integers(0, 9_000, (2, 30)) * (rng.random((2, 30)) < 0.7)
            bids, asks = (
                [
                    [f"{(mid - sign * d) / 10:.1f}0", f"{q / 1000:.3f}"]
                    for d, q in zip(distance[s], sizes[s], strict=True)
                ]
                for s, sign in ((0, 1), (1, -1))
            )
            data = {"e": "depthUpdate", "E": t, "T": t, "s": "BTCUSDT", "U": last + 1, "u": last + 60, "pu": last}
            data |= {"b": bids, "a": asks}
            last += 60
        elif kind < 0.3:
            data = {"e": "trade", "E": t, "T": t, "s": "BTCUSDT", "t": i, "p": f"{mid / 10:.1f}0", "q": "0.006"}
            data |= {"X": "MARKET", "m": bool(i % 2)}
        else:
            data = {"e": "bookTicker", "u": last, "s": "BTCUSDT", "b": "59999.90", "B": "2.507", "a": "60000.10"}
            data |= {"A": "2.510", "T": t, "E": t}
        name = {"depthUpdate": "depth@0ms"}.get(str(data["e"]), str(data["e"]))
        lines.append(b"%d000000 %b" % (t, orjson.dumps({"stream": f"btcusdt@{name}", "data": data})))
    return b"\n".join(lines) + b"\n"


def _as_csv(events: pl.DataFrame) -> bytes:
    """As Databento writes it: ISO times, decimal prices."""
    prices = [c for c in events.columns if "px" in c or c == "price"]
    written = events.drop("line").with_columns(
        pl.col("ts_event", "ts_recv").dt.strftime("%Y-%m-%dT%H:%M:%S%.9fZ"),
        *((pl.col(c) / 1e9).round(9) for c in prices),
        *(pl.col(c).fill_null(0) for c in events.columns if c[4:6] in ("sz", "ct")),
        symbol=pl.lit("AAA"),
    )
    return written.write_csv(float_precision=9).encode()


if __name__ == "__main__":
    main()
