"""Which of Binance's depth updates make the book, after the exchange's rule for keeping a local one.

https://developers.binance.com/docs/derivatives/usds-margined-futures/websocket-market-streams/How-to-manage-a-local-order-book-correctly
and the same of spot. A full book (a REST answer) is the state after the update `lastUpdateId`. Updates that are not
newer are in it; the first newer one must join it, and each must join the one before.

An update reaches from what it needs, `pu` (futures) or `U` - 1 (spot), to its last id `u`. It joins a book that stands
anywhere in between, because its sizes are absolute. This is the exchange's rule, except that futures' `U` is not
used: ids are shared by all symbols, and between `pu` and `U` lies no update of this one.
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

_CLEAR = -1  # a part that is not a message's levels but empties the book


@dataclass(slots=True)
class Plan:
    """What happens to the book: steps in feed order, each at one message, and the parts that each is made of.

    A part is the message whose levels are set, or _CLEAR. A step's `clears` holds where the book is only emptied.
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
    """(the steps, how many updates were in the book already and are passed over).

    The update after a gap empties the book: it is not known until a full one that joins, and the updates before that
    count as `no_snapshot`. Kept, they build on the empty book. A full book states the book again, with the updates on
    top that came before it and are newer. Raises DataError as the policy of `gap` and `no_snapshot` has it.
    """
    columns = (depth.rows[c].to_list() for c in ("full", "first", "last", "before"))
    lines = depth.rows["line"].to_numpy()
    pairs = depth.pairs.tolist()
    build_on_nothing = checker.policy.no_snapshot == "keep"
    steps = Plan()
    known = False  # whether the book is
    reach = NO_ID  # the last id seen, in a full book or an update
    run: list[int] = []  # updates since the last gap
    lasts: list[int] = []
    gaps: list[int] = []
    homeless: list[int] = []
    passed = 0
    for i, (full, first, last, before) in enumerate(zip(*columns, strict=True)):
        if full:
            newer = run[bisect_right(lasts, last) :]
            if _needs(depth, newer[0]) > last if newer else reach > last:
                gaps.append(i)  # too old to join
                continue
            if not newer:
                run, lasts, reach = [], [], last
            known = True
            steps.add(i, [_CLEAR, i, *newer], states=True)
            continue
        needs = before if before != NO_ID else first - 1
        if last <= reach:
            passed += 1
            continue
        gap = reach != NO_ID and needs > reach
        reach = last
        if gap:
            gaps.append(i)
            run, lasts = [i], [last]
            if build_on_nothing:
                homeless.append(i)
                steps.add(i, [_CLEAR, i], states=True)
            elif known:
                steps.add(i, [_CLEAR], states=True, clears=True)
            else:
                homeless.append(i)
            known = False
            continue
        run.append(i)
        lasts.append(last)
        if not known:
            homeless.append(i)
            if not build_on_nothing:
                continue
        if pairs[i]:
            steps.add(i, [i])
    if gaps:
        checker.notice("gap", pl.Series(lines[gaps]), "updates are missing before this update or full book")
    if homeless:
        what = "an update before the first full book, or before the next one after a gap"
        checker.notice("no_snapshot", pl.Series(lines[homeless]), what)
    return steps, passed


def _needs(depth: Kind, i: int) -> int:
    first, before = depth.rows["first"][i], depth.rows["before"][i]
    return int(before if before != NO_ID else first - 1)


def to_messages(depth: Kind, steps: Plan) -> tuple[pl.DataFrame, Int64, Int64]:
    """(what `book.build` takes, the first row of each step, the message in `depth` that each step is at).

    An update is one exchange message, an event if it changes the shown levels, with side, price and size of the last
    level that it sets; a row that states the book shows none of them.
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
    # A full book with updates on top stands at the last of them.
    upto = np.where(is_clear, source, part_of)
    named = ~is_clear & ~stated  # a level's own side is of interest
    table = pl.DataFrame(
        {
            "line": rows["line"].cast(pl.UInt32),
            "ts_event": rows["event"].cast(TIME),
            "ts_recv": rows["recv"].cast(TIME),
            "action": _words(ACTION, "MR", clears[step_of]),
            "side": _words(SIDE, "NAB", np.where(named, np.where(bid, 2, 1), 0)),
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


def _words(dtype: pl.Enum, words: str, index: np.ndarray) -> pl.Series:
    """The words by index, without a Python string for each row."""
    return pl.Series(list(words), dtype=dtype)[index.astype(np.int64)]
