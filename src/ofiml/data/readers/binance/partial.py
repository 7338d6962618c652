"""Partial books of Binance (streams depth5, depth10, depth20): each message is a whole book of a few levels.

Spot's have the keys of a full book, without symbol and time; only their stream's name, if recorded, has the symbol.
Futures' have the keys of a difference.
"""

import re

import numpy as np
import polars as pl

from ofiml.data.formats.level_rows import NO_ID, LevelRows
from ofiml.data.readers.binance.messages import NO_SYMBOL, Messages
from ofiml.data.schema import Int64
from ofiml.errors import DataError

_DEPTHS = (5, 10, 20)
_MIN_BOOKS = 3  # fewer differences might look like whole books


def find_partial_books(messages: Messages, wanted: list[str] | None, name: str) -> list[str]:
    """Move the messages that are whole books from `messages.depth` to `messages.partial`; return notes.

    Full books without any depth update are whole books. So are all depth updates of a symbol if none of them removes a
    level and each has 5, 10 or 20 sorted levels on both sides, which no stream of differences does. With differences
    beside them, partial books repeat the depth and are ignored. Raises DataError for whole books without a time, and
    for books without a symbol beside several symbols.
    """
    notes = []
    for number in messages.depth.rows.filter(pl.col("full") == 0)["symbol"].unique(maintain_order=True).to_list():
        own = messages.depth.select(number)
        if _are_whole_books(own):
            _move(messages, (messages.depth.rows["symbol"] == number).to_numpy())
            messages.depth_of.discard(messages.symbols[number])
            notes.append(f"depth updates of {messages.symbols[number]} are whole books: each has the same few levels")
    full = (messages.depth.rows["full"] == 1).to_numpy()
    if not messages.depth_of and full.any():
        if full.sum() == 1 and messages.ticker.rows.height:
            return notes  # a single response beside best quotes
        timeless = messages.depth.rows.filter(pl.Series(full) & (pl.col("recv") == NO_ID))
        if timeless.height:
            raise DataError(
                f"{name}, line {timeless['line'][0]}: contains no depthUpdate and no bookTicker, and its full books "
                "have no time: record the local time before each message, as in 1723161255030314667 {…}."
            )
        _name_books(messages, wanted, name, notes)
        _move(messages, full)
    _ignore_repeated(messages)
    return notes


def _are_whole_books(own: LevelRows) -> bool:
    rows = own.rows
    n_bids, n_asks = rows["bids"].to_numpy(), rows["asks"].to_numpy()
    if rows.height < _MIN_BOOKS or (rows["full"] == 1).any() or (own.sizes == 0).any():
        return False
    depth = int(n_bids[0])
    if depth not in _DEPTHS or not ((n_bids == depth) & (n_asks == depth)).all():
        return False
    prices: Int64 = own.prices.reshape(-1, 2, depth)
    steps = np.diff(prices, axis=2)
    return bool((steps[:, 0] < 0).all() and (steps[:, 1] > 0).all() and (prices[:, 0, 0] <= prices[:, 1, 0]).all())


def _name_books(messages: Messages, wanted: list[str] | None, name: str, notes: list[str]) -> None:
    """Give books without a symbol the one of the other messages, of `dataset.symbols`, or of the file's name."""
    nameless = messages.depth.rows["symbol"] == NO_SYMBOL
    if not nameless.any():
        return
    names = wanted if wanted is not None and len(wanted) == 1 else messages.symbols
    if len(names) > 1:
        raise DataError(
            f"{name}, line {messages.depth.rows['line'].filter(nameless)[0]}: a full book without a symbol, in a "
            f"stream of several ({', '.join(sorted(names)[:5])}): record each symbol in its own file."
        )
    if not names:
        match = re.search(r"[A-Za-z0-9]+", name)
        names = [match[0].upper() if match else "BOOK"]
        notes.append(f"no message names its symbol, so {names[0]} is from the file name: see dataset.symbols")
    if names[0] not in messages.symbols:
        messages.symbols.append(names[0])
        messages.rows.append(0)
    number = messages.symbols.index(names[0])
    messages.rows[number] += int(nameless.sum())
    symbol = pl.when(nameless).then(number).otherwise("symbol")
    messages.depth.rows = messages.depth.rows.with_columns(symbol=symbol.alias("symbol"))


def _move(messages: Messages, chosen: np.ndarray) -> None:
    moved, old = messages.depth.filter(chosen), messages.partial
    messages.depth = messages.depth.filter(~chosen)
    rows = pl.concat([old.rows, moved.rows.select(old.rows.columns)])
    joined = (np.concatenate([getattr(old, k), getattr(moved, k)]) for k in ("pairs", "prices", "sizes"))
    messages.partial = LevelRows(rows, *joined).take(np.argsort(rows["place"].to_numpy(), kind="stable"))


def _ignore_repeated(messages: Messages) -> None:
    """Ignore partial books of symbols with differences, and best quotes of symbols with partial books."""
    number_of = {name: k for k, name in enumerate(messages.symbols)}
    with_depth = [number_of[s] for s in messages.depth_of if s in number_of]
    repeated = messages.partial.rows["symbol"].is_in(with_depth).to_numpy()
    if repeated.any():
        messages.ignored["partial depth"] += int(repeated.sum())
        messages.partial = messages.partial.filter(~repeated)
    quotes = messages.ticker.rows["symbol"].is_in(messages.partial.rows["symbol"].unique().implode()).to_numpy()
    if quotes.any():
        messages.ignored["bookTicker"] += int(quotes.sum())
        messages.ticker = messages.ticker.filter(~quotes)
