"""Check an implementation of OFI against the conformance books.

An implementation is a function of one argument and needs nothing from this package:

    def answers(given):
        given["levels"]         # number of levels
        given["states"]         # the book after each row of the feed, in order; each state a dict of
                                #   time (ns), bids and asks ([price, size] or None per level, best first),
                                #   ends_message (bool), boundary (None, session, halt, clear or snapshot)
        given["edges"]          # None, or the edges of bars (ns); bar k is (edges[k], edges[k + 1]]
        return {"flow": …,      # one list per state: a number per level, None where no flow is measured
                "bar_flow": …,  # one list per bar: the sum of each level's flow; only if there are edges
                "bar_events": …}  # one number per bar: the messages that end in it; only if there are edges

All values are ints, lists and dicts. An implementation may omit a part that it does not compute, or return None for a
whole case. Both count as not supported, never as passed. Where no flow is measured, 0, None and NaN are all correct.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from typing import Any

from ofiml.conformance.books import Case, Given
from ofiml.errors import DataError

Number = int | float | Fraction | Decimal
Implementation = Callable[[Given], Mapping[str, Any] | None]

ANSWER_UNITS = {"flow": "state", "bar_flow": "bar", "bar_events": "bar"}


@dataclass(frozen=True, slots=True)
class Difference:
    """One number that differs: its place in the case, the expected and the actual number."""

    where: str
    expected: str
    got: str


@dataclass(frozen=True, slots=True)
class CaseResult:
    """The result of one case: the numbers that differ, and the parts of the answer that are missing."""

    case: Case
    differences: list[Difference] = field(default_factory=list)
    unsupported: list[str] = field(default_factory=list)

    @property
    def verdict(self) -> str:
        """`differs` if a number is wrong, else `not supported` if a part is missing, else `passes`."""
        return "differs" if self.differences else "not supported" if self.unsupported else "passes"


def check_case(implementation: Implementation, case: Case) -> CaseResult:
    """Compare an implementation's answer to one case with the known answer, number by number and exactly.

    An exception in the implementation counts as a difference. Raises DataError for an answer of another shape than the
    case requires.
    """
    result = CaseResult(case)
    try:
        answer = implementation(deepcopy(case["given"]))
    except Exception as error:  # noqa: BLE001 - a foreign function may raise anything
        result.differences.append(Difference("", "an answer", f"{type(error).__name__}: {error}"))
        return result
    if answer is not None and (not isinstance(answer, Mapping) or set(answer) - set(ANSWER_UNITS)):
        what = (
            f"the keys {', '.join(map(str, answer))}" if isinstance(answer, Mapping) else f"a {type(answer).__name__}"
        )
        raise DataError(f"{case['id']}: got {what}; return a dict with {', '.join(ANSWER_UNITS)}, or None.")
    for part, unit in ANSWER_UNITS.items():
        expected = case["answer"][part]  # type: ignore[literal-required]
        got = None if answer is None else answer.get(part)
        if expected is not None and got is None:
            result.unsupported.append(part)
        elif expected is not None:
            place = f"{case['id']}, {part}"
            rows = _require_sequence(got, len(expected), f"one entry per {unit}", place)
            for i, (right, row) in enumerate(zip(expected, rows, strict=True), 1):
                _compare(result, right, row, f"{unit} {i}", f"{place}, {unit} {i}")
    return result


def _compare(result: CaseResult, right: list[int | None] | int, row: Any, where: str, place: str) -> None:
    """Compare one row of an answer: a number, or one number per level."""
    if isinstance(right, int):
        pairs: list[tuple[str, int | None, Number | None]] = [(where + ", events", right, _convert_number(row, place))]
    else:
        numbers = _require_sequence(row, len(right), "one number per level", place)
        pairs = [
            (f"{where}, level {m}", e, _convert_number(g, place))
            for m, (e, g) in enumerate(zip(right, numbers, strict=True), 1)
        ]
    for at, expected, got in pairs:
        same = got is None or got == 0 if expected is None else got == expected
        if not same:
            result.differences.append(Difference(at, _format_number(expected), _format_number(got)))


def _require_sequence(got: Any, length: int, what: str, place: str) -> Sequence[Any]:
    got = got.tolist() if hasattr(got, "tolist") else got
    if not isinstance(got, list | tuple):
        raise DataError(f"{place}: got {got!r}, expected a list of {length}, {what}.")
    if len(got) != length:
        raise DataError(f"{place}: got a list of {len(got)}, expected {length}, {what}.")
    return got


def _convert_number(got: Any, place: str) -> Number | None:
    """Convert to a Python number, which compares exactly, as numpy's floats do not; None for NaN."""
    got = got.item() if hasattr(got, "item") else got
    if got is None or (isinstance(got, float) and math.isnan(got)):
        return None
    if isinstance(got, bool) or not isinstance(got, Number):
        raise DataError(f"{place}: got {got!r}, expected a number, or None where no flow is measured.")
    return got


def _format_number(number: Number | None) -> str:
    return "none" if number is None else str(number)
