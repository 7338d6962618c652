"""How far ahead flow forecasts: skill by horizon, in clock time and in events, for each variant of OFI."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ofiml.bars.time import select_states
from ofiml.data.schema import Session, extract_level
from ofiml.experiments.bench import Bench, Market
from ofiml.experiments.choices import INPUT_STYLES, INPUTS, SKILL_ONLY
from ofiml.experiments.intervals import read_measures
from ofiml.experiments.page import Page, Picture, Table, list_ends, show_estimate
from ofiml.experiments.registry import Experiment
from ofiml.metrics.bootstrap import MIN_BLOCKS
from ofiml.metrics.estimates import Estimate
from ofiml.study.json_border import Json
from ofiml.ui.figure import GREY, style_figure
from ofiml.ui.format import format_number
from ofiml.units import SECOND, parse_duration

STUDY = ("experiment=signal_horizon", *SKILL_ONLY)
STEP = 10  # seconds of a bar; a shorter horizon has bars of its own length
CLOCK = ("1s", "3s", "10s", "30s", "100s", "300s")
EVENTS = (1, 3, 10, 30, 100, 300, 1000, 3000)
PUBLISHED_CHANGES = 2.0  # price changes after which forecasts from flow are best (Kolm, Turiel & Westray 2023)


@dataclass(frozen=True, slots=True)
class Point:
    """The skill of a variant at a horizon: its name, its length in the clock's unit, and in changes of the mid.

    Intervals need 8 `blocks` of time.
    """

    variant: str
    horizon: str
    length: float
    changes: float
    blocks: int
    ic: Estimate
    r2: Estimate


def run(bench: Bench) -> Page:
    """Train each variant for each horizon on each market, and compare the skill."""
    clock: dict[str, list[Point]] = {}
    events: dict[str, list[Point]] = {}
    for market in bench.markets:
        pace = _measure_pace(bench, market)
        clock[market.name] = list(_score_clock(bench, market, pace))
        events[market.name] = list(_score_events(bench, market, pace))
    return Page(
        blocks=[
            *_tabulate_all(clock, "horizon"),
            Picture(
                "clock",
                style_figure(lambda figure: _draw(figure, clock, "seconds"), legend_columns=4),
                "IC with its 95 % interval against the horizon in seconds. Every point is a model of its own.",
            ),
            *_tabulate_all(events, "horizon in messages"),
            Picture(
                "changes",
                style_figure(lambda figure: _draw(figure, events, "changes of the mid"), legend_columns=4),
                "The same for horizons that are counted in messages, against the mean number of changes of the mid in "
                "one.",
            ),
        ],
        verdict=[judge(name, clock[name], events[name]) for name in clock],
        limits=[
            "A forecast within the spread is not a profit: no trade is made here.",
            "Horizons share rows and days, so that the points of a line are not independent.",
            f"A horizon with fewer than {MIN_BLOCKS} blocks of time (five minutes, or ten horizons if that is longer) "
            "has no interval, and the verdict passes over it.",
        ],
        numbers={name: _list_numbers(clock[name], events[name]) for name in clock},
        inputs=bench.sessions,
    )


EXPERIMENT = Experiment(
    title="How far ahead does flow forecast?",
    question="At which horizon does order flow forecast best, in seconds and in events, and does it depend on the "
    "variant of OFI? The literature finds an effective horizon of about two price changes (Kolm, Turiel & Westray "
    "2023).",
    run=run,
    markets={"synthetic": "dataset=synthetic"},
)


# --- studies ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Pace:
    """How often a market's book changes: messages a second, and changes of the mid a second."""

    messages: float
    changes: float


def _measure_pace(bench: Bench, market: Market) -> _Pace:
    counts = np.array([count_changes(session) for session in bench.read_sessions(market, *STUDY)], np.float64)
    messages, changes, nanoseconds = counts.sum(axis=0)
    return _Pace(messages * SECOND / nanoseconds, changes * SECOND / nanoseconds)


def count_changes(session: Session) -> tuple[int, int, int]:
    """Count the messages of a session and the changes of its mid; return them with its length in ns.

    A state without both sides is passed over.
    """
    book = select_states(session, "message")
    bid, bid_size, ask, ask_size = extract_level(book.events, 0)
    twice = (bid + ask)[(bid_size > 0) & (ask_size > 0)]
    return len(bid), int(np.count_nonzero(np.diff(twice))), session.close - session.open


def _score_clock(bench: Bench, market: Market, pace: _Pace) -> Iterator[Point]:
    for name, overrides in INPUTS.items():
        for horizon in CLOCK[:: 3 if bench.tiny else 1]:
            length = parse_duration(horizon) / SECOND
            step = f"bars.step={horizon if length < STEP else STEP}{'' if length < STEP else 's'}"
            asked = (*STUDY, *overrides, step, f"horizon.length={horizon}", f"split.embargo={horizon}")
            yield _score(bench, market, asked, name, horizon, length, length * pace.changes)


def _score_events(bench: Bench, market: Market, pace: _Pace) -> Iterator[Point]:
    for name, overrides in INPUTS.items():
        for size in EVENTS[:: 3 if bench.tiny else 1]:
            changes = size * pace.changes / pace.messages
            asked = (*STUDY, *overrides, "horizon=events", f"horizon.size={size}")
            yield _score(bench, market, asked, name, f"{size:,}", changes, changes)


def _score(
    bench: Bench, market: Market, asked: tuple[str, ...], variant: str, horizon: str, length: float, changes: float
) -> Point:
    report = bench.run_study(market, *asked).report
    measures = read_measures(report)
    return Point(variant, horizon, length, changes, report.metrics.bootstrap.blocks, measures["ic"], measures["r2"])


# --- tables and words ------------------------------------------------------------------------------------------------


def _tabulate_all(by_market: dict[str, list[Point]], what: str) -> Iterator[Table]:
    """Tabulate IC and R² of each market by `what` kind of horizon."""
    for measure, shown in (("ic", "IC"), ("r2", "R²")):
        for name, points in by_market.items():
            yield _tabulate(f"{name}: {shown} out of sample, by {what}.", points, measure)


def _tabulate(text: str, points: list[Point], measure: str) -> Table:
    """Tabulate a measure by horizon, one column a variant, with its interval."""
    form = ".3f" if measure == "ic" else ".4f"
    columns = list(dict.fromkeys(point.variant for point in points))
    horizons = {point.horizon: (point.changes, point.blocks) for point in points}
    estimates = {(p.variant, p.horizon): getattr(p, measure) for p in points}
    cells = {place: show_estimate(e, form) for place, e in estimates.items()}
    rows = [
        [horizon, format_number(changes, ".1f"), str(blocks), *(cells[name, horizon] for name in columns)]
        for horizon, (changes, blocks) in horizons.items()
    ]
    return Table(text, ["horizon", "changes of the mid", "blocks of time", *columns], rows)


def _list_numbers(clock: list[Point], events: list[Point]) -> dict[str, Json]:
    return {
        kind: {
            f"{point.variant}, {point.horizon}": {
                "changes": point.changes,
                "blocks": point.blocks,
                "ic": list_ends(point.ic),
                "r2": list_ends(point.r2),
            }
            for point in points
        }
        for kind, points in (("clock", clock), ("events", events))
    }


def judge(name: str, clock: list[Point], events: list[Point]) -> str:
    """Say at which horizon each clock is best, and whether flow forecasts at all."""
    skilled = [point for point in clock if point.ic.low > 0]
    if not skilled:
        return f"On {name} no variant has an IC whose interval lies above 0 at any horizon."
    best = max(skilled, key=lambda point: point.ic.value)
    far = max(skilled, key=lambda point: point.length)
    words = (
        f"On {name} the highest IC is {best.ic.value:.3f}, of {best.variant} at {best.horizon}, which is "
        f"{best.changes:.1f} changes of the mid{_name_edge(best, clock)}; the longest horizon with an interval above "
        f"0 is {far.horizon} ({far.variant}, {far.changes:.0f} changes)."
    )
    counted = [point for point in events if point.ic.low > 0]
    if not counted:
        return f"{words} In messages no interval lies above 0."
    of_events = max(counted, key=lambda point: point.ic.value)
    return (
        f"{words} In messages the IC is highest after {of_events.horizon} ({of_events.variant}, "
        f"{of_events.ic.value:.3f}), {of_events.changes:.1f} changes{_name_edge(of_events, events)}; the literature "
        f"has about {PUBLISHED_CHANGES:.0f}."
    )


def _name_edge(best: Point, points: list[Point]) -> str:
    """Say that the best horizon is the shortest or the longest with an interval, so that it is no optimum."""
    lengths = [point.length for point in points if point.blocks >= MIN_BLOCKS]
    if best.length == min(lengths):
        return ", the shortest that was tried, so that this is no optimum"
    if best.length == max(lengths):
        return ", the longest with an interval, so that this is no optimum"
    return ""


# --- figures ---------------------------------------------------------------------------------------------------------


def _draw(figure: Figure, by_market: dict[str, list[Point]], unit: str) -> None:
    """Draw IC against horizon, one panel a market and one line a variant."""
    panels = np.atleast_1d(figure.subplots(1, len(by_market), sharey=True))
    for axis, (name, points) in zip(panels, by_market.items(), strict=True):
        _draw_market(axis, points)
        axis.set_title(name, fontsize=10)
        axis.set_xlabel(f"horizon ({unit})")
    panels[0].set_ylabel("IC out of sample")


def _draw_market(axis: Axes, points: list[Point]) -> None:
    for k, variant in enumerate(dict.fromkeys(point.variant for point in points)):
        of = [point for point in points if point.variant == variant]
        colour, marker = INPUT_STYLES[variant]
        x, value, low, high = np.array([(p.length, p.ic.value, p.ic.low, p.ic.high) for p in of]).T
        axis.errorbar(
            x * 1.06 ** (k - 1.5),
            value,
            np.abs(np.stack([value - low, high - value])),
            color=colour,
            marker=marker,
            markersize=4,
            linewidth=1,
            capsize=2,
            label=variant,
        )
    axis.axhline(0, color=GREY, linewidth=0.8)
    axis.set_xscale("log")
