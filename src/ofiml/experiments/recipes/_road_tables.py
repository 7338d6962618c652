"""The tables, sentences and numbers about the roads of `book_building`."""

from collections.abc import Mapping, Sequence
from itertools import cycle, pairwise

import numpy as np
from matplotlib.figure import Figure

from ofiml.experiments.joined_messages import DROP, JOIN, READ, STEPS, SUM
from ofiml.experiments.page import Block, Picture, Table
from ofiml.experiments.recipes._book_roads import MESSAGES, TURNED, Road
from ofiml.experiments.road_bars import BEST, BOOK, FLOW, Agreement
from ofiml.study.json_border import Json
from ofiml.ui.figure import BLUE, DARK, GREY, RED, style_figure
from ofiml.ui.format import format_number

_MAX_NAMES = 5
_OTHER_SIDES = (
    "The two files state opposite sides of trades: one has the aggressor's, the other that of the resting order."
)
_COLOURS = {"o": BLUE, "s": RED, "^": DARK, "v": GREY}
_LOOKS = [(colour, marker, dash) for dash in ("-", "--") for marker, colour in _COLOURS.items()]
_SHORT = ("as read", "one message\na time", "one trade\na price", "only changes\nof the book")


def list_road_numbers(road: Road) -> dict[str, Json]:
    """List the numbers of a road, step by step."""
    return {
        "states": [road.messages, road.own_messages],
        "correlation": road.correlation,
        "steps": {
            step: {
                "bars": [one.first, one.second, one.shared],
                "columns": list(one.count_columns()),
                "groups": {
                    group: {"columns": list(one.count_columns(group)), "bars": int(one.same[group].sum())}
                    for group in one.equal
                },
                "differing": list[Json](one.list_differing()) if step == DROP else [],
            }
            for step, one in road.steps.items()
        },
    }


def tabulate_steps(name: str, roads: Sequence[Road]) -> Table:
    """Tabulate how many columns of the bars are the same after each step."""
    rows = [
        ["shared bars (reference, road)", *(_say_bars(road.steps[READ]) for road in roads)],
        ["states of the book (reference, road)", *(f"{road.messages:,}, {road.own_messages:,}" for road in roads)],
        ["correlation of best-level OFI", *(format_number(road.correlation, ".4f") for road in roads)],
    ]
    rows += [[f"same columns, {step}", *(_say_count(road.steps[step]) for road in roads)] for step in STEPS]
    return Table(
        f"{name}: each road against {roads[0].reference}. A column is the same if each shared bar has the same "
        "bits; the steps change both readings, one after the other.",
        ["", *(road.name for road in roads)],
        rows,
    )


def tabulate_groups(name: str, roads: Sequence[Road]) -> Table:
    """Tabulate the same columns by group, as read and after the last step."""
    rows = [
        [group, *(_say_count(road.steps[step], group) for road in roads for step in (READ, DROP))]
        for group in roads[0].steps[READ].equal
    ]
    columns = [f"{road.name}, {step}" for road in roads for step in ("as read", "in the end")]
    return Table(f"{name}: columns that are the same in each shared bar, by group.", ["", *columns], rows)


def _say_bars(one: Agreement) -> str:
    return f"{one.shared:,} ({one.first:,}, {one.second:,})"


def _say_count(one: Agreement, group: str | None = None) -> str:
    same, every = one.count_columns(group)
    return f"{same} of {every}"


def tabulate_causes() -> Table:
    """Tabulate why feeds of one market give other bars, by the step that takes the difference away."""
    return Table(
        "Why the roads differ as read, and what takes each difference away.",
        ["difference of the feeds", "what it changes", "step"],
        [
            [
                "LOBSTER and ITCH make a message of each resting order that is executed; MBO makes one of the whole "
                "order that trades",
                "the number of states, and flow where an order walks through a price: the flow of its parts is not "
                "that of the whole",
                JOIN,
            ],
            [
                "all three state a trade for each resting order that is executed, the market itself one for each price",
                "counts and sizes of trades, and features of the last row of a message",
                SUM,
            ],
            [
                "LOBSTER and the market itself have messages about levels that are not shown; of MBO and ITCH the "
                "reader makes no events of them",
                "the number of states, its rates, and means over states",
                DROP,
            ],
        ],
    )


def judge_roads(name: str, roads: Sequence[Road]) -> list[str]:
    """Say where the roads give the same bars, and which difference of the feeds makes them differ."""
    return [sentence for road in roads for sentence in _judge_road(name, road)]


def _judge_road(name: str, road: Road) -> list[str]:
    read, end = road.steps[READ], road.steps[DROP]
    both = f"{name}, {road.name} against {road.reference}"
    if not read.shared:
        return [
            f"{both}: none of the {read.first:,} and {read.second:,} bars is shared, because the two files state other "
            "times of receipt, at which bars close."
        ]
    if read.is_whole:
        return [
            f"{both}: the {read.shared:,} bars are the same, bit for bit, in all {read.count_columns()[1]} columns."
        ]
    edges = (
        f"the same {read.shared:,} bars"
        if read.first == read.second == read.shared
        else f"{read.shared:,} shared bars of {read.first:,} and {read.second:,}"
    )
    same, every = read.count_columns()
    parts = ", ".join(_say_same(read, group) for group in (BEST, BOOK, FLOW) if group in read.same)
    said = f"{both}: {edges}. As read {same} of {every} columns are the same to the bit: {parts}."
    if road.name == MESSAGES:
        return [
            f"{said} The messages lack the orders from before the first of them and those below the file's levels, so "
            "they give another book; best-level OFI of the two has the correlation "
            f"{format_number(road.correlation, '.2f')}."
        ]
    sides = [_OTHER_SIDES] if road.name == TURNED else []
    return [said, *sides, _say_causes(road), _say_end(end)]


def _say_same(one: Agreement, group: str) -> str:
    same = int(one.same[group].sum())
    return f"the {group} in {'all' if same == one.shared else f'{same:,} of {one.shared:,}'} bars"


def _say_causes(road: Road) -> str:
    """Say which columns each step makes the same."""
    parts = []
    for before, after in pairwise(STEPS):
        was, now = (road.steps[step].list_differing() for step in (before, after))
        for text, names in (
            ("more", [name for name in was if name not in now]), ("fewer", [name for name in now if name not in was]),
        ):  # fmt: skip
            if names:
                parts.append(f"{after}, {len(names)} {text} ({_list_some(names)})")
    return f"What makes columns the same: {'; '.join(parts)}." if parts else "No step makes more columns the same."


def _say_end(end: Agreement) -> str:
    same, every = end.count_columns()
    if end.is_whole:
        return f"In the end all {end.shared:,} bars are the same, bit for bit, in all {every} columns."
    return f"In the end {same} of {every} columns are the same; those that are not: {_list_some(end.list_differing())}."


def _list_some(names: Sequence[str]) -> str:
    return ", ".join(names[:_MAX_NAMES]) + (f" and {len(names) - _MAX_NAMES} more" if len(names) > _MAX_NAMES else "")


def draw_steps(found: Mapping[str, Sequence[Road]]) -> Block:
    """Draw the share of columns that are the same after each step, one panel a market."""

    def draw(figure: Figure) -> None:
        panels = np.atleast_1d(figure.subplots(1, len(found), sharey=True))
        looks = cycle(_LOOKS)
        for axis, (name, roads) in zip(panels, found.items(), strict=True):
            for road, (colour, marker, dash) in zip(roads, looks, strict=False):
                shares = [same / every for same, every in (one.count_columns() for one in road.steps.values())]
                axis.plot(range(len(shares)), shares, dash, color=colour, marker=marker, markersize=5, label=road.name)
            axis.set_title(name, fontsize=10)
            axis.set_xticks(range(len(_SHORT)), _SHORT, fontsize=8)
            axis.set_ylim(0, 1.03)
        panels[0].set_ylabel("share of columns with the same bits")

    return Picture(
        "roads",
        style_figure(draw, legend_columns=3),
        "Columns of the bars that are the same on two roads, as differences of the feeds are taken away.",
    )
