"""From Bybit's messages to events: a symbol's book and its trades."""

from collections.abc import Iterator, Sequence

import numpy as np
import polars as pl

from ofiml.config import FileDataset
from ofiml.data.book.levels import drop_early_trades, make_single_row_events
from ofiml.data.book.plan import CLEAR, FORGET, Plan
from ofiml.data.book.trades import merge_trades_into_books
from ofiml.data.book.updates import build_from_plan
from ofiml.data.book.whole import make_whole_books
from ofiml.data.checks import Checker
from ofiml.data.feed import Blob, Feed
from ofiml.data.formats.archives import unpack_single
from ofiml.data.formats.level_rows import LevelRows
from ofiml.data.parts import find_breaks, mark_breaks, name_files
from ofiml.data.readers.bybit.messages import Parser
from ofiml.data.schema import SIDE
from ofiml.errors import DataError


def read_feeds(files: Sequence[Blob], dataset: FileDataset) -> Iterator[Feed]:
    """Yield each symbol's events in feed order, of a recording in one or more files.

    Raises DataError for input without an order book of a wanted symbol, and for messages that the policy refuses.
    """
    name = name_files([blob.name for blob in files])
    checker = Checker(name, dataset.policy)
    parser = Parser(checker, dataset.size_unit, dataset.symbols)
    for blob in files:
        parser.parse_file(unpack_single(blob))
    books, trades = parser.finish()
    numbers = sorted(set(books.rows["symbol"].to_list()))
    symbols = list(parser.index)
    for symbol in dataset.symbols or ():
        if symbol not in [symbols[n] for n in numbers]:
            raise DataError(f"{name} contains no order book of {symbol}: see dataset.symbols.")
    if not numbers:
        raise DataError(f"{name} contains no Bybit order book: no message has a topic orderbook.DEPTH.SYMBOL.")
    for n, symbol in enumerate(symbols):
        if n not in numbers:
            parser.ignored[f"of {symbol} (no book)"] += parser.rows[n]
    ignored = ", ".join(f"{n} {kind}" for kind, n in sorted(parser.ignored.items()))
    notes = [f"messages ignored: {ignored}"] if ignored else []
    rows = parser.total - sum(parser.rows[n] for n in numbers[1:])
    for number in numbers:
        own, own_trades = books.select(number), trades.select(number)
        parser.off_step.refuse(own_trades.sizes)
        trade_rows = own_trades.rows
        trade_events = _make_trades(own_trades)
        # A message of several trades makes several events of one row.
        count = rows + trade_rows.height - trade_rows["place"].n_unique()
        if (own.rows["full"] == 0).any():
            plan, more = _plan_deltas(own, checker)
            places = trade_rows["place"].to_numpy()
            events, levels = build_from_plan(own, plan, trade_events, places, dataset, checker)
        else:
            more = []
            shown, levels = make_whole_books(own, dataset.levels, name)
            states = _make_events(own.rows, "M", own.rows["last"]).with_columns(**shown)
            before = np.searchsorted(own.rows["place"].to_numpy(), trade_rows["place"].to_numpy())
            usable, before = drop_early_trades(trade_events, before, checker)
            events = mark_breaks(merge_trades_into_books(states, usable, before, levels), checker)
        events, off_step = parser.off_step.settle(events, levels)
        yield Feed(
            symbols[number],
            events,
            levels,
            count,
            checker,
            notes=(*notes, *more, *off_step),
            calendar="24/7",
            venue="Bybit",
        )
        checker, notes = checker.with_zero_counts(), []
        rows = parser.rows[number]


def _plan_deltas(depth: LevelRows, checker: Checker) -> tuple[Plan, list[str]]:
    """Plan the steps that build the book: a snapshot restates it, the next delta has the next number `u`.

    Deltas before the first snapshot are dropped if there is one, unless the policy keeps them; without one, and after a
    gap, levels are unknown until they are set. A file whose deltas mostly do not follow by 1 has no gaps to detect.
    Raises DataError if the policy of `gap` or `no_snapshot` does.
    """
    full, last = ((depth.rows[c]).to_numpy() for c in ("full", "last"))
    lines = depth.rows["line"].to_numpy()
    policy = checker.policy.no_snapshot
    follows = np.append(False, last[1:] == last[:-1] + 1)
    deltas = full[1:] == 0
    is_numbered = 2 * int((follows[1:] & deltas).sum()) >= int(deltas.sum())
    notes = [] if is_numbered else ["the update ids are not consecutive, so missing updates cannot be detected"]
    first_full = int(np.argmax(full == 1)) if (full == 1).any() else 0
    bookless = lines[:first_full] if (full == 1).any() else lines
    start = first_full if policy == "drop" else 0
    if len(bookless) and (policy == "raise" or start):
        checker.notice("no_snapshot", pl.Series(bookless), "a delta before the first snapshot")
    # Without consecutive numbers only the time tells whether deltas are missing between two files.
    breaks = [] if is_numbered else find_breaks(lines, depth.rows["recv"].to_numpy(), checker)
    plan, gaps, n_old = Plan(), [], 0
    last_id = -1
    for i in range(start, len(full)):
        if full[i]:
            plan.add(i, [CLEAR, i], states=True)
        elif last_id < 0:
            plan.add(i, [FORGET, i])
        elif last[i] <= last_id:
            n_old += 1
            continue
        elif i in breaks or (is_numbered and last[i] != last_id + 1):
            gaps += [] if i in breaks else [i]  # breaks are counted
            plan.add(i, [FORGET, i], states=True, clears=True)
        elif depth.pairs[i]:
            plan.add(i, [i])
        last_id = int(last[i])
    if gaps:
        checker.notice("gap", pl.Series(lines[gaps]), "deltas are missing before this one")
    if n_old:
        notes.append(f"deltas older than the book: {n_old}")
    return plan, notes


def _make_trades(trades: LevelRows) -> pl.DataFrame:
    side = pl.when(trades.rows["is_buy"] == 1).then(pl.lit("B")).otherwise(pl.lit("A")).cast(SIDE)
    return _make_events(trades.rows, "T", trades.rows["place"]).with_columns(
        side=side, price=pl.Series(trades.prices), size=pl.Series(trades.sizes)
    )


def _make_events(rows: pl.DataFrame, action: str, sequence: pl.Series) -> pl.DataFrame:
    return make_single_row_events(rows, action, event="event", received="recv", sequence=sequence)
