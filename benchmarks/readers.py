"""Speed of readers and of the book builder, as ratios from one run: `make bench`.

Readers are compared with what no reader can avoid: polars reading the same columns of the same CSV, numpy copying the
columns of the same records, orjson parsing the same lines, unzipping. The builder is one kernel on one thread,
numbering the orders included; its peers are a plain-Python book of dicts, and the limit is copying what it writes. Each
figure is the CPU time, of all threads, of the best of several repeats. The data are made for the occasion; real files
of Binance and LOBSTER are read too where the folder OFIML_TEST_DATA has them.
"""

import argparse
import gzip
import io
import os
import tempfile
import time
import tracemalloc
import zipfile
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import made
import numpy as np
import orjson
import polars as pl
from rich.console import Console
from rich.table import Table
from timing import best_in_turn

from ofiml.config import FileDataset, Policy
from ofiml.data.book import build_events, kernel
from ofiml.data.checks import Checker
from ofiml.data.cutting import cut_sessions
from ofiml.data.feed import Blob, Feed
from ofiml.data.formats import dbn
from ofiml.data.readers.binance import streams as binance
from ofiml.data.readers.databento import mbp as databento
from ofiml.data.readers.itch import messages as itch
from ofiml.data.readers.lobster import days as lobster
from ofiml.data.writers.vendors import to_dbn

ROWS, LEVELS = 300_000, 10
STREAMS = {"usdm_btcusdt_20240808.gz": (0.1, 0.001), "spot_btcusdt_20240808.gz": (0.01, 1e-5)}  # tick, step of sizes

Work = tuple[str, int, Callable[[], object]]  # its name, the rows that it handles, and what is measured


def update_dicts(messages: pl.DataFrame) -> None:
    """Keep the same orders in dicts, and sort out the top levels at each message."""
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


def print_table(title: str, works: list[Work], first: str, repeats: int = 5) -> None:
    """Measure the works in turn; print million rows per second of each, and how the others compare with the first."""
    out = Table(title=title, box=None)
    for column in ("", "million rows/s", first):
        out.add_column(column, justify="right" if column else "left")
    seconds = best_in_turn([work for _, _, work in works], repeats, time.process_time)
    per_row = [its_seconds / count for its_seconds, (_, count, _) in zip(seconds, works, strict=True)]
    for (name, _, _), its_time in zip(works, per_row, strict=True):
        out.add_row(name, f"{1e-6 / its_time:.2f}", f"{per_row[0] / its_time:.2f}x the time")
    Console().print(out)


def main() -> None:
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    messages = made.make_orders(1_000_000)
    price, size = (messages[c].to_numpy() for c in ("price", "size"))
    op, side, show = (messages[c].to_numpy() for c in ("op", "op_side", "show"))
    n = messages.height
    row_of, effect = np.empty(n, np.int64), np.empty(n, np.uint8)
    px, sz, ct = (np.empty((2 * LEVELS, n), np.int64) for _ in range(3))

    def bare() -> None:
        numbered = messages["order"].rank("dense").cast(pl.Int64).to_numpy() - 1
        kernel.run(op, side, price, size, numbered, show, LEVELS, n, row_of, effect, px, sz, ct)

    few = messages.head(20_000)
    copied = np.empty((3, 2 * LEVELS, n), np.int64)
    print_table(
        f"book builder: {n:,} order messages, a row of {LEVELS} levels for each",
        [
            ("builder, one thread", n, bare),
            ("with messages and events as tables", n, lambda: build_events(messages, LEVELS)),
            ("copying what it writes", n, lambda: np.copyto(copied, px)),
            ("a book of dicts", few.height, lambda: update_dicts(few)),
        ],
        "the builder takes",
    )

    events, _ = build_events(messages.head(ROWS), LEVELS)
    csv = Blob("book.csv", made.make_databento_csv(events))
    absent = ("symbols", "first_date", "last_date", "levels", "store", "max_sessions", "max_events")
    settings: dict[str, Any] = dict.fromkeys(absent) | {"calendar": "24/7", "hours": "all", "tick": 0.01}
    dataset = FileDataset(name="databento", path=__file__, policy=Policy(), size_unit=1.0, **settings)
    (feed,) = databento.read_feeds([csv], dataset)
    columns = [c for c in feed.events.columns if c != "line"] + ["symbol"]
    print_table(
        f"CSV: {ROWS:,} rows of MBP-10, {len(csv.content) / 1e6:.0f} MB",
        [
            ("databento reader", ROWS, lambda: list(databento.read_feeds([csv], dataset))),
            (
                "polars.read_csv, same columns",
                ROWS,
                lambda: pl.read_csv(io.BytesIO(csv.content), columns=columns),
            ),
            ("checks of the books", ROWS, lambda: Checker("b", Policy()).check_book(feed.events, LEVELS)),
        ],
        "the reader takes",
    )
    measure_dbn(dataset, feed)
    measure_lobster(dataset)
    measure_binance(dataset)
    measure_itch(dataset)


def measure_dbn(dataset: FileDataset, feed: Feed) -> None:
    """Compare the reader with numpy copying each column that the event schema has from the records."""
    (session,) = cut_sessions(feed, dataset, "0" * 64)
    file = Blob("book.dbn", to_dbn(session))
    layout = dbn.make_record_dtype(dbn.MBP_10)
    names = [c for c in session.events.columns if c != "symbol"]
    start = len(file.content) - session.events.height * layout.itemsize

    def copy() -> pl.DataFrame:
        records = np.frombuffer(file.content, layout, offset=start)
        types = {"action": np.uint8, "side": np.uint8, "flags": np.uint8}
        kept = {c: np.uint32 if c[4:6] == "ct" else types.get(c, np.int64) for c in names}
        return pl.DataFrame({c: records[c].astype(t) for c, t in kept.items()})

    print_table(
        f"DBN: {session.events.height:,} records of MBP-10, {len(file.content) / 1e6:.0f} MB",
        [
            ("databento reader", ROWS, lambda: list(databento.read_feeds([file], dataset))),
            ("np.frombuffer and a copy of each column", ROWS, copy),
        ],
        "the reader takes",
    )


def measure_lobster(dataset: FileDataset) -> None:
    """Compare the reader with unzipping and polars."""
    day = replace(dataset, name="lobster", calendar="XNYS", hours="regular")
    real = [f"lobster/LOBSTER_SampleFile_AMZN_2012-06-21_{n}.zip" for n in (5, 1)]
    for blob in [Blob("made.zip", made.make_lobster_zip(ROWS)), *read_real_files(real)]:
        tables = unzip(blob)
        count = max(table.height for table in tables)
        print_table(
            f"LOBSTER, {blob.name}: {count:,} messages, {blob.size / 1e6:.1f} MB packed",
            [
                ("lobster reader", count, run(lobster.read_feeds, blob, day)),
                ("unzip and polars.read_csv", count, partial(unzip, blob)),
            ],
            "the reader takes",
            10,
        )


def unzip(blob: Blob) -> list[pl.DataFrame]:
    """Unzip the CSV files of an archive and read them with polars."""
    with zipfile.ZipFile(io.BytesIO(blob.content)) as archive:
        names = [name for name in archive.namelist() if name.endswith(".csv")]
        return [pl.read_csv(io.BytesIO(archive.read(name)), has_header=False) for name in names]


def measure_binance(dataset: FileDataset) -> None:
    """Compare the reader with orjson parsing each line, whose values nothing uses."""
    keep = Policy(clock="keep", time_reversal="keep")
    stream = Blob("made", made.make_binance_stream(100_000))
    inputs = [(stream, replace(dataset, name="binance", tick=0.1, size_unit=0.001, policy=keep))]
    for packed in read_real_files([f"binance/{name}" for name in STREAMS]):
        tick, step = STREAMS[packed.name]
        unpacked = Blob(packed.name, gzip.decompress(packed.content))
        inputs.append((unpacked, replace(inputs[0][1], tick=tick, size_unit=step)))
    for blob, settings in inputs:
        count = blob.content.count(b"\n")
        print_table(
            f"Binance, {blob.name}: {count:,} messages of a stream, {blob.size / 1e6:.0f} MB",
            [
                ("binance reader", count, run(binance.read_feeds, blob, settings)),
                ("orjson.loads of each line", count, partial(parse_lines, blob)),
            ],
            "the reader takes",
            10,
        )


def parse_lines(blob: Blob) -> None:
    """Parse the message of each line."""
    for line in io.BytesIO(blob.content):
        orjson.loads(line.partition(b" ")[2])


def measure_itch(dataset: FileDataset) -> None:
    """Compare the reader with reading the file, and show the memory that Python objects and arrays take at most."""
    count = 3_000_000
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "01302020.NASDAQ_ITCH50"
        made.write_itch(path, count)
        day = replace(dataset, name="itch", calendar="XNAS", symbols=["AAA"])
        read = run(itch.read_feeds, Blob(path.name, path=path), day)
        read()  # compiles
        tracemalloc.start()
        read()
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        size = path.stat().st_size / 1e6
        print_table(
            f"ITCH: {count:,} messages, {size:.0f} MB, one symbol of 1 %: {peak / 1e6:.0f} MB of arrays at most",
            [("itch reader", count, read), ("reading the file", count, lambda: path.read_bytes())],
            "the reader takes",
            10,
        )


def run(read: Callable[..., Any], blob: Blob, dataset: FileDataset) -> Callable[[], list[Feed]]:
    """Return a function that reads all feeds of a file."""
    return lambda: list(read([blob], dataset))


def read_real_files(names: list[str]) -> list[Blob]:
    """Read those of the real files that are there; print which are not."""
    folder = os.environ.get("OFIML_TEST_DATA")
    paths = [Path(folder or "") / name for name in names]
    for path in paths:
        if folder is None or not path.is_file():
            print(f"left out: {path.name} (set OFIML_TEST_DATA to the folder that holds it)")
    return [Blob(path.name, path.read_bytes()) for path in paths if folder is not None and path.is_file()]


if __name__ == "__main__":
    main()
