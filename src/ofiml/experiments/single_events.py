"""Single states of a book: which of the nine cases of the flow formula they are, and what they add to OFI."""

from dataclasses import dataclass

import numpy as np

from ofiml._typing import Float, Int64
from ofiml.bars.time import Book
from ofiml.data.schema import NO_ASK, NO_BID, extract_level
from ofiml.experiments.flow_bars import compute_level_flow
from ofiml.experiments.page import Table
from ofiml.study.json_border import Json
from ofiml.ui.format import format_number
from ofiml.units import SECOND

_CHANGES = ("up", "same", "down")
#: What the best bid did, then what the best ask did.
CASES = tuple(f"{bid}, {ask}" for bid in _CHANGES for ask in _CHANGES)
NO_CHANGE = CASES[4]


@dataclass(frozen=True, slots=True)
class Trace:
    """A state with its flow: the case, the time after the open, and price (ticks) and size (lots) of both sides before
    and after. `terms` are the four of the flow formula in lots: bid after, bid before, ask after, ask before.
    """

    case: str
    seconds: float
    bid: tuple[float, int, float, int]
    ask: tuple[float, int, float, int]
    terms: tuple[int, int, int, int]


def number_cases(book: Book) -> Int64:
    """Number the case (states - 1,) of each state but the first, as an index of CASES.

    A side that appears or vanishes counts as a better or a worse price.
    """
    bid, _, ask, _ = extract_level(book.events, 0)
    return 3 * _number_changes(bid) + _number_changes(ask)


def _number_changes(price: Int64) -> Int64:
    return 1 - (price[1:] > price[:-1]).astype(np.int64) + (price[1:] < price[:-1])


def count_cases(book: Book) -> Float:
    """Count, for each case, the states with best-level flow, and sum the size of that flow in lots; (9, 2)."""
    size, case = np.abs(compute_level_flow(book, 0))[1:], number_cases(book)
    states, sizes = np.bincount(case, size != 0, len(CASES)), np.bincount(case, size, len(CASES))
    return np.column_stack([states, sizes])


def trace_events(book: Book, open_: int, tick: int) -> list[Trace]:
    """Trace the first state of each case after `open_` (ns) that has flow and both sides before and after."""
    bid, bid_size, ask, ask_size = extract_level(book.events, 0)
    flow, case = compute_level_flow(book, 0)[1:], number_cases(book)
    both = (bid != NO_BID) & (ask != NO_ASK)
    usable = (flow != 0) & both[1:] & both[:-1] & (book.stamps[1:] > open_)
    traces = []
    for number, name in enumerate(CASES):
        rows = np.flatnonzero(usable & (case == number))
        if len(rows):
            a, b = int(rows[0]), int(rows[0]) + 1
            p0, q0, p, q = (int(x) for x in (bid[a], bid_size[a], bid[b], bid_size[b]))
            r0, s0, r, s = (int(x) for x in (ask[a], ask_size[a], ask[b], ask_size[b]))
            terms = (q * (p >= p0), -q0 * (p <= p0), -s * (r <= r0), s0 * (r >= r0))
            traces.append(
                Trace(
                    name,
                    (int(book.stamps[b]) - open_) / SECOND,
                    (p0 / tick, q0, p / tick, q),
                    (r0 / tick, s0, r / tick, s),
                    terms,
                )
            )
    return traces


def tabulate_cases(cases: dict[str, Float]) -> Table:
    """Tabulate the share of states with flow, and the share of its size, by market and case."""
    shares = {market: counts / np.maximum(counts.sum(axis=0), 1) for market, counts in cases.items()}
    return Table(
        "Which book states make OFI: the share of states with flow, and in parentheses the share of the size of all "
        "flow, by what the best bid and ask did.",
        ["bid, ask", *shares],
        [[name, *(f"{s[i, 0]:.1%} ({s[i, 1]:.1%})" for s in shares.values())] for i, name in enumerate(CASES)],
    )


def list_trace_numbers(one: Trace) -> dict[str, Json]:
    """List the numbers of a traced state."""
    return {
        "seconds": one.seconds,
        "bid": list[Json](one.bid),
        "ask": list[Json](one.ask),
        "terms": list[Json](one.terms),
        "flow": sum(one.terms),
    }


def tabulate_traces(market: str, traces: list[Trace]) -> Table:
    """Tabulate single states of a simulated market. Rows of real data are not shown."""
    return Table(
        f"{market}: single states, the first of each case: price in ticks × size in lots before → after, the four "
        "terms of e in lots (bid after, bid before, ask after, ask before), and e.",
        ["bid, ask", "s after the open", "bid", "ask", "terms", "e, lots"],
        [
            [
                one.case,
                f"{one.seconds:.3f}",
                _format_side(one.bid),
                _format_side(one.ask),
                " ".join(format_number(term, "+,.0f") for term in one.terms),
                format_number(sum(one.terms), "+,.0f"),
            ]
            for one in traces
        ],
    )


def _format_side(side: tuple[float, int, float, int]) -> str:
    price0, size0, price, size = side
    return f"{price0:,.0f} × {size0:,} → {price:,.0f} × {size:,}"
