"""Price impact, after Cont, Kukanov & Stoikov (2014): what they report of 50 stocks, on each market."""

from collections.abc import Iterable

import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ofiml._typing import Int64
from ofiml.bars import cut_bars
from ofiml.bars.time import Book, select_states
from ofiml.config import ActivityBars, TimeBars
from ofiml.data.schema import Session, extract_level
from ofiml.evaluation.impact import ImpactScore, ImpactWindow, measure_r2_windows
from ofiml.experiments.bench import Bench, Market
from ofiml.experiments.flow_bars import compute_level_flow, sum_states, tabulate_flow
from ofiml.experiments.page import Page, Picture, Table
from ofiml.experiments.registry import Experiment
from ofiml.ofi.columns import BEST_FLOW
from ofiml.reporting.figures.impact import draw_moves, name_half_hours
from ofiml.reporting.impact import LOTS, SIGNIFICANT, WINDOWS, list_impact_rows
from ofiml.study.json_border import Json
from ofiml.ui.figure import BLUE, GREY, RED, style_figure
from ofiml.ui.format import format_number

STUDY = ("experiment=price_impact", "evaluation.controls=false", "evaluation.leak_check=false")

#: The averages over 50 stocks and a month of April 2010 that the paper reports, as shares of the variance.
PUBLISHED = {"r2": 0.65, "trades_r2": 0.32, "both_r2": 0.67, "square_r2": 0.68}
WITHOUT_CHANGES = "0.35 to 0.60"

#: The columns of a half hour that the page shows, from its beginning to the R² of both.
_SHOWN = range(WINDOWS.index("from (UTC)"), WINDOWS.index("R² of both") + 1)


def run(bench: Bench) -> Page:
    """Run the regressions on each market and put what they give beside the published numbers."""
    scores: dict[str, ImpactScore] = {}
    quiet: dict[str, float] = {}
    bars: dict[str, pl.DataFrame] = {}
    for market in bench.markets:
        study = bench.run_study(market, *STUDY)
        assert isinstance(study.report.impact, ImpactScore)
        scores[market.name], quiet[market.name] = study.report.impact, _measure_quiet_flow(bench, market)
        bars[market.name] = study.predictions.select(BEST_FLOW, "move_ticks")
    names = list(scores)
    return Page(
        blocks=[
            Table(
                "Averages over half hours of regressions on bars of 10 s, in sample, beside the published ones. "
                f"Significant: |t| above {SIGNIFICANT}, with errors that allow for autocorrelation.",
                ["", *names, "paper"],
                [[text, *cells, published] for text, cells, published in _list_rows(scores, quiet)],
            ),
            Picture(
                "moves",
                style_figure(lambda figure: _draw_moves(figure, bars), legend_columns=4),
                "The move of each bar against its flow, and the line of all bars.",
            ),
            Picture(
                "r2",
                style_figure(lambda figure: _draw_r2(figure, scores), legend_columns=4),
                "The R² of each half hour: flow, trades, both.",
            ),
            Picture(
                "slope_depth",
                style_figure(lambda figure: _draw_depth(figure, scores), legend_columns=4),
                "The slope of each half hour against the mean depth at the best prices; the dashed "
                "line is β = 1/(2 depth), the paper's model of the book.",
            ),
            Table(
                "Each half hour: the mean depth at the best prices (lots), the slope β of flow (ticks per 1,000 lots) "
                "with its t, and R².",
                ["market", *(WINDOWS[k] for k in _SHOWN)],
                [
                    [name, *(row[k] for k in _SHOWN)]
                    for name, score in scores.items()
                    for row in list_impact_rows(score.windows)
                ],
            ),
        ],
        verdict=[_judge(name, score, quiet[name]) for name, score in scores.items()],
        limits=[
            "The regressions explain the move of the same bar and forecast nothing.",
            "A day of one stock is one draw of what the paper averages over 50 stocks and 21 days.",
        ],
        numbers={name: _list_numbers(score, quiet[name]) for name, score in scores.items()},
        inputs=bench.sessions,
    )


EXPERIMENT = Experiment(
    title="Price impact of order flow",
    question="How much of the price change of ten seconds does order flow imbalance explain, does trade imbalance add "
    "to it, and does the slope fall with depth? (Cont, Kukanov & Stoikov 2014)",
    run=run,
    markets={"synthetic": "dataset=synthetic"},
)


# --- flow of events that leave the best prices ---------------------------------------------------------------------


def _measure_quiet_flow(bench: Bench, market: Market) -> float:
    """Measure the mean R² of the flow of those events that do not change a best price."""
    config, r2 = bench.configure(market, *STUDY), []
    for session in bench.read_sessions(market, *STUDY):
        rows = _tabulate_quiet_flow(session, config.bars)
        r2 += measure_r2_windows(rows, {(session.symbol, session.date): session.open})
    return float(np.mean(r2)) if r2 else float("nan")


def _tabulate_quiet_flow(session: Session, config: TimeBars | ActivityBars) -> pl.DataFrame:
    """Tabulate the move of each bar, and the flow of the bar's events that left both best prices."""
    book = select_states(session, config.per)
    bars = cut_bars(session, book, config)
    quiet = pl.Series(BEST_FLOW, sum_states(compute_quiet_flow(book), bars.first))
    return tabulate_flow(session, book, bars, 1).with_columns(quiet).filter(pl.col("move_ticks").is_finite())


def compute_quiet_flow(book: Book) -> Int64:
    """Compute the best-level flow (states,), lots; 0 where a best price is not that of the state before."""
    bid, _, ask, _ = extract_level(book.events, 0)
    same = np.zeros(len(bid), bool)
    same[1:] = (bid[1:] == bid[:-1]) & (ask[1:] == ask[:-1])
    return np.where(same, compute_level_flow(book, 0), 0)


# --- tables and words ------------------------------------------------------------------------------------------------


def _mean(values: Iterable[float]) -> float:
    known = [value for value in values if value == value]
    return float(np.mean(known)) if known else float("nan")


def _share(t_statistics: Iterable[float]) -> float:
    """The share of t-statistics that are significant; NaN ones count as not."""
    return float(np.mean([abs(t) > SIGNIFICANT for t in t_statistics]))


def _list_numbers(score: ImpactScore, quiet: float) -> dict[str, Json]:
    w, law = score.windows, score.depth_laws[0] if score.depth_laws else None
    return {
        "windows": len(w),
        "slope": _mean(one.flow.value for one in w) * LOTS,
        "t": _mean(one.flow.t for one in w),
        "significant": _share(one.flow.t for one in w) if w else float("nan"),
        "r2": score.r2_window_mean,
        "trades_r2": _mean(one.trades_r2 for one in w),
        "both_r2": _mean(one.both_r2 for one in w),
        "flow_beside_trades": _share(one.flow_beside_trades.t for one in w) if w else float("nan"),
        "trades_beside_flow": _share(one.trades_beside_flow.t for one in w) if w else float("nan"),
        "square_r2": _mean(one.square_r2 for one in w),
        "square_significant": _share(one.square.t for one in w) if w else float("nan"),
        "quiet_r2": quiet,
        "depth_exponent": law.exponent if law else float("nan"),
        "depth_exponent_error": law.error if law else float("nan"),
        "slope_times_depth": law.scale if law else float("nan"),
        "half_hours": [
            {
                "from": one.start,
                "bars": one.bars,
                "depth": one.depth,
                "slope": one.flow.value * LOTS,
                "t": one.flow.t,
                "r2": one.r2,
                "trades_r2": one.trades_r2,
                "both_r2": one.both_r2,
            }
            for one in w
        ],
    }


def _list_rows(scores: dict[str, ImpactScore], quiet: dict[str, float]) -> list[tuple[str, list[str], str]]:
    of = {name: _list_numbers(score, quiet[name]) for name, score in scores.items()}

    def cells(key: str, form: str) -> list[str]:
        return [format_number(float(str(numbers[key])), form) for numbers in of.values()]

    exponents = [
        f"{low} ± {error}" if low != "–" else low
        for low, error in zip(cells("depth_exponent", ".2f"), cells("depth_exponent_error", ".2f"), strict=True)
    ]
    return [
        ("half hours", cells("windows", ",.0f"), ""),
        ("slope β of flow, ticks per 1,000 lots", cells("slope", ".2f"), ""),
        ("t of β", cells("t", ".1f"), ""),
        ("half hours with a significant β", cells("significant", ".0%"), ""),
        ("R² of flow", cells("r2", ".2f"), f"{PUBLISHED['r2']:.2f}"),
        ("R² of trade imbalance", cells("trades_r2", ".2f"), f"{PUBLISHED['trades_r2']:.2f}"),
        ("R² of both", cells("both_r2", ".2f"), f"{PUBLISHED['both_r2']:.2f}"),
        ("flow significant beside trades", cells("flow_beside_trades", ".0%"), ""),
        ("trades significant beside flow", cells("trades_beside_flow", ".0%"), ""),
        (
            "R² of flow and flow·|flow|",
            cells("square_r2", ".2f"),
            f"{PUBLISHED['square_r2']:.2f}",
        ),
        ("R² of the flow of events that change no best price", cells("quiet_r2", ".2f"), WITHOUT_CHANGES),
        ("λ in β = c/depth^λ", exponents, "1"),
        ("β·depth, ticks", cells("slope_times_depth", ".2f"), "0.50"),
    ]


def _judge(name: str, score: ImpactScore, quiet: float) -> str:
    """Say in a sentence what the numbers of a market mean."""
    if not score.windows:
        return f"{name}: no half hour has 30 bars, so nothing is measured."
    n = _list_numbers(score, quiet)
    flow, trades, both = (float(str(n[key])) for key in ("r2", "trades_r2", "both_r2"))
    added = both - flow
    return (
        f"On {name}, flow explains {flow:.0%} of the variance of ten-second moves and trade imbalance "
        f"{format_number(trades, '.0%')}; trades add {format_number(added, '.2f')} to the R² of flow. Without the "
        f"events that change a best price, flow explains {format_number(quiet, '.0%')}."
    )


# --- figures ---------------------------------------------------------------------------------------------------------

_SERIES = (("flow", "r2", BLUE, "o"), ("trades", "trades_r2", GREY, "s"), ("both", "both_r2", RED, "^"))


def _draw_r2(figure: Figure, scores: dict[str, ImpactScore]) -> None:
    """Draw the R² of each half hour, one panel per market."""
    panels = np.atleast_1d(figure.subplots(1, len(scores), sharey=True))
    for axis, (name, score) in zip(panels, scores.items(), strict=True):
        for text, key, colour, marker in _SERIES:
            values = [getattr(window, key) for window in score.windows]
            axis.plot(values, color=colour, marker=marker, markersize=4, linewidth=0.8, label=text)
        name_half_hours(axis, score.windows)
        axis.set_title(name, fontsize=10)
        axis.set_ylim(0, 1)
    panels[0].set_ylabel("R² in sample")


def _draw_moves(figure: Figure, bars: dict[str, pl.DataFrame]) -> None:
    """Draw the moves of bars against their flow, one panel per market."""
    panels = np.atleast_1d(figure.subplots(1, len(bars)))
    for axis, (name, rows) in zip(panels, bars.items(), strict=True):
        draw_moves(axis, rows[BEST_FLOW].to_numpy().astype(np.float64), rows["move_ticks"].to_numpy())
        axis.set_title(name, fontsize=10)
    panels[0].set_ylabel("move of the mid in the bar (ticks)")


def _draw_depth(figure: Figure, scores: dict[str, ImpactScore]) -> None:
    """Draw slopes against depths, one panel per market."""
    panels = np.atleast_1d(figure.subplots(1, len(scores)))
    for axis, (name, score) in zip(panels, scores.items(), strict=True):
        _draw_law(axis, [window for window in score.windows if window.flow.value > 0 and window.depth > 0])
        axis.set_title(name, fontsize=10)
    panels[0].set_ylabel("β (ticks per 1,000 lots)")


def _draw_law(axis: Axes, windows: list[ImpactWindow]) -> None:
    axis.set_xlabel("mean depth (lots)")
    if not windows:
        return
    depth, slope = np.array([(window.depth, window.flow.value) for window in windows]).T
    axis.scatter(depth, slope * LOTS, s=16, color=BLUE, label="half hour")
    ends = np.geomspace(depth.min() / 1.1, depth.max() * 1.1, 30)
    axis.plot(ends, LOTS / (2 * ends), color=GREY, linewidth=1, linestyle="--", label="β = 1/(2 depth)")
    axis.set_ylim(bottom=0)
