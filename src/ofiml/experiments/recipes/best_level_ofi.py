"""Best-level OFI: its counts, moments and ranges over four windows, where it comes from, and the order of rows."""

from dataclasses import asdict, dataclass, field

import numpy as np
import polars as pl
from matplotlib.figure import Figure

from ofiml._typing import Float
from ofiml.bars.time import Book, cut_time_bars, select_states
from ofiml.config import SyntheticDataset
from ofiml.data.schema import Session
from ofiml.experiments.bench import Bench, Market
from ofiml.experiments.flow_bars import tabulate_flow
from ofiml.experiments.page import Block, Page, Picture, Table
from ofiml.experiments.registry import Experiment
from ofiml.experiments.row_order import (
    PublishedDay,
    TieEffect,
    compare_published,
    is_published_day,
    judge_order,
    judge_published,
    shuffle_session,
    tabulate_order,
    tabulate_published,
)
from ofiml.experiments.single_events import (
    CASES,
    NO_CHANGE,
    Trace,
    count_cases,
    list_trace_numbers,
    tabulate_cases,
    tabulate_traces,
    trace_events,
)
from ofiml.metrics.hac import compute_hac_statistics
from ofiml.metrics.moments import Moments, measure_moments
from ofiml.metrics.scores import ic
from ofiml.study.json_border import Json
from ofiml.ui.figure import BLUE, DARK, GREY, RED, style_figure
from ofiml.ui.format import format_number
from ofiml.units import SECOND

STUDY = ("experiment=best_level_ofi",)
WINDOWS = (30, 60, 120, 300)  # s
MAIN = 60  # s, of the verdict and of what is drawn through the day
SIGNIFICANT = 1.96
_COLOURS = dict(zip(WINDOWS, (DARK, BLUE, GREY, RED), strict=True))
_DASHES = dict(zip(WINDOWS, ("-", "--", "-.", ":"), strict=True))


@dataclass(frozen=True, slots=True)
class WindowResult:
    """OFI over bars of one length: its moments (lots), shares of signs, mean size, and its relation to moves.

    `r2` is that of the same bar's move; `next_ic` is the correlation with the next bar's move, `next_t` its HAC t.
    """

    moments: Moments
    up: float
    down: float
    size: float
    r2: float
    next_ic: float
    next_t: float


@dataclass(slots=True)
class MarketResult:
    """What was measured on a market. `bars` has the table of each window over all sessions; `cases` is that of
    `count_cases`, summed over sessions.
    """

    bars: dict[int, pl.DataFrame]
    windows: dict[int, WindowResult]
    cases: Float
    ties: TieEffect
    traces: list[Trace] = field(default_factory=list)
    published: PublishedDay | None = None


def run(bench: Bench) -> Page:
    """Measure OFI on each market and write what was found."""
    found = {market.name: _study_market(bench, market) for market in bench.markets}
    return Page(
        blocks=[
            *(_tabulate_windows(name, result) for name, result in found.items()),
            _draw_windows(found),
            _draw_days(found),
            tabulate_cases({name: result.cases for name, result in found.items()}),
            *(tabulate_traces(name, result.traces) for name, result in found.items() if result.traces),
            tabulate_order({name: result.ties for name, result in found.items()}),
            *(tabulate_published(result.published) for result in found.values() if result.published),
        ],
        verdict=[sentence for name, result in found.items() for sentence in _judge(name, result)],
        limits=[
            "The R² is of the same bar, in sample: it explains and forecasts nothing.",
            "The correlation with the next bar's move has no delay between close and move, and no costs.",
            "The moments of few bars are weak: kurtosis and range of a day hang on its largest bars.",
        ],
        numbers={name: _list_numbers(result) for name, result in found.items()},
        inputs=bench.sessions,
    )


EXPERIMENT = Experiment(
    title="Order flow imbalance at the best prices",
    question="What does best-level OFI look like over 30, 60, 120 and 300 s, which events make it, and what becomes of "
    "it if rows of the same time are in another order?",
    run=run,
    markets={"synthetic": "dataset=synthetic"},
)


# --- measures --------------------------------------------------------------------------------------------------------


def _study_market(bench: Bench, market: Market) -> MarketResult:
    config = bench.configure(market, *STUDY)
    per, simulated = config.bars.per, isinstance(config.dataset, SyntheticDataset)
    bars: dict[int, list[pl.DataFrame]] = {step: [] for step in WINDOWS}
    cases, ties, traces, published = np.zeros((len(CASES), 2)), TieEffect(), list[Trace](), None
    for session in bench.read_sessions(market, *STUDY):
        book = select_states(session, per)
        for step in WINDOWS:
            bars[step].append(_tabulate_bars(session, book, step))
        cases += count_cases(book)
        ties = ties.add(shuffle_session(session, MAIN * SECOND, config.seed))
        if simulated and not traces:
            traces = trace_events(book, session.open, session.tick)
        if is_published_day(session):
            published = compare_published(session, per)
    tables = {step: pl.concat(parts) for step, parts in bars.items()}
    return MarketResult(
        bars=tables,
        windows={step: measure_window(table) for step, table in tables.items()},
        cases=cases,
        ties=ties,
        traces=traces,
        published=published,
    )


def _tabulate_bars(session: Session, book: Book, step: int) -> pl.DataFrame:
    """Tabulate bars of `step` seconds; none if the session is shorter."""
    length = session.close - session.open
    table = tabulate_flow(session, book, cut_time_bars(session, book, min(step * SECOND, length)), 1)
    return table if length >= step * SECOND else table.clear()


def measure_window(table: pl.DataFrame) -> WindowResult:
    """Measure the OFI of a table of bars, in order of sessions and time; the next bar is of the same session."""
    flow, move = table["ofi_00"].to_numpy().astype(np.float64), table["move_ticks"].to_numpy()
    later = table.select(pl.col("move_ticks").shift(-1).over("symbol", "session"))["move_ticks"]
    ahead = later.fill_null(np.nan).to_numpy()
    known, next_known = np.isfinite(move), np.isfinite(ahead)
    test = compute_hac_statistics(ahead[next_known], flow[next_known], table["bar_close"].to_numpy()[next_known], 0)
    return WindowResult(
        moments=measure_moments(flow),
        up=_share(flow > 0),
        down=_share(flow < 0),
        size=float(np.abs(flow).mean()) if len(flow) else float("nan"),
        r2=ic(move[known], flow[known]) ** 2,
        next_ic=ic(ahead[next_known], flow[next_known]),
        next_t=test.ic.t,
    )


def _share(of: np.ndarray) -> float:
    return float(np.mean(of)) if len(of) else float("nan")


# --- tables and words ------------------------------------------------------------------------------------------------


def _list_numbers(result: MarketResult) -> dict[str, Json]:
    shares = (result.cases / np.maximum(result.cases.sum(axis=0), 1)).tolist()
    return {
        "windows": {
            str(step): asdict(one.moments) | {k: v for k, v in asdict(one).items() if k != "moments"}
            for step, one in result.windows.items()
        },
        "cases": {
            name: {"states": a, "lots": b, "share_of_states": of_states, "share_of_lots": of_lots}
            for name, (a, b), (of_states, of_lots) in zip(CASES, result.cases.tolist(), shares, strict=True)
        },
        "ties": result.ties.summarise(),
        **({"traces": {one.case: list_trace_numbers(one) for one in result.traces}} if result.traces else {}),
        **({"published": result.published.list_numbers()} if result.published else {}),
    }


def _tabulate_windows(name: str, result: MarketResult) -> Table:
    values = [result.windows[step] for step in WINDOWS]
    rows: list[tuple[str, str, list[float]]] = [
        ("bars", ",.0f", [one.moments.count for one in values]),
        ("OFI above 0", ".0%", [one.up for one in values]),
        ("OFI below 0", ".0%", [one.down for one in values]),
        ("mean, lots", ",.0f", [one.moments.mean for one in values]),
        ("standard deviation, lots", ",.0f", [one.moments.deviation for one in values]),
        ("minimum, lots", ",.0f", [one.moments.minimum for one in values]),
        ("maximum, lots", ",.0f", [one.moments.maximum for one in values]),
        ("mean size |OFI|, lots", ",.0f", [one.size for one in values]),
        ("skewness", ".2f", [one.moments.skewness for one in values]),
        ("excess kurtosis", ".1f", [one.moments.kurtosis for one in values]),
        ("R² of the same bar's move", ".2f", [one.r2 for one in values]),
        ("correlation with the next bar's move", ".3f", [one.next_ic for one in values]),
        ("its t-statistic", ".1f", [one.next_t for one in values]),
    ]
    return Table(
        f"{name}: OFI at the best prices over bars of four lengths.",
        ["", *(f"{step} s" for step in WINDOWS)],
        [[text, *(format_number(value, form) for value in cells)] for text, form, cells in rows],
    )


def _judge(name: str, result: MarketResult) -> list[str]:
    main, moments = result.windows[MAIN], result.windows[MAIN].moments
    short, long = (result.windows[step].moments.deviation for step in (WINDOWS[0], WINDOWS[-1]))
    silent, silent_size = result.cases[CASES.index(NO_CHANGE)] / np.maximum(result.cases.sum(axis=0), 1)
    return [
        f"On {name}, OFI of {MAIN} s has a standard deviation of {format_number(moments.deviation, ',.0f')} lots and "
        f"an excess kurtosis of {format_number(moments.kurtosis, '.1f')} ({moments.count:,} bars). "
        f"{say_growth(short, long)}States that change no best price are {silent:.0%} of those with flow and "
        f"{silent_size:.0%} of its size. OFI explains {format_number(main.r2, '.0%')} of the variance of the same "
        f"minute's move; its correlation with the next minute's, {format_number(main.next_ic, '.3f')}, "
        f"{say_test(main.next_t)}.",
        judge_order(name, result.ties),
        *([judge_published(result.published)] if result.published else []),
    ]


def say_growth(short: float, long: float) -> str:
    """Say how the standard deviation grows from the shortest to the longest window; empty if one is not known."""
    if not (short > 0 and long > 0):
        return ""
    free = float(np.sqrt(WINDOWS[-1] / WINDOWS[0]))
    return (
        f"From {WINDOWS[0]} to {WINDOWS[-1]} s the standard deviation grows {long / short:.1f}-fold; independent flow "
        f"gives {free:.1f}. "
    )


def say_test(t: float) -> str:
    """Say whether a correlation with this t-statistic differs from 0."""
    if t != t:
        return "is of too few bars to be tested"
    return f"{'differs' if abs(t) > SIGNIFICANT else 'cannot be told'} from 0 (t = {format_number(t, '.1f')})"


# --- figures ---------------------------------------------------------------------------------------------------------


def _draw_windows(found: dict[str, MarketResult]) -> Block:
    """Draw the quantiles of OFI against those of a normal distribution, one panel per market."""

    def draw(figure: Figure) -> None:
        panels = np.atleast_1d(figure.subplots(1, len(found), sharey=True))
        for axis, (name, result) in zip(panels, found.items(), strict=True):
            for step, table in result.bars.items():
                x, y = _match_quantiles(table["ofi_00"].to_numpy().astype(np.float64))
                axis.plot(x, y, color=_COLOURS[step], linestyle=_DASHES[step], linewidth=1.4, label=f"{step} s")
            axis.axline((0, 0), slope=1, color=GREY, linewidth=0.8, label="normal")
            axis.set_title(name, fontsize=10)
            axis.set_xlabel("normal quantile")
        panels[0].set_ylabel("OFI less mean, in standard deviations")

    return Picture(
        "distribution",
        style_figure(draw, legend_columns=5),
        "Quantiles of OFI in each window against a normal distribution's: tails that leave the line are fat.",
    )


def _match_quantiles(flow: Float) -> tuple[Float, Float]:
    """Match the sorted standardised values with normal quantiles, (n,) each; empty if they do not vary."""
    from scipy.special import ndtri

    if len(flow) < 2 or np.ptp(flow) == 0:
        return np.empty(0), np.empty(0)
    return ndtri((np.arange(len(flow)) + 0.5) / len(flow)), np.sort((flow - flow.mean()) / flow.std())


def _draw_days(found: dict[str, MarketResult]) -> Block:
    """Draw OFI through the first session of each market."""

    def draw(figure: Figure) -> None:
        panels = np.atleast_1d(figure.subplots(1, len(found)))
        for axis, (name, result) in zip(panels, found.items(), strict=True):
            table = result.bars[MAIN]
            day = table.filter(pl.col("session") == table["session"][0]) if table.height else table
            flow = day["ofi_00"].to_numpy()
            minute = np.arange(len(flow)) * MAIN / 60
            for up, colour, text in ((True, BLUE, "buying pressure"), (False, RED, "selling pressure")):
                rows = (flow > 0) == up
                axis.bar(
                    minute[rows], flow[rows], width=MAIN / 60, color=colour, edgecolor=colour, linewidth=0.5, label=text
                )
            axis.set_title(name, fontsize=10)
            axis.set_xlabel("minutes after the open")
        panels[0].set_ylabel(f"OFI of {MAIN} s (lots)")

    return Picture("day", style_figure(draw, legend_columns=2), "OFI of each minute in the first session.")
