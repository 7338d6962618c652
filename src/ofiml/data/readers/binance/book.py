"""The book from Binance's depth updates, by the exchange's rule for a local order book.

https://developers.binance.com/docs/derivatives/usds-margined-futures/websocket-market-streams/How-to-manage-a-local-order-book-correctly
and the page for spot. A full book (a REST response) is the state after the update `lastUpdateId`. It contains all older
updates; the first newer one must join it, and each later one must join the one before.

An update covers the ids from the one before it, `pu` (futures) or `U` - 1 (spot), to its last id `u`. It joins a book
with an id in this range, because its sizes are absolute. This is the exchange's rule, except that `U` of futures is not
used: all symbols share the ids, and no update of this symbol lies between `pu` and `U`.
"""

from bisect import bisect_right
from dataclasses import dataclass, field

import numpy as np
import polars as pl

from ofiml.data.book import kernel
from ofiml.data.book.build import MESSAGE_COLUMNS
from ofiml.data.checks import Checker
from ofiml.data.readers.binance.messages import NO_ID, Kind
from ofiml.data.schema import (
    ACTION,
    F_LAST,
    F_SNAPSHOT,
    SIDE,
    TIME,
    Int64,
)

_CLEAR = -1  # a part that empties the book instead of setting a message's levels


@dataclass(slots=True)
class Plan:
    """The steps that build the book, in feed order.

    Step k happens at message `at[k]`, `states[k]` the book instead of changing it, and `clears[k]` is true if it only
    empties the book. Part i belongs to step `step[i]` and sets the levels of message `part[i]`, or is _CLEAR.
    """

    at: list[int] = field(default_factory=list)
    states: list[bool] = field(default_factory=list)
    clears: list[bool] = field(default_factory=list)
    part: list[int] = field(default_factory=list)
    step: list[int] = field(default_factory=list)

    def add(self, at: int, parts: list[int], *, states: bool = False, clears: bool = False) -> None:
        self.part += parts
        self.step += [len(self.at)] * len(parts)
        self.at.append(at)
        self.states.append(states)
        self.clears.append(clears)


def plan_updates(depth: Kind, checker: Checker) -> tuple[Plan, int]:
    """Plan the steps that build the book; return them and the number of updates that the book already contains.

    The update after a gap empties the book. The book is unknown until a full book that joins, and the updates before
    that count as `no_snapshot`; if kept, they build on the empty book. A full book restates the book; newer updates
    that the stream has before it are applied on top. Raises DataError if the policy of `gap` or `no_snapshot` does.
    """
    columns = (depth.rows[c].to_list() for c in ("full", "first", "last", "before"))
    lines = depth.rows["line"].to_numpy()
    pairs = depth.pairs.tolist()
    build_on_nothing = checker.policy.no_snapshot == "keep"
    steps = Plan()
    book_known = False
    last_id = NO_ID  # of the last full book or update
    run: list[int] = []  # updates since the last gap
    lasts: list[int] = []
    gaps: list[int] = []
    bookless: list[int] = []  # updates without a known book
    n_contained = 0
    for i, (full, first, last, before) in enumerate(zip(*columns, strict=True)):
        if full:
            newer = run[bisect_right(lasts, last) :]
            if _find_previous_id(depth, newer[0]) > last if newer else last_id > last:
                gaps.append(i)  # too old to join
                continue
            if not newer:
                run, lasts, last_id = [], [], last
            book_known = True
            steps.add(i, [_CLEAR, i, *newer], states=True)
            continue
        previous_id = before if before != NO_ID else first - 1
        if last <= last_id:
            n_contained += 1
            continue
        gap = last_id != NO_ID and previous_id > last_id
        last_id = last
        if gap:
            gaps.append(i)
            run, lasts = [i], [last]
            if build_on_nothing:
                bookless.append(i)
                steps.add(i, [_CLEAR, i], states=True)
            elif book_known:
                steps.add(i, [_CLEAR], states=True, clears=True)
            else:
                bookless.append(i)
            book_known = False
            continue
        run.append(i)
        lasts.append(last)
        if not book_known:
            bookless.append(i)
            if not build_on_nothing:
                continue
        if pairs[i]:
            steps.add(i, [i])
    if gaps:
        checker.notice("gap", pl.Series(lines[gaps]), "updates are missing before this update or full book")
    if bookless:
        what = "an update before the first full book, or before the next one after a gap"
        checker.notice("no_snapshot", pl.Series(lines[bookless]), what)
    return steps, n_contained


def _find_previous_id(depth: Kind, i: int) -> int:
    """Return the id that a book must have reached for update `i` to join it."""
    first, before = depth.rows["first"][i], depth.rows["before"][i]
    return int(before if before != NO_ID else first - 1)


def to_messages(depth: Kind, steps: Plan) -> tuple[pl.DataFrame, Int64, Int64]:
    """Make the messages of the book builder; return them, the first row of each step, and its message in `depth`.

    An update is one exchange message, and an event if it changes the shown levels, with side, price and size of the
    last level that it sets. A row that states the book has none of these.
    """
    part, step = np.array(steps.part, np.int64), np.array(steps.step, np.int64)
    at, states, clears = (np.array(x) for x in (steps.at, steps.states, steps.clears))
    starts = np.cumsum(depth.pairs) - depth.pairs
    clear = part == _CLEAR
    count = np.where(clear, 1, depth.pairs[part])
    step_of = np.repeat(step, count)
    part_of = np.repeat(part, count)
    within = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
    is_clear = part_of == _CLEAR
    pair = np.where(is_clear, 0, starts[part_of] + within)
    bids = depth.rows["bids"].to_numpy()
    bid = within < bids[part_of]
    op_side = np.where(is_clear, kernel.NO_SIDE, np.where(bid, kernel.BID, kernel.ASK)).astype(np.uint8)
    prices, sizes = (x if len(x) else np.zeros(1, np.int64) for x in (depth.prices, depth.sizes))
    end = np.append(step_of[1:] != step_of[:-1], True)[: len(step_of)]
    stated, source = states[step_of], at[step_of]
    show = np.where(stated, kernel.ALWAYS, kernel.IF_CHANGED)
    flags = np.where(end, F_LAST, 0) | np.where(end & stated, F_SNAPSHOT, 0)
    rows = depth.rows.select("line", "recv", "event")[source]
    # The sequence of a full book with newer updates applied is the id of the last of them.
    upto = np.where(is_clear, source, part_of)
    sets_level = ~is_clear & ~stated  # only such a row has a side
    table = pl.DataFrame(
        {
            "line": rows["line"].cast(pl.UInt32),
            "ts_event": rows["event"].cast(TIME),
            "ts_recv": rows["recv"].cast(TIME),
            "action": _make_words(ACTION, "MR", clears[step_of]),
            "side": _make_words(SIDE, "NAB", np.where(sets_level, np.where(bid, 2, 1), 0)),
            "price": prices[pair],
            "size": sizes[pair],
            "flags": flags.astype(np.uint8),
            "sequence": depth.rows["last"].to_numpy()[upto],
            "op": np.where(is_clear, kernel.CLEAR, kernel.SET).astype(np.uint8),
            "op_side": op_side,
            "order": pl.Series([None], dtype=pl.UInt64).new_from_index(0, len(step_of)),
            "show": np.where(end, show, kernel.NEVER).astype(np.uint8),
        }
    )
    return table.select(list(MESSAGE_COLUMNS)), np.searchsorted(step_of, np.arange(len(at))), at


def _make_words(dtype: pl.Enum, words: str, index: np.ndarray) -> pl.Series:
    """Make a column of words by their index, without a Python string per row."""
    return pl.Series(list(words), dtype=dtype)[index.astype(np.int64)]
