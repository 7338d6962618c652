"""From messages to a book to volume bars and their features, on several forms of a feed that must agree."""

from dataclasses import asdict, dataclass, field, replace

import numpy as np
import polars as pl
from matplotlib.figure import Figure

from ofiml._typing import Float
from ofiml.bars import cut_bars
from ofiml.bars.time import select_states
from ofiml.config import ActivityBars, SyntheticDataset
from ofiml.data.schema import Session
from ofiml.errors import ConfigError
from ofiml.experiments.bench import Bench, Market
from ofiml.experiments.flow_bars import tabulate_flow
from ofiml.experiments.page import Block, Page, Picture, Table
from ofiml.experiments.recipes._book_roads import Road, compare_pair, read_messages_alone, write_roads
from ofiml.experiments.recipes._road_tables import (
    draw_steps,
    judge_roads,
    list_road_numbers,
    tabulate_causes,
    tabulate_groups,
    tabulate_steps,
)
from ofiml.experiments.registry import Experiment
from ofiml.experiments.road_bars import describe_columns, tabulate_bars
from ofiml.metrics.scores import ic
from ofiml.samples.settings import SampleSettings
from ofiml.study.json_border import Json
from ofiml.ui.figure import BLUE, GREY, style_figure
from ofiml.ui.format import format_number
from ofiml.units import PRICE_SCALE, SECOND

STUDY = ("experiment=book_building",)
FACTORS = (0.5, 1.0, 2.0)  # of the threshold
ROAD_DAYS = 2  # of a simulated market that are written in each form
_TINY = ("dataset.session_length=20m",)
_SHOWN_BARS = 5
_MIN_BARS = 30  # for an R²

#: The features that the page shows, by unit.
SHOWN = {
    "seconds": "s",
    "volume": "lots",
    "n_events": "states",
    "ofi_00": "lots",
    "ofi_deep": "lots",
    "trade_imbalance": "1",
    "vwap_distance": "ticks",
    "spread_ticks": "ticks",
    "depth_best": "lots",
    "queue_imbalance": "1",
    "microprice_offset": "ticks",
    "realised_volatility": "ticks",
}


@dataclass(frozen=True, slots=True)
class Threshold:
    """Bars of one threshold: their number, median seconds, the deviation of best-level OFI (lots), and its R² of the
    same bar's move, NaN with fewer than 30 bars.
    """

    size: float
    bars: int
    seconds: float
    deviation: float
    r2: float


@dataclass(slots=True)
class MarketResult:
    """What was built of a market: its tick, its bars, other thresholds, and its roads."""

    tick: float
    label: str
    bars: pl.DataFrame
    thresholds: list[Threshold]
    simulated: bool
    roads: list[Road] = field(default_factory=list)
    sessions: list[Session] = field(default_factory=list)


def run(bench: Bench) -> Page:
    """Build the bars of each market on each road, and write what agrees."""
    found = {market.name: _study_market(bench, market) for market in bench.markets}
    _pair_markets(bench, found)
    roads = {name: one.roads for name, one in found.items() if one.roads}
    return Page(
        blocks=[
            *(_tabulate_first(name, one) for name, one in found.items() if one.simulated),
            *(_tabulate_features(name, one) for name, one in found.items()),
            _draw_bars(found),
            _tabulate_thresholds(found),
            *(
                table
                for name, some in roads.items()
                for table in (tabulate_steps(name, some), tabulate_groups(name, some))
            ),
            *([draw_steps(roads), tabulate_causes()] if roads else []),
        ],
        verdict=[
            *(_judge_bars(name, one) for name, one in found.items()),
            *(sentence for name, some in roads.items() for sentence in judge_roads(name, some)),
        ],
        limits=[
            "The forms of the embedded market are written by this project, and read by its readers: an error that both "
            "share would not be seen. The vendors' files of one day, where two are given, do not have this weakness.",
            "Features of the clock are not compared, because a file's hours end at a whole minute or millisecond.",
            "The embedded market has whole messages, no halts, no auctions, no hidden orders and no lost messages.",
            "That two roads agree to the bit says that the book is the same, not that a bar forecasts anything.",
        ],
        numbers={name: _list_numbers(one) for name, one in found.items()},
        inputs=bench.sessions,
    )


EXPERIMENT = Experiment(
    title="From messages to a book to volume bars",
    question="Does the same market give the same volume bars and features whether it is read from LOBSTER messages, "
    "from orders (MBO) or from an order stream (ITCH), and where it does not, why?",
    run=run,
    markets={"synthetic": "dataset=synthetic"},
)


# --- measures --------------------------------------------------------------------------------------------------------


def _study_market(bench: Bench, market: Market) -> MarketResult:
    config = bench.configure(market, *STUDY)
    simulated = isinstance(config.dataset, SyntheticDataset)
    study = (*STUDY, *(_TINY if bench.tiny and simulated else ()))
    config = bench.configure(market, *study)
    if not isinstance(config.bars, ActivityBars):
        raise ConfigError(f"{market.name}: bars={config.bars.name}, but this experiment builds bars of activity.")
    settings = SampleSettings.of(config)
    roads = list(write_roads(bench, market, settings, ROAD_DAYS, study)) if simulated else []
    tables, kept, tick = [], list[Session](), 0.0
    parts: dict[float, list[pl.DataFrame]] = {factor * config.bars.size: [] for factor in FACTORS}
    for session in bench.read_sessions(market, *study):
        tick = session.tick / PRICE_SCALE
        tables.append(tabulate_bars(session, settings))
        for size, bars in parts.items():
            bars.append(_tabulate_threshold(session, replace(config.bars, size=size)))
        kept += [] if simulated else [session]
    alone = None if simulated else read_messages_alone(bench, market, settings, kept, study)
    return MarketResult(
        tick=tick,
        label=config.bars.label,
        bars=pl.concat(tables),
        thresholds=[_measure_threshold(size, pl.concat(bars)) for size, bars in parts.items()],
        simulated=simulated,
        roads=[*roads, *([alone] if alone else [])],
        sessions=kept,
    )


def _pair_markets(bench: Bench, found: dict[str, MarketResult]) -> None:
    """Compare recorded markets of the same symbol and session: a later one is a road of the first."""
    settings = {market.name: SampleSettings.of(bench.configure(market, *STUDY)) for market in bench.markets}
    first: dict[tuple[str, str], str] = {}
    for name, one in found.items():
        for session in one.sessions:
            known = first.setdefault((session.symbol, session.date), name)
            if known != name and found[known].label == one.label:
                of_known = [s for s in found[known].sessions if (s.symbol, s.date) == (session.symbol, session.date)]
                one.roads += compare_pair(
                    (known, of_known, settings[known]), ("as received", [session], settings[name])
                )
    for one in found.values():
        one.sessions = []


def _tabulate_threshold(session: Session, bars: ActivityBars) -> pl.DataFrame:
    book = select_states(session, bars.per)
    return tabulate_flow(session, book, cut_bars(session, book, bars), 1)


def _measure_threshold(size: float, table: pl.DataFrame) -> Threshold:
    seconds = (table["bar_close"] - table["bar_open"]).to_numpy() / SECOND
    flow, move = table["ofi_00"].to_numpy().astype(np.float64), table["move_ticks"].to_numpy()
    known = np.isfinite(move)
    r2 = ic(move[known], flow[known]) ** 2 if known.sum() >= _MIN_BARS else float("nan")
    return Threshold(size, table.height, float(np.median(seconds)), float(flow.std()), r2)


# --- tables and words ------------------------------------------------------------------------------------------------


def _list_numbers(result: MarketResult) -> dict[str, Json]:
    return {
        "tick": result.tick,
        "bars": result.bars.height,
        **({"first_bars": _read_first(result).tolist()} if result.simulated else {}),
        "features": {
            name: dict(zip(("mean", "deviation", "low", "high"), values, strict=True))
            for name, values in describe_columns(result.bars, list(SHOWN)).items()
        },
        "thresholds": {f"{one.size:g}": asdict(one) for one in result.thresholds},
        "roads": {road.name: list_road_numbers(road) for road in result.roads},
    }


def _read_first(result: MarketResult) -> Float:
    """Read the shown features of the first bars, (bars, features)."""
    return result.bars.head(_SHOWN_BARS).select(pl.col(list(SHOWN)).cast(pl.Float64).fill_null(np.nan)).to_numpy()


def _tabulate_first(name: str, result: MarketResult) -> Table:
    return Table(
        f"{name}: the first {result.label} bars, with a tick of {result.tick:g}.",
        ["bar", *(f"{column} ({unit})" for column, unit in SHOWN.items())],
        [[str(k + 1), *map(_format_value, row.tolist())] for k, row in enumerate(_read_first(result))],
    )


def _tabulate_features(name: str, result: MarketResult) -> Table:
    described = describe_columns(result.bars, list(SHOWN))
    return Table(
        f"{name}: features of {result.bars.height:,} {result.label} bars, with a tick of {result.tick:g}.",
        ["", "unit", "mean", "standard deviation", "5%", "95%"],
        [[column, unit, *map(_format_value, described[column])] for column, unit in SHOWN.items()],
    )


def _format_value(number: float) -> str:
    """Format a value with about three digits after the point, fewer for a large one."""
    return format_number(number, ",.0f" if abs(number) >= 100 else ",.1f" if abs(number) >= 10 else ".3f")


def _tabulate_thresholds(found: dict[str, MarketResult]) -> Table:
    rows = [
        [
            name,
            f"{one.size:g}",
            f"{one.bars:,}",
            format_number(one.seconds, ",.1f"),
            format_number(one.deviation, ",.0f"),
            format_number(one.r2, ".2f"),
        ]
        for name, result in found.items()
        for one in result.thresholds
    ]
    return Table(
        "Bars of half the threshold, of the threshold and of twice it (bars.size, in units traded).",
        ["", "threshold", "bars", "median length, s", "deviation of OFI, lots", "R² of the same bar's move"],
        rows,
    )


def _judge_bars(name: str, result: MarketResult) -> str:
    half, whole, double = result.thresholds
    r2 = [format_number(one.r2, ".0%") for one in (whole, half, double)]
    explained = (
        f"best-level OFI explains {r2[0]} of the variance of the same bar's move ({r2[1]} with half the threshold, "
        f"{r2[2]} with twice it)"
        if whole.r2 == whole.r2
        else "they are too few for an R²"
    )
    return (
        f"On {name}, {result.bars.height:,} {result.label} bars have a median length of "
        f"{format_number(whole.seconds, ',.1f')} s; {explained}."
    )


# --- figure ----------------------------------------------------------------------------------------------------------


def _draw_bars(found: dict[str, MarketResult]) -> Block:
    """Draw the length of each bar of the first session at its close, one panel a market."""

    def draw(figure: Figure) -> None:
        panels = np.atleast_1d(figure.subplots(1, len(found)))
        for axis, (name, result) in zip(panels, found.items(), strict=True):
            day = result.bars.filter(pl.col("session") == result.bars["session"][0])
            minute = (day["bar_close"] - day["bar_open"][0]).to_numpy() / (60 * SECOND)
            axis.semilogy(minute, day["seconds"].to_numpy(), ".", markersize=3, color=BLUE, label="length of a bar")
            axis.axhline(
                float(np.median(day["seconds"].to_numpy())), color=GREY, linewidth=1, linestyle="--", label="median"
            )
            axis.set_title(name, fontsize=10)
            axis.set_xlabel("minutes after the open")
            axis.minorticks_off()
        panels[0].set_ylabel("length of the bar (s)")

    return Picture(
        "bars", style_figure(draw, legend_columns=2), "Bars of equal volume are short where trading is fast."
    )
