"""The steps that build a book from messages with lists of levels, and the book builder's table of them."""

from dataclasses import dataclass, field

import numpy as np
import polars as pl

from ofiml.data.book import kernel, ladder
from ofiml.data.book.build import MESSAGE_COLUMNS
from ofiml.data.formats.level_rows import LevelRows
from ofiml.data.schema import ACTION, F_LAST, F_SNAPSHOT, SIDE, TIME, Int64

# Parts that empty the book instead of setting a message's levels; after FORGET levels are unknown until they are set.
CLEAR, FORGET = -1, -2


@dataclass(slots=True)
class Plan:
    """The steps that build the book, in feed order.

    Step k happens at message `at[k]`, `states[k]` the book instead of changing it, and `clears[k]` is true if messages
    are missing before it. Part i belongs to step `step[i]` and sets the levels of message `part[i]`, or is CLEAR or
    FORGET.
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


def make_messages(depth: LevelRows, plan: Plan) -> tuple[pl.DataFrame, Int64, Int64]:
    """Make the messages of the book builder; return them, the first row of each step, and its message in `depth`.

    `depth.rows` has `line`, `recv`, `event` (ns), `last` (the sequence number) and `bids`, the number of pairs that are
    bids and stand first. An update is one exchange message, and an event if it changes the shown levels, with side,
    price and size of the last level that it sets. A row that states the book has none of these.
    """
    part, step = np.array(plan.part, np.int64), np.array(plan.step, np.int64)
    at, states, clears = (np.array(x) for x in (plan.at, plan.states, plan.clears))
    starts = np.cumsum(depth.pairs) - depth.pairs
    count = np.where(part < 0, 1, depth.pairs[np.maximum(part, 0)])
    step_of, part_of = np.repeat(step, count), np.repeat(part, count)
    within = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
    empties = part_of < 0
    message = np.where(empties, 0, part_of)
    pair = np.where(empties, 0, starts[message] + within)
    bid = within < depth.rows["bids"].to_numpy()[message]
    side = np.where(empties, kernel.NO_SIDE, np.where(bid, kernel.BID, kernel.ASK)).astype(np.uint8)
    prices, sizes = (x if len(x) else np.zeros(1, np.int64) for x in (depth.prices, depth.sizes))
    end = np.append(step_of[1:] != step_of[:-1], True)[: len(step_of)]
    stated, source = states[step_of], at[step_of]
    show = np.where(stated, kernel.ALWAYS, kernel.IF_CHANGED)
    flags = np.where(end, F_LAST, 0) | np.where(end & stated, F_SNAPSHOT, 0)
    # The sequence of a full book with newer updates applied is the id of the last of them.
    upto = np.where(empties, source, part_of)
    operation = np.where(part_of == CLEAR, kernel.CLEAR, np.where(part_of == FORGET, ladder.FORGET, kernel.SET))
    line, recv, event, last = (depth.rows[c].to_numpy() for c in ("line", "recv", "event", "last"))
    table = pl.DataFrame(
        {
            "line": line[source].astype(np.uint32),
            "ts_event": pl.Series(event[source]).cast(TIME),
            "ts_recv": pl.Series(recv[source]).cast(TIME),
            "action": _make_words(ACTION, "MR", clears[step_of]),
            "side": _make_words(SIDE, "NAB", np.where(empties | stated, 0, np.where(bid, 2, 1))),
            "price": prices[pair],
            "size": sizes[pair],
            "flags": flags.astype(np.uint8),
            "sequence": last[upto],
            "op": operation.astype(np.uint8),
            "op_side": side,
            "order": pl.Series([None], dtype=pl.UInt64).new_from_index(0, len(step_of)),
            "show": np.where(end, show, kernel.NEVER).astype(np.uint8),
        }
    )
    return table.select(list(MESSAGE_COLUMNS)), np.searchsorted(step_of, np.arange(len(at))), at


def _make_words(dtype: pl.Enum, words: str, index: np.ndarray) -> pl.Series:
    """Make a column of words by their index, without a Python string per row."""
    return pl.Series(list(words), dtype=dtype)[index.astype(np.int64)]
