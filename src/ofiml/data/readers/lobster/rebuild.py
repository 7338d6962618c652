"""The book from LOBSTER's messages, where the orderbook file is missing or has only its first row."""

import polars as pl

from ofiml.data.book import MESSAGE_COLUMNS, build_events, kernel
from ofiml.data.checks import Checker
from ofiml.data.schema import ACTION, NO_PRICE, SIDE

_OPS = {
    1: kernel.ADD_SHOWN,
    2: kernel.REDUCE,
    3: kernel.DELETE,
    4: kernel.TAKE_FIRM,
    **dict.fromkeys((5, 6, 7), kernel.KEEP),
}
_SENTENCES = {
    "unknown_order": "the order is not in the book",
    "excess_size": "more is removed from the order than it has left",
    "order_twice": "an order with this id is already in the book",
    "swept_level": "a better level stood in its way and was removed",
}
_FIRST_LEVEL = 1 << 63  # the ids of a first row's levels, of which no order has one: ids lie within ±2^62


def build_book(
    rows: pl.DataFrame, events: pl.DataFrame, levels: int, checker: Checker, start: pl.DataFrame | None = None
) -> pl.DataFrame:
    """Build the book from the events: one row per message, as in LOBSTER's own orderbook file.

    The file omits messages below its `levels`. So a level that falls below them is removed, and so is a level that
    stands in the way of an order or an execution. Orders that rise from below are unknown: on a day of AMZN (5 levels)
    the best level equals LOBSTER's in 63 % of rows. A row's book uses no later message.

    `start`, if given, is the orderbook file's first row (1, 4·levels), the book after the first message. Its sizes do
    not tell their orders, so each level starts as one order; messages about an order of which the file has no
    submission change the order that stands for its level. With 5 levels this gains little, as most unknown orders rise
    from below; it is meant for files of 50 levels.
    """
    of_book = pl.col("type").is_in([k for k, op in _OPS.items() if op != kernel.KEEP])
    book = rows.select(
        pl.col("type").replace_strict(_OPS, return_dtype=pl.UInt8).alias("op"),
        pl.when(pl.col("direction") == 1).then(kernel.BID).otherwise(kernel.ASK).cast(pl.UInt8).alias("op_side"),
        # A negative id is a valid identifier too.
        pl.when(of_book).then(pl.col("order_id").reinterpret(signed=False)).alias("order"),
        pl.lit(kernel.ALWAYS, pl.UInt8).alias("show"),
    )
    messages = pl.concat([events, book], how="horizontal")
    if start is not None:
        messages = _start_from_row(messages, start, levels)
    built, misfits = build_events(messages.select(pl.col(c).cast(t) for c, t in MESSAGE_COLUMNS.items()), levels)
    for cause, lines in misfits.items():
        checker.notice(cause, lines, _SENTENCES[cause])
    return built


def _start_from_row(messages: pl.DataFrame, start: pl.DataFrame, levels: int) -> pl.DataFrame:
    """Put the first row's levels before the messages, the first of which they contain already."""
    stated = [
        (op_side, start[f"{side}_px_{m:02d}"][0], start[f"{side}_sz_{m:02d}"][0])
        for m in range(levels)
        for side, op_side in (("bid", kernel.BID), ("ask", kernel.ASK))
    ]
    stated = [level for level in stated if level[1] != NO_PRICE]
    sides, prices, sizes = (list(column) for column in zip(*stated, strict=True)) if stated else ([], [], [])
    ids = pl.Series("level", range(_FIRST_LEVEL, _FIRST_LEVEL + len(stated)), pl.UInt64)
    book = pl.DataFrame(
        {"op_side": pl.Series(sides, dtype=pl.UInt8), "price": pl.Series(prices, dtype=pl.Int64), "level": ids}
    )
    added = messages[1:].filter(pl.col("op") == kernel.ADD_SHOWN)["order"].unique()
    first = pl.int_range(pl.len()) == 0
    unseen = pl.col("op").is_in([kernel.REDUCE, kernel.DELETE, kernel.TAKE_FIRM]) & ~pl.col("order").is_in(
        added.implode()
    )
    of_level = unseen & pl.col("level").is_not_null()
    messages = messages.join(book, on=["op_side", "price"], how="left", maintain_order="left").with_columns(
        pl.when(first).then(pl.lit(kernel.KEEP, pl.UInt8))
        # A deletion names the order's whole size, which is only a part of its level.
        .when(of_level & (pl.col("op") == kernel.DELETE)).then(pl.lit(kernel.REDUCE, pl.UInt8))
        .otherwise("op").alias("op"),
        pl.when(of_level).then("level").otherwise("order").alias("order"),
    ).drop("level")  # fmt: skip
    opening = messages.head(1).select(pl.all().repeat_by(len(stated)).explode()) if stated else messages.head(0)
    opening = opening.with_columns(
        pl.lit("A", ACTION).alias("action"),
        pl.lit("N", SIDE).alias("side"),
        pl.Series("price", prices, pl.Int64),
        pl.Series("size", sizes, pl.Int64),
        pl.lit(0, pl.UInt8).alias("flags"),
        pl.lit(kernel.ADD, pl.UInt8).alias("op"),
        pl.Series("op_side", sides, pl.UInt8),
        ids.alias("order"),
        pl.lit(kernel.NEVER, pl.UInt8).alias("show"),
    )
    return pl.concat([opening, messages])
