"""The order in which Binance's depth updates and full books build the book, by the exchange's rule for a local one.

https://developers.binance.com/docs/derivatives/usds-margined-futures/websocket-market-streams/How-to-manage-a-local-order-book-correctly
and the page for spot. A full book (a REST response) is the state after the update `lastUpdateId`. It contains all older
updates; the first newer one must join it, and each later one must join the one before.

An update covers the ids from the one before it, `pu` (futures) or `U` - 1 (spot), to its last id `u`. It joins a book
with an id in this range, because its sizes are absolute. This is the exchange's rule, except that `U` of futures is not
used: all symbols share the ids, and no update of this symbol lies between `pu` and `U`.
"""

from bisect import bisect_right
from dataclasses import dataclass, field

import polars as pl

from ofiml.data.book.plan import CLEAR, FORGET, Plan
from ofiml.data.checks import Checker
from ofiml.data.formats.level_rows import NO_ID, LevelRows


@dataclass(slots=True)
class _Outcome:
    """A plan, the messages that miss others before them, those without a known book, and the stale ones' number."""

    plan: Plan = field(default_factory=Plan)
    gaps: list[int] = field(default_factory=list)
    bookless: list[int] = field(default_factory=list)
    n_contained: int = 0


def plan_updates(depth: LevelRows, checker: Checker) -> tuple[Plan, int]:
    """Plan the steps that build the book; return them and the number of updates that the book already contains.

    A full book that joins restates the book; newer updates that the stream has before it are applied on top. Updates
    before the first such book count as `no_snapshot` and are dropped, if there is one and the policy does not keep
    them. Otherwise, and after a gap, the levels of the book are unknown until they are set. Raises DataError if the
    policy of `gap` or `no_snapshot` does.
    """
    policy = checker.policy.no_snapshot
    outcome = _plan(depth, from_nothing=policy == "keep")
    waits = policy == "drop" and bool(outcome.plan.at)
    if policy == "drop" and not outcome.plan.at:
        outcome = _plan(depth, from_nothing=True)
    lines = depth.rows["line"].to_numpy()
    if outcome.gaps:
        checker.notice("gap", pl.Series(lines[outcome.gaps]), "updates are missing before this update or full book")
    if outcome.bookless and (waits or policy == "raise"):
        what = "an update before the first full book, or before the next one after a gap"
        checker.notice("no_snapshot", pl.Series(lines[outcome.bookless]), what)
    return outcome.plan, outcome.n_contained


def _plan(depth: LevelRows, *, from_nothing: bool) -> _Outcome:
    """Plan the steps; `from_nothing`: use updates before the first full book too."""
    out = _Outcome()
    columns = (depth.rows[c].to_list() for c in ("full", "first", "last", "before"))
    pairs = depth.pairs.tolist()
    has_begun = False  # whether there has been a full book, or the updates alone build the book
    last_id = NO_ID  # of the last full book or update
    run: list[int] = []  # updates since the last gap
    lasts: list[int] = []
    for i, (full, first, last, before) in enumerate(zip(*columns, strict=True)):
        if full:
            newer = run[bisect_right(lasts, last) :]
            if _find_previous_id(depth, newer[0]) > last if newer else last_id > last:
                out.gaps.append(i)  # too old to join
                continue
            if not newer:
                run, lasts, last_id = [], [], last
            has_begun = True
            out.plan.add(i, [CLEAR, i, *newer], states=True)
            continue
        previous_id = before if before != NO_ID else first - 1
        if last <= last_id:
            out.n_contained += 1
            continue
        gap = last_id != NO_ID and previous_id > last_id
        last_id = last
        if gap:
            out.gaps.append(i)
            run, lasts = [i], [last]
            if has_begun:
                out.plan.add(i, [FORGET, i], states=True, clears=True)
            else:
                out.bookless.append(i)
            continue
        run.append(i)
        lasts.append(last)
        if not has_begun and not from_nothing:
            out.bookless.append(i)
        elif not has_begun:
            has_begun = True
            out.plan.add(i, [FORGET, i])
        elif pairs[i]:
            out.plan.add(i, [i])
    return out


def _find_previous_id(depth: LevelRows, i: int) -> int:
    """Return the id that a book must have reached for update `i` to join it."""
    first, before = depth.rows["first"][i], depth.rows["before"][i]
    return int(before if before != NO_ID else first - 1)
