"""From Binance's messages to events: a symbol's depth updates, whole books or best quotes, and its trades."""

from collections.abc import Iterator, Sequence

import numpy as np
import polars as pl

from ofiml.config import FileDataset
from ofiml.data.book.levels import drop_early_trades, make_single_row_events
from ofiml.data.book.trades import merge_trades_into_books
from ofiml.data.book.whole import make_whole_books
from ofiml.data.checks import Checker
from ofiml.data.feed import Blob, Feed
from ofiml.data.formats.archives import unpack_single
from ofiml.data.formats.level_rows import NO_ID, LevelRows
from ofiml.data.parts import mark_breaks, name_files
from ofiml.data.readers.binance.depth import Events, build_from_depth
from ofiml.data.readers.binance.lone_books import assign_full_books, place_lone_books
from ofiml.data.readers.binance.messages import NO_SYMBOL, Messages, Parser
from ofiml.data.readers.binance.partial import find_partial_books
from ofiml.data.schema import NO_PRICE, SIDE
from ofiml.errors import DataError


def read_feeds(files: Sequence[Blob], dataset: FileDataset) -> Iterator[Feed]:
    """Yield each symbol's events in feed order, of a stream or of a full book and its updates.

    Raises DataError for input without a book of a wanted symbol, and for messages that the policy refuses.
    """
    # The full book of a pair gets the time of the update after it.
    return _read_files([*((blob, False) for blob in files[:-1]), (files[-1], True)], dataset, files[-1].name)


def read_chain(files: Sequence[Blob], dataset: FileDataset) -> Iterator[Feed]:
    """Yield each symbol's events of a stream that was recorded in several files; raises as `read_feeds`.

    The update ids prove that nothing is missing between two files, or show the gap. Messages that an earlier file has
    too are left out.
    """
    return _read_files([(blob, True) for blob in files], dataset, name_files([blob.name for blob in files]))


def _read_files(files: Sequence[tuple[Blob, bool]], dataset: FileDataset, name: str) -> Iterator[Feed]:
    """Yield the events of files, each with whether the times of its messages count."""
    checker = Checker(name, dataset.policy)
    parser = Parser(checker, dataset.size_unit, dataset.symbols)
    single: dict[int, str] = {}  # files of one message, by its place
    for blob, clock in files:
        checker.source = blob.name
        before = parser.total
        parser.parse_file(unpack_single(blob), clock=clock)
        if clock and parser.total == before + 1:
            single[parser.total] = blob.name
    checker.source = name
    messages = parser.finish()
    names_symbol = messages.total > 1 or not (messages.depth.rows["symbol"] == NO_SYMBOL).any()
    notes = find_partial_books(messages, dataset.symbols, name)
    depth = assign_full_books(messages, single, name)
    numbers = _list_symbols(messages, depth, dataset, name)
    ignored = ", ".join(f"{n} {kind}" for kind, n in sorted(messages.ignored.items()))
    notes += [f"messages ignored: {ignored}"] if ignored else []
    rows = messages.total - sum(messages.rows[n] for n in numbers[1:])
    for number in numbers:
        own, books = depth.select(number), messages.partial.select(number)
        trades = messages.trade.select(number)
        trades = trades if trades.rows.height else messages.aggregate.select(number)
        trades = _drop_repeated_trades(trades, checker)
        messages.off_step.refuse(trades.sizes)
        if (own.rows["full"] == 0).any():
            own, lone = place_lone_books(own, single)
            place = trades.rows["place"].to_numpy()
            events, levels, more = build_from_depth(own, _make_trades(trades), place, dataset, checker)
            more = [*lone, *more]
        else:
            quotes = messages.ticker.select(number)
            build, books = (_build_from_books, books) if books.rows.height else (_build_from_ticker, quotes)
            events, levels, more = build(books, trades, dataset, checker)
            events = mark_breaks(events, checker)
        events, off_step = messages.off_step.settle(events, levels)
        yield Feed(
            messages.symbols[number],
            events,
            levels,
            rows,
            checker,
            notes=(*notes, *more, *off_step),
            calendar="24/7",
            venue="Binance",
            names_symbol=names_symbol,
        )
        checker, notes = checker.with_zero_counts(), []
        rows = messages.rows[number]


def _drop_repeated_trades(trades: LevelRows, checker: Checker) -> LevelRows:
    """Leave out trades that a file before theirs has too: their ids grow."""
    if len(checker.parts) < 2 or not trades.rows.height:
        return trades
    ids = trades.rows["id"].to_numpy()
    starts = np.searchsorted(trades.rows["line"].to_numpy(), [before for before, _ in checker.parts], side="right")
    reached = np.maximum.accumulate(ids)
    bound = np.append(NO_ID, reached)[np.repeat(starts, np.diff(np.append(starts, len(ids))))]
    repeated = ids <= bound
    if not repeated.any():
        return trades
    checker.dropped["overlap"] = checker.dropped.get("overlap", 0) + int(repeated.sum())
    return trades.filter(~repeated)


def _list_symbols(messages: Messages, depth: LevelRows, dataset: FileDataset, name: str) -> list[int]:
    """List the numbers of the symbols with a book. Raises DataError for a wanted symbol without one."""
    differences = depth.rows.filter(pl.col("full") == 0)["symbol"]
    books = [differences, messages.partial.rows["symbol"], messages.ticker.rows["symbol"]]
    numbers = sorted(set(pl.concat(books).to_list()))
    names = [messages.symbols[n] for n in numbers]
    for symbol in dataset.symbols or ():
        if symbol not in names:
            raise DataError(f"{name} contains no depthUpdate or bookTicker of {symbol}: see dataset.symbols.")
    if not numbers:
        raise DataError(f"{name} contains no depthUpdate and no bookTicker: give a Binance stream, or pair of files.")
    for n, symbol in enumerate(messages.symbols):
        if n not in numbers:
            messages.ignored[f"of {symbol} (no book)"] += messages.rows[n]
    return numbers


def _build_from_books(books: LevelRows, trades: LevelRows, dataset: FileDataset, checker: Checker) -> Events:
    last = books.rows["last"]
    newer = (last >= last.cum_max()).to_numpy()
    books = books.filter(newer)
    shown, levels = make_whole_books(books, dataset.levels, checker.source)
    states = _make_events(books.rows, "M", books.rows["last"]).with_columns(**shown)
    before = np.searchsorted(books.rows["place"].to_numpy(), trades.rows["place"].to_numpy())
    usable, before = drop_early_trades(_make_trades(trades), before, checker)
    n_old = int((~newer).sum())
    notes = [f"books older than the book before them: {n_old}"] if n_old else []
    return merge_trades_into_books(states, usable, before, levels), levels, notes


def _build_from_ticker(ticker: LevelRows, trades: LevelRows, dataset: FileDataset, checker: Checker) -> Events:
    if dataset.levels not in (None, 1):
        raise DataError(f"{checker.source} contains bookTicker and no depthUpdate, so one level: set dataset.levels=1.")
    last = ticker.rows["last"]
    newer = (last >= last.cum_max()).to_numpy()
    quotes = ticker.rows.filter(pl.Series(newer))
    prices, sizes = (x.reshape(-1, 2)[newer] for x in (ticker.prices, ticker.sizes))
    shown = {}
    for i, side in enumerate(("bid", "ask")):
        # A side without orders is quoted as 0 at 0.
        shown[f"{side}_px_00"] = pl.Series(np.where(prices[:, i] == 0, NO_PRICE, prices[:, i]))
        shown[f"{side}_sz_00"] = pl.Series(sizes[:, i])
        shown[f"{side}_ct_00"] = pl.Series([None], dtype=pl.UInt32).new_from_index(0, len(quotes))
    states = _make_events(quotes, "M", quotes["last"]).with_columns(**shown)
    before = np.searchsorted(quotes["place"].to_numpy(), trades.rows["place"].to_numpy())
    usable, before = drop_early_trades(_make_trades(trades), before, checker)
    n_old = len(newer) - len(quotes)
    notes = [f"quotes older than the quote before them: {n_old}"] if n_old else []
    return merge_trades_into_books(states, usable, before, 1), 1, notes


def _make_trades(trades: LevelRows) -> pl.DataFrame:
    # The buyer was the maker: the aggressor sold.
    side = pl.when(trades.rows["buyer_is_maker"] == 1).then(pl.lit("A")).otherwise(pl.lit("B")).cast(SIDE)
    return _make_events(trades.rows, "T", trades.rows["id"]).with_columns(
        side=side, price=pl.Series(trades.prices), size=pl.Series(trades.sizes)
    )


def _make_events(rows: pl.DataFrame, action: str, sequence: pl.Series) -> pl.DataFrame:
    return make_single_row_events(rows, action, event="event", received="recv", sequence=sequence)
