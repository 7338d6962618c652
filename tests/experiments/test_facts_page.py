"""Experiment 003: each row in which the default market is outside of the range is marked so, and has a reason."""

import math
import re

from tests.conftest import ROOT
from tests.numbers_in_text import list_tables

FOLDER = ROOT / "experiments" / "003-is-it-a-market"
README = (FOLDER / "README.md").read_text(encoding="utf-8")


def read_sides():
    """The side on which the default is outside, by the name of each row of facts.md where it is."""
    (table,) = list_tables((FOLDER / "facts.md").read_text(encoding="utf-8"))
    sides = {}
    for name, *_, outside in table[1:]:
        for part in filter(None, outside.split("; ")):
            side, labels = part.split(": ")
            if "synthetic" in labels.split(", "):
                sides[name] = side
    return sides


def read_reasons(page):
    """The side of each row that the list of reasons names: an item has one side for all of its rows, or one each."""
    reasons = {}
    for item in re.findall(r"^- \*(.*?)(?=^- \*|\n\n)", page, re.MULTILINE | re.DOTALL):
        names, sides, why = re.fullmatch(r"(.*?)\*, ([a-z, ]+)\. (.*)", " ".join(item.split())).groups()
        rows, of = names.split("; "), sides.split(", ")
        assert len(why) > 40, f"{names}: no reason"
        reasons |= dict(zip(rows, of if len(of) > 1 else of * len(rows), strict=True))
    return reasons


def is_inside(value, real, published):
    """Whether a number is between the lowest and the highest of real markets and what is published."""
    ends = [x for x in real if not math.isnan(x)] + list_signed(published)
    ends += [-math.inf] if published == "negative" else [math.inf] if published.startswith("above") else []
    return min(ends) <= value <= max(ends)


def list_signed(cell):
    return [float(x) for x in re.findall(r"(?<![\w.])-?\d*\.?\d+", re.sub(r"\(.*?\)", "", cell))]


def test_every_row_outside_has_a_reason():
    sides = read_sides()
    assert len(sides) > 30
    assert read_reasons(README) == sides
    (first, *_) = read_reasons(README)
    assert first not in read_reasons(README.replace(f"*{first}; ", "*"))


def test_the_page_says_of_every_row_whether_it_is_within():
    (table,) = [table for table in list_tables(README) if table[0][-1] == "synthetic is"]
    assert len(table) > 15
    for name, *cells, mark in table[1:]:
        days, default = [list_signed(cell) for cell in cells[:2]], list_signed(cells[2])
        inside = [is_inside(x, [d[k] for d in days if k < len(d)], cells[5]) for k, x in enumerate(default)]
        assert ("outside" in mark) != all(inside), f"{name}: {mark}"


def test_a_number_is_inside_of_what_is_published_as_well():
    assert is_inside(0.6, [0.53, 0.26], "0.65")
    assert not is_inside(0.66, [0.53, 0.26], "0.65")
    assert is_inside(0.95, [math.nan, 0.4], "above 0.89")
    assert not is_inside(0.1, [-0.2], "negative")
