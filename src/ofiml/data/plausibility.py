"""Judge whether a recorded session can be what its config says, before anything is measured on it.

A file may be read without an error and yet mean something else: a tick that is too fine, sizes in other units, cells
left blank because nothing changed, several exchanges in one file. Each check looks at all rows of a session and names
the likely cause and the remedy. A doubt is a warning in terminal and report; a grave one, with which the results would
be about something else, ends the run unless `dataset.implausible=warn`.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl

from ofiml._typing import Int64
from ofiml.config import Instrument
from ofiml.data.schema import F_LAST, NO_ASK, NO_BID, Session, extract_level, extract_times
from ofiml.units import PRICE_SCALE, SECOND

_MIN_COVERAGE = 0.8  # share of a session between its first and last event
_MIN_STATES = 200  # of a session; fewer say little
_MIN_VALUES = 20  # distinct prices or sizes; a common divisor of so many has probability 2^-20 or less by chance
_FEW_ONE_SIDED, _MANY_ONE_SIDED = 0.1, 0.5  # shares of states without a bid or without an ask
_FAR_PRICE = 10  # times the median, or a part of it
_MANY_MOVES = 0.9  # share of states that move a best price
# Where more than a share of the states move a best price, the correlation of the signs of two successive moves: 0 in a
# random walk, -0.2 to 0 in the books of one stock or coin, -0.38 and below where those of three exchanges are mixed.
_FREQUENT_MOVES, _REVERSAL = 0.5, -0.35
_WIDE_SPREAD, _ABSURD_SPREAD = 1_000, 10_000_000  # median, in ticks
_COARSE_SIZES = 10  # lots that divide all sizes
_RARE = 1e-3  # so rarely do fair coins say that sides of trades are reversed
_DOLLAR_CALENDARS = ("24/7", "XNYS", "XNAS", "CMES")
_ABSURD_WORTH = 1e9  # of a best quote, in dollars: a thousand times that of the deepest markets


@dataclass(frozen=True, slots=True)
class Doubt:
    """One reason why a session may not be what its config says.

    `kind` is coverage, tick, sides, outliers, moves, spread, sizes, worth or trades; `sentence` has no full stop;
    `grave` doubts are of data with which results would be about something else.
    """

    kind: str
    sentence: str
    grave: bool = False


def list_doubts(session: Session, instrument: Instrument, *, own_tick: bool = False) -> list[Doubt]:
    """List what is implausible about a recorded session; the best level and the last row of each message count.

    `instrument` is that of its symbol. With `own_tick` the tick stands in dataset.instruments, not in dataset.tick.
    """
    events = session.events
    states = events.filter((pl.col("flags") & F_LAST) != 0)
    if states.height < _MIN_STATES:
        return []
    bid, bid_size, ask, ask_size = extract_level(states, 0)
    return [
        *_judge_coverage(session),
        *_judge_tick(session, bid, ask, own_tick=own_tick),
        *_judge_sides(bid, ask),
        *_judge_outliers(bid, ask),
        *_judge_moves(bid, ask),
        *_judge_spread(bid, ask, session.tick),
        *_judge_sizes(bid_size, ask_size, session.size_unit),
        *_judge_value(session, instrument, bid, bid_size),
        *_judge_trades(events),
    ]


def _judge_coverage(session: Session) -> Iterator[Doubt]:
    """Doubt a session of which the data cover a part: bars before the first event have no book, and those after the
    last one repeat it.
    """
    stamps = extract_times(session.events)
    covered = int(stamps[-1] - stamps[0]) / max(session.close - session.open, 1)
    if covered < _MIN_COVERAGE:
        first, last = (np.datetime64(int(stamp) // SECOND, "s") for stamp in (stamps[0], stamps[-1]))
        ends = stamps[-1] >= session.close
        bars = "have no book before them" if ends else "repeat the last book after them"
        yield Doubt(
            "coverage",
            f"the events, from {first} to {last} UTC, cover {covered:.0%} of the session, and the bars {bars}: "
            "choose the hours of the data with dataset.hours, or fetch the whole session",
        )


def _judge_tick(session: Session, bid: Int64, ask: Int64, *, own_tick: bool) -> Iterator[Doubt]:
    """Doubt a tick that is finer than the grid on which all prices lie."""
    known = [bid[bid != NO_BID], ask[ask != NO_ASK]]
    grid = _find_divisor(known)
    if grid <= session.tick:
        return
    for m in range(1, session.levels):
        deep_bid, _, deep_ask, _ = extract_level(session.events, m)
        known += [deep_bid[deep_bid != NO_BID], deep_ask[deep_ask != NO_ASK]]
    grid = _find_divisor(known)
    if grid > session.tick and _count_distinct(known) >= _MIN_VALUES:
        right, tick = grid / PRICE_SCALE, session.tick / PRICE_SCALE
        key = f"dataset.tick={tick:.10g}"
        remedy = f"set dataset.tick={right:.10g}"
        if own_tick:
            key = f"its tick in dataset.instruments, {tick:.10g},"
            remedy = f"write 'dataset.instruments={{{session.symbol}: {{tick: {right:.10g}}}}}'"
        yield Doubt(
            "tick",
            f"every price is a multiple of {right:.10g}, so {key} looks {grid / session.tick:g} "
            f"times too fine, and numbers in ticks would be as many times too large: {remedy} "
            "if that is the instrument's tick",
        )


def _judge_sides(bid: Int64, ask: Int64) -> Iterator[Doubt]:
    """Doubt a book that often has one side only, where it is known at all."""
    no_bid, no_ask = bid == NO_BID, ask == NO_ASK
    share = float(np.sum(no_bid != no_ask) / max(np.sum(~(no_bid & no_ask)), 1))
    if share > _FEW_ONE_SIDED:
        yield Doubt(
            "sides",
            f"{share:.0%} of the states have no bid or no ask: if an empty cell means unchanged in this source, "
            "say so (dataset=quotes: dataset.blank=unchanged); if the columns are not what the config "
            "says, correct them",
            grave=share > _MANY_ONE_SIDED,
        )


def _judge_outliers(bid: Int64, ask: Int64) -> Iterator[Doubt]:
    """Doubt single best prices that are far from all others, as where a number stands for a missing side."""
    for name, price, known in (("bid", bid, bid != NO_BID), ("ask", ask, ask != NO_ASK)):
        middle = float(np.median(price[known])) if known.any() else 0.0
        if middle <= 0:
            continue
        far = price[known & ((price < middle / _FAR_PRICE) | (price > middle * _FAR_PRICE))]
        if len(far):
            yield Doubt(
                "outliers",
                f"{len(far):,} states have a best {name} far from its median, {middle / PRICE_SCALE:.10g}, first "
                f"{far[0] / PRICE_SCALE:.10g}: if such a number stands for a missing side, remove it and its size",
            )
            return


def _judge_moves(bid: Int64, ask: Int64) -> Iterator[Doubt]:
    """Doubt best prices that jump to and fro: those of several books in one file. States with both sides count."""
    both = (bid != NO_BID) & (ask != NO_ASK)
    bid, ask = bid[both], ask[both]
    if len(bid) < _MIN_STATES:
        return
    moves = (np.diff(bid) != 0) | (np.diff(ask) != 0)
    share = float(np.mean(moves))
    reversal = min(_correlate_signs(bid), _correlate_signs(ask))
    if share > _FREQUENT_MOVES and reversal < _REVERSAL:
        yield Doubt(
            "moves",
            f"the best prices jump to and fro: {share:.0%} of the states move one, and the signs of successive moves "
            f"have a correlation of {reversal:.2f}; the file seems to mix the books of several exchanges or "
            "instruments; choose one (dataset=quotes: dataset.columns.exchange and dataset.exchange)",
            grave=True,
        )
    elif share > _MANY_MOVES:
        yield Doubt(
            "moves",
            f"{share:.0%} of the states move a best price: these are rare snapshots of a fast book, or quotes of "
            "several exchanges in one file",
        )


def _correlate_signs(price: Int64) -> float:
    """Correlate the signs of successive changes; a state without a change has sign 0."""
    sign = np.sign(np.diff(price)).astype(float)
    return float(np.sum(sign[1:] * sign[:-1]) / max(np.sum(sign * sign), 1.0))


def _judge_spread(bid: Int64, ask: Int64, tick: int) -> Iterator[Doubt]:
    """Doubt a spread of thousands of ticks."""
    both = (bid != NO_BID) & (ask != NO_ASK)
    if not both.any():
        return
    ticks = float(np.median(ask[both] - bid[both])) / tick
    if ticks > _WIDE_SPREAD:
        yield Doubt(
            "spread",
            f"the median spread is {ticks:,.0f} ticks: check dataset.tick={tick / PRICE_SCALE:.10g} and the unit of "
            "the prices",
            grave=ticks > _ABSURD_SPREAD,
        )


def _judge_sizes(bid_size: Int64, ask_size: Int64, unit: float) -> Iterator[Doubt]:
    """Doubt a lot by far smaller than what divides all sizes."""
    sizes = [bid_size[bid_size > 0], ask_size[ask_size > 0]]
    divisor = _find_divisor(sizes)
    if divisor >= _COARSE_SIZES and _count_distinct(sizes) >= _MIN_VALUES:
        yield Doubt(
            "sizes",
            f"every size is a multiple of {divisor:,} lots: the source may count round lots; dataset.size_unit="
            f"{divisor * unit:g} would make one of them a lot (now {unit:g})",
        )


def _judge_value(session: Session, instrument: Instrument, bid: Int64, bid_size: Int64) -> Iterator[Doubt]:
    """Doubt best quotes that are worth more than any book shows, where prices are in dollars or the like."""
    known = bid != NO_BID
    if session.calendar not in _DOLLAR_CALENDARS or not known.any():
        return
    price = 1.0 if instrument.contract == "inverse" else np.abs(bid[known]) / PRICE_SCALE
    worth = float(np.median(bid_size[known] * price)) * session.size_unit
    if worth > _ABSURD_WORTH:
        yield Doubt(
            "worth",
            f"half of the best bids are worth more than {worth:,.0f}: the lot of {session.size_unit:g} may be too "
            "large (dataset.size_unit), or the contract inverse (dataset.instruments, docs/instruments.md)",
        )


def _judge_trades(events: pl.DataFrame) -> Iterator[Doubt]:
    """Doubt sides of trades that contradict the quotes of the row before: buyers pay the ask, sellers get the bid."""
    row = np.flatnonzero(((events["action"] == "T") & events["price"].is_not_null()).to_numpy())
    row = row[row > 0]
    trades = events.select("side", "price")[row]
    bid, bid_size, ask, ask_size = extract_level(events[row - 1], 0)
    price = trades["price"].to_numpy()
    pays_ask, gets_bid = (price >= ask) & (ask_size > 0), (price <= bid) & (bid_size > 0)
    is_buyer, is_seller = ((trades["side"] == side).to_numpy() for side in "BA")
    judged = (pays_ask ^ gets_bid) & (is_buyer | is_seller)
    count, agreeing = int(judged.sum()), int((judged & (pays_ask == is_buyer)).sum())
    if compute_lower_tail(agreeing, count) < _RARE:
        yield Doubt(
            "trades",
            f"{count - agreeing:,} of {count:,} trades at a best quote have the opposite side: the file seems to state "
            "the side of the resting order, with which all that is made of trades has the wrong sign; turn their sides "
            "around in the file, or use no features of trades (features=ofi_only, ofi.parts=net)",
        )


def compute_lower_tail(successes: int, trials: int) -> float:
    """Compute the probability that a fair coin shows no more than `successes` in `trials`; 1 for half of them or more,
    which nobody needs to know better.
    """
    if 2 * successes >= trials:
        return 1.0
    from scipy.stats import binom  # heavy, and few sessions have trades that disagree

    return float(binom.cdf(successes, trials, 0.5))


def _find_divisor(parts: list[Int64]) -> int:
    """Return the greatest common divisor of all values; 0 for none."""
    return int(np.gcd.reduce(np.array([np.gcd.reduce(part) for part in parts if len(part)], np.int64), initial=0))


def _count_distinct(parts: list[Int64]) -> int:
    return len(np.unique(np.concatenate([np.unique(part) for part in parts])))
