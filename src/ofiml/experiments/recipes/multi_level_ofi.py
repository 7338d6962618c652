"""Multi-level OFI: depth and flow by level, sums over levels with three kinds of weights, and what they add."""

from dataclasses import asdict, dataclass, field

import numpy as np
import polars as pl
from matplotlib.figure import Figure

from ofiml.bars import cut_bars
from ofiml.bars.time import select_states
from ofiml.evaluation.bootstrap import BlockBootstrap
from ofiml.experiments.bench import Bench, Market
from ofiml.experiments.depth_profile import DepthProfile, list_depth, measure_depth, tabulate_depth
from ofiml.experiments.flow_bars import tabulate_flow
from ofiml.experiments.level_parts import LevelResult, measure_levels, tabulate_parts
from ofiml.experiments.page import Block, Page, Picture, Table
from ofiml.experiments.published_levels import PublishedLevels, compare_levels, judge_levels, tabulate_levels
from ofiml.experiments.registry import Experiment
from ofiml.experiments.row_order import is_published_day
from ofiml.experiments.rows import divide_bars
from ofiml.experiments.same_bar import Explained, explain_moves
from ofiml.metrics.scores import ic
from ofiml.ofi.flow import name_flow_columns
from ofiml.ofi.reduce import build_reducer
from ofiml.study.json_border import Json
from ofiml.ui.figure import BLUE, DARK, GREY, RED, style_figure
from ofiml.ui.format import format_estimate, format_number

STUDY = ("experiment=multi_level_ofi",)
MAX_LEVELS = 10
BEST, ALL = "best level", "all levels, least squares"

#: The reductions by their names on the page: choices of `ofi`.
REDUCTIONS = {
    BEST: "best_level",
    "sum": "mlofi_sum",
    "weights 1/m": "mlofi_weighted",
    "weights exp(−(m − 1)/2)": "mlofi_decay",
    ALL: "mlofi",
}


@dataclass(frozen=True, slots=True)
class MarketResult:
    """What was measured on a market: its `bars`, by level, and by reduction."""

    bars: int
    depth: DepthProfile
    levels: list[LevelResult]
    explained: dict[str, Explained]
    correlations: dict[str, float]
    published: list[PublishedLevels] = field(default_factory=list)


def run(bench: Bench) -> Page:
    """Measure each market and write what was found."""
    found = {market.name: _study_market(bench, market) for market in bench.markets}
    return Page(
        blocks=[
            *(tabulate_depth(name, result.depth) for name, result in found.items()),
            _draw_depth(found),
            *(tabulate_parts(name, result.levels) for name, result in found.items()),
            _draw_shares(found),
            *(_tabulate_reductions(name, result) for name, result in found.items()),
            _draw_reductions(found),
            *(tabulate_levels(day) for result in found.values() for day in result.published),
        ],
        verdict=[sentence for name, result in found.items() for sentence in _judge(name, result)],
        limits=[
            "All R² are of the move of the same bar: out of sample means with coefficients of earlier bars, and no "
            "forecast of a later move.",
            f"R² hangs on single bars: the largest has {_say_largest(found)} of the variance of best-level OFI.",
            "A day of one stock is one draw; another day may order the reductions in another way.",
            "A share of R² depends on which levels are in the regression.",
        ],
        numbers={name: _list_numbers(result) for name, result in found.items()},
        inputs=bench.sessions,
    )


EXPERIMENT = Experiment(
    title="Order flow imbalance on several levels",
    question="How deep are the levels of the book and how does their flow hang together, does flow beyond the best "
    "prices explain more of the price, and which levels contribute?",
    run=run,
    markets={"synthetic": "dataset=synthetic"},
)


# --- measures --------------------------------------------------------------------------------------------------------


def _study_market(bench: Bench, market: Market) -> MarketResult:
    config = bench.configure(market, *STUDY)
    tables, hours, published, profile = [], [], list[PublishedLevels](), None
    for session in bench.read_sessions(market, *STUDY):
        levels, book = min(session.levels, MAX_LEVELS), select_states(session, config.bars.per)
        bars = cut_bars(session, book, config.bars)
        tables.append(tabulate_flow(session, book, bars, levels))
        hours.append((session.date, session.open, session.close))
        depth = measure_depth(session, book, levels)
        profile = depth if profile is None else profile.add(depth)
        if is_published_day(session):
            published.append(compare_levels(session, config.bars.per))
    assert profile is not None, "a dataset has a session, or raises"
    names = name_flow_columns(len(profile.states))
    table = pl.concat([one.select("session", "bar_open", "bar_close", "move_ticks", *names) for one in tables])
    table = table.filter(pl.col("move_ticks").is_finite()).sort("bar_close", maintain_order=True)
    flow = table.select(names).to_numpy().astype(np.float64)
    reduced = {
        text: build_reducer(bench.configure(market, *STUDY, f"ofi={name}").ofi, flow.shape[1]).transform(flow)
        for text, name in REDUCTIONS.items()
    }
    folds = divide_bars(table, hours, config.split)
    return MarketResult(
        bars=table.height,
        depth=profile,
        levels=measure_levels(flow, table["move_ticks"].to_numpy()),
        explained=explain_moves(reduced, BEST, table, folds, BlockBootstrap.of(config.evaluation, config.seed)),
        correlations={text: ic(flow[:, 0], x[:, 0]) for text, x in reduced.items() if x.shape[1] == 1},
        published=published,
    )


# --- tables and words ------------------------------------------------------------------------------------------------


def _list_numbers(result: MarketResult) -> dict[str, Json]:
    return {
        "bars": result.bars,
        "depth": list_depth(result.depth),
        "levels": [
            asdict(one.moments) | {k: v for k, v in asdict(one).items() if k != "moments"} for one in result.levels
        ],
        "reductions": {name: asdict(one) for name, one in result.explained.items()},
        "correlations": dict(result.correlations),
        **({"published": result.published[0].list_numbers()} if result.published else {}),
    }


def _tabulate_reductions(name: str, result: MarketResult) -> Table:
    rows = []
    for text, one in result.explained.items():
        rows.append(
            [
                text,
                format_number(result.correlations.get(text, float("nan")), ".2f"),
                format_number(one.in_sample),
                format_estimate(one.out, one.low, one.high),
                "" if text == BEST else format_estimate(one.added, one.added_low, one.added_high).replace("-", "−"),
            ]
        )
    return Table(
        f"{name}: the R² of the same bar's move out of sample by walk-forward, with 95% intervals. In sample: fitted "
        "on those tested bars themselves. Added: the difference to the best level out of sample.",
        ["OFI", "correlation with best level", "R² in sample", "R² out of sample", "added"],
        rows,
    )


def _judge(name: str, result: MarketResult) -> list[str]:
    explained, first = result.explained, result.levels[0]
    if not any(one.r2_share == one.r2_share for one in result.levels):
        return [f"On {name}, flow or mid does not vary, so nothing is measured."]
    added = "; ".join(f"{text}, {say_added(explained[key])}" for key, text in _JUDGED.items())
    largest = int(np.nanargmax([one.size for one in result.levels]))
    telling = int(np.nanargmax([one.r2_share for one in result.levels]))
    most = f"level {telling + 1} has most of the R² ({result.levels[telling].r2_share:.0%})"
    most += f", level {largest + 1} most of the size" if largest != telling else " and of the size"
    return [
        f"On {name}, the best level explains {explained[BEST].out:.0%} of the variance of the same bar's move out of "
        f"sample. More levels add, in percentage points: {added}. The sum has correlation "
        f"{format_number(result.correlations['sum'], '.2f')} with the best level. The best level has "
        f"{first.size:.0%} of the mean size of flow and {first.r2_share:.0%} of the R² of all levels; {most}.",
        *(judge_levels(day) for day in result.published),
    ]


_JUDGED = {"sum": "their sum", "weights 1/m": "weights 1/m", ALL: "least squares on all"}


def say_added(of: Explained) -> str:
    """Say what a reduction adds to the best level, with its interval, in percentage points."""
    value, low, high = (format_number(100 * one, "+.1f") for one in (of.added, of.added_low, of.added_high))
    if of.added_low != of.added_low:
        return f"{value} (too few bars for an interval)"
    weak = "" if of.added_low > 0 or of.added_high < 0 else ", cannot be told from 0"
    return f"{value} ({low} to {high}{weak})"


def _say_largest(found: dict[str, MarketResult]) -> str:
    """Say the share of the bar farthest from the mean in the variance of best-level OFI, by market."""
    texts = []
    for name, result in found.items():
        m = result.levels[0].moments
        squares = (m.count - 1) * m.deviation**2
        farthest = max(m.maximum - m.mean, m.mean - m.minimum) ** 2 / squares if squares > 0 else float("nan")
        texts.append(f"{format_number(farthest, '.1%')} ({name})")
    return ", ".join(texts)


# --- figures ---------------------------------------------------------------------------------------------------------


def _draw_depth(found: dict[str, MarketResult]) -> Block:
    def draw(figure: Figure) -> None:
        panels = np.atleast_1d(figure.subplots(1, len(found)))
        for axis, (name, result) in zip(panels, found.items(), strict=True):
            timed = result.depth.average()["timed"]
            level = np.arange(1, len(timed) + 1)
            axis.plot(level, timed[:, 0], color=BLUE, marker="o", markersize=4, label="bid")
            axis.plot(level, timed[:, 1], color=RED, marker="s", markersize=4, linestyle="--", label="ask")
            axis.set_title(name, fontsize=10)
            axis.set_xlabel("level")
            axis.set_xticks(level)
            axis.set_ylim(bottom=0)
        panels[0].set_ylabel("mean size over time (lots)")

    return Picture("depth", style_figure(draw, legend_columns=2), "The mean size of each level over time.")


_SHARES = (("size", "mean size", GREY, ":", "^"), ("variance", "variance of the sum", BLUE, "--", "s"))
_ALL_SHARES = (*_SHARES, ("r2_share", "R²", RED, "-", "o"))


def _draw_shares(found: dict[str, MarketResult]) -> Block:
    def draw(figure: Figure) -> None:
        panels = np.atleast_1d(figure.subplots(1, len(found), sharey=True))
        for axis, (name, result) in zip(panels, found.items(), strict=True):
            level = np.arange(1, len(result.levels) + 1)
            for key, text, colour, dash, marker in _ALL_SHARES:
                shares = [100 * getattr(one, key) for one in result.levels]
                axis.plot(level, shares, color=colour, linestyle=dash, marker=marker, markersize=4, label=text)
            axis.set_title(name, fontsize=10)
            axis.set_xlabel("level")
            axis.set_xticks(level)
        panels[0].set_ylabel("contribution of the level (%)")

    return Picture(
        "contribution",
        style_figure(draw, legend_columns=3),
        "Contributions by level: mean size says which levels are busy, the share of R² which of them tell the price.",
    )


def _draw_reductions(found: dict[str, MarketResult]) -> Block:
    def draw(figure: Figure) -> None:
        panels = np.atleast_1d(figure.subplots(1, len(found), sharex=True, sharey=True))
        place = np.arange(len(REDUCTIONS))[::-1]
        for axis, (name, result) in zip(panels, found.items(), strict=True):
            rows = list(result.explained.values())
            ends = np.array([[one.out - one.low, one.high - one.out] for one in rows]).T
            axis.errorbar(
                [one.out for one in rows],
                place,
                xerr=np.maximum(np.nan_to_num(ends), 0),
                fmt="o",
                color=BLUE,
                capsize=3,
                label="out of sample, 95%",
            )
            axis.plot([one.in_sample for one in rows], place + 0.2, "D", color=DARK, markersize=4, label="in sample")
            axis.set_title(name, fontsize=10)
            axis.set_xlabel("R²")
        panels[0].set_yticks(place, list(REDUCTIONS))

    return Picture("reductions", style_figure(draw, legend_columns=2), "The R² of the same bar's move by reduction.")
