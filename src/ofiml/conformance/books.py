"""Types of the conformance file. The file documents each field under `fields`."""

import json
from pathlib import Path
from typing import TypedDict

FILE = Path(__file__).with_name("ofi_books.json")

Flow = list[list[int | None]]


class State(TypedDict):
    """The book after one row of the feed: [price, size] per level, best first, None for a missing level."""

    time: int
    bids: list[list[int] | None]
    asks: list[list[int] | None]
    ends_message: bool
    boundary: str | None


class Given(TypedDict):
    """The input of a case: times in ns, prices in 0.0001 of the currency, sizes in lots."""

    levels: int
    states: list[State]
    edges: list[int] | None


class Answer(TypedDict):
    """The known answer: flow per state and level and, if there are bars, their sums and numbers of events."""

    flow: Flow
    bar_flow: Flow | None
    bar_events: list[int] | None


class Case(TypedDict):
    """One case: its input, its known answer, and the sentence, source and working behind it."""

    id: str
    sentence: str
    source: str
    rests_on: str
    mirror_of: str | None
    given: Given
    working: list[str]
    answer: Answer


def read_cases() -> list[Case]:
    """Read all cases, in the order of the file."""
    return json.loads(FILE.read_text(encoding="utf-8"))["cases"]
