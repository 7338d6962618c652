"""A reader to copy: `cp _template.py acme.py`, then change the marked lines. docs/add-a-source.md has every step.

The format is made up: a CSV with one exchange message per line, the best quotes after it, and two clocks.

    symbol,sent,received,kind,side,price,size,bid,bid_size,ask,ask_size
    ABC,1729519201000000000,1729519201000200000,new,buy,10.01,5,10.01,5,10.03,7
    ABC,1729519202000000000,1729519202000150000,trade,sell,10.01,2,10.01,3,10.03,7

A side without orders has an empty price and size.
"""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from ofiml.config import FileDataset
from ofiml.data.readers import Reader

if TYPE_CHECKING:
    from ofiml.data.feed import Blob, Feed


def read_feeds(files: Sequence["Blob"], dataset: FileDataset) -> Iterator["Feed"]:
    """Yield each symbol's events in file order.

    Raises DataError for a missing column, a missing symbol of `dataset.symbols`, and rows that the policy refuses.
    """
    import polars as pl  # heavy imports stand here: every config check imports this module

    from ofiml.data.checks import Checker
    from ofiml.data.feed import Feed, split_by_symbol, unpack_file
    from ofiml.data.formats import csv
    from ofiml.data.schema import ACTION, F_LAST, SIDE

    (file,) = (unpack_file(blob) for blob in files)  # gzip or zstd around the file is removed
    checker = Checker(file.name, dataset.policy)
    # CHANGE: the columns of the file and their types. A cell that does not fit is refused, or dropped and counted.
    quotes = {
        name: csv.optional(column)
        for side in ("bid", "ask")
        for name, column in ((side, csv.price()), (f"{side}_size", csv.size(dataset.size_unit)))
    }
    columns = {
        "symbol": csv.word(),
        "sent": csv.epoch_time(1),  # integers of 1 ns each since 1970
        "received": csv.epoch_time(1),
        "kind": csv.mapped({"new": "A", "cancel": "C", "change": "M", "trade": "T"}, ACTION),
        "side": csv.mapped({"buy": "B", "sell": "A", "none": "N"}, SIDE),
        "price": csv.price(),  # decimal currency, to integers of 1e-9
        "size": csv.size(dataset.size_unit),  # to whole lots
        **quotes,
    }
    table = csv.read_csv(file, columns, checker)
    # CHANGE: the mapping of these columns to the event schema (docs/event-schema.md). `line` is for error messages.
    events = table.select(
        "line",
        "symbol",
        pl.col("sent").alias("ts_event"),
        pl.col("received").alias("ts_recv"),
        pl.col("kind").alias("action"),
        "side",
        "price",
        "size",
        pl.lit(F_LAST, pl.UInt8).alias("flags"),  # every row ends its message
        pl.col("line").cast(pl.Int64).alias("sequence"),
        pl.col("bid").alias("bid_px_00"),
        pl.col("ask").alias("ask_px_00"),
        pl.col("bid_size").alias("bid_sz_00"),
        pl.col("ask_size").alias("ask_sz_00"),
        *(pl.lit(None, pl.UInt32).alias(f"{side}_ct_00") for side in ("bid", "ask")),  # the file counts no orders
    )
    for symbol, rows, its_checker in split_by_symbol(events, file.name, dataset.symbols, checker):
        n_read = rows.height + sum(its_checker.dropped.values())
        yield Feed(symbol, rows, levels=1, rows=n_read, checker=its_checker)


READER = Reader(
    name="template",  # CHANGE: the name of this file, and of conf/dataset/NAME.yaml
    config=FileDataset,
    read_feeds=read_feeds,
    description="a made-up CSV with the best quotes after each message",  # CHANGE
)
