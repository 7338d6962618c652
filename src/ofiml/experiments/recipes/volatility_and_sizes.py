"""Realised volatility by level and side on two clocks, and the sizes of orders: tails and round numbers."""

from dataclasses import asdict, dataclass

import numpy as np
from matplotlib.figure import Figure

from ofiml._typing import Float, Int64
from ofiml.bars import cut_bars
from ofiml.bars.time import select_states
from ofiml.config import SyntheticDataset
from ofiml.data.schema import Session
from ofiml.experiments.bench import Bench, Market
from ofiml.experiments.page import Block, Page, Picture, Table
from ofiml.experiments.recipes._order_sizes import (
    LIMIT,
    MARKET,
    SIGNIFICANT,
    Sizes,
    draw_sizes,
    judge_sizes,
    list_size_numbers,
    measure_sizes,
    tabulate_rounds,
    tabulate_sizes,
)
from ofiml.experiments.recipes._volatility_words import MID, PRINT, say_bounce, say_error, say_sides
from ofiml.experiments.registry import Experiment
from ofiml.metrics.realised import Volatility, measure_volatility
from ofiml.microstructure.order_sizes import list_limit_sizes, list_market_sizes
from ofiml.microstructure.price_returns import (
    compute_mid_returns,
    compute_quote_returns,
    compute_trade_returns,
    list_trade_times,
)
from ofiml.study.json_border import Json
from ofiml.ui.figure import BLUE, DARK, GREY, RED, style_figure
from ofiml.ui.format import format_number
from ofiml.units import SECOND

STUDY = ("experiment=volatility_and_sizes",)
MAX_LEVELS = 10
TRADE, BAR = "trade", "volume bar"
SIDES = ("bid", "ask")
_KNOWN_LAW = (
    "The sizes of this market are drawn from two exponentials, one of them ten times as long, without round numbers: "
    "a right fit refuses the power law on them and finds no round number."
)


@dataclass(frozen=True, slots=True)
class MarketResult:
    """What was measured on a market: its hours, what a bar and a lot are, volatilities by clock and price, and sizes.

    The prices are MID, PRINT (by trade only), and `bid 1`, `ask 1` … by level. `hourly` has the root of the sum of
    squared returns per hour. `simulated` markets have sizes of a known law.
    """

    hours: float
    levels: int
    bar: str
    lot: str
    volatility: dict[str, dict[str, Volatility]]
    hourly: dict[str, dict[str, float]]
    sizes: dict[str, Sizes]
    simulated: bool


def run(bench: Bench) -> Page:
    """Measure each market and write what was found."""
    found = {market.name: _study_market(bench, market) for market in bench.markets}
    return Page(
        blocks=[
            *(_tabulate_clocks(name, one) for name, one in found.items()),
            *(_tabulate_levels(name, one) for name, one in found.items()),
            _draw_levels(found),
            *(tabulate_sizes(name, one.lot, one.sizes) for name, one in found.items()),
            draw_sizes({name: one.sizes for name, one in found.items()}),
            *(tabulate_rounds(name, one.lot, one.sizes) for name, one in found.items()),
        ],
        verdict=[sentence for name, one in found.items() for sentence in _judge(name, one)],
        limits=[
            "A level is a rank among occupied prices: its price also moves when a level nearer to the mid appears or "
            "vanishes, which is no move of value.",
            "Both clocks stop while nothing trades: a return spans the time to the next trade, or to the next full "
            "bar.",
            "The errors of exponents and the intervals of round numbers take sizes for independent, but one trader's "
            "orders come in runs; all are too narrow.",
            "Limit orders are those that the feed shows: a feed of few levels omits orders far from the best prices.",
            "A power law that is not refused is not proven: other laws with fat tails were not tried.",
        ],
        numbers={name: _list_numbers(one) for name, one in found.items()},
        inputs=bench.sessions,
    )


EXPERIMENT = Experiment(
    title="Realised volatility by level and side, and the sizes of orders",
    question="How volatile are the prices of each level of the book, from trade to trade and from one volume bar to "
    "the next, how well is that known, and are the sizes of orders heavy-tailed and round?",
    run=run,
    markets={"synthetic": "dataset=synthetic"},
)


# --- measures --------------------------------------------------------------------------------------------------------


def _study_market(bench: Bench, market: Market) -> MarketResult:
    config = bench.configure(market, *STUDY)
    returns: dict[str, dict[str, list[Float]]] = {TRADE: {}, BAR: {}}
    sizes: dict[str, list[Int64]] = {LIMIT: [], MARKET: []}
    length, levels, lot = 0, MAX_LEVELS, 1.0
    for session in bench.read_sessions(market, *STUDY):
        book = select_states(session, config.bars.per)
        clocks = {TRADE: list_trade_times(session), BAR: cut_bars(session, book, config.bars).edges}
        levels, lot = min(levels, session.levels), session.size_unit
        length += session.close - session.open
        for clock, at in clocks.items():
            of_clock = returns[clock]
            of_clock.setdefault(MID, []).append(compute_mid_returns(book, at))
            for side in SIDES:
                for m in range(levels):
                    column = compute_quote_returns(book, at, f"{side}_px_{m:02d}")
                    of_clock.setdefault(f"{side} {m + 1}", []).append(column)
        returns[TRADE].setdefault(PRINT, []).append(compute_trade_returns(session))
        _add_sizes(sizes, session)
    pooled = {clock: {name: np.concatenate(parts) for name, parts in one.items()} for clock, one in returns.items()}
    hours = length / (3600 * SECOND)
    lots = {kind: np.concatenate(parts) for kind, parts in sizes.items()}
    return MarketResult(
        hours=hours,
        levels=levels,
        bar=config.bars.label,
        lot=f"{lot:g}",
        volatility={clock: {name: measure_volatility(x) for name, x in one.items()} for clock, one in pooled.items()},
        hourly={
            clock: {name: float(np.sqrt(np.sum(x**2) / hours)) for name, x in one.items()}
            for clock, one in pooled.items()
        },
        sizes={kind: measure_sizes(x) for kind, x in lots.items() if len(x)},
        simulated=isinstance(config.dataset, SyntheticDataset),
    )


def _add_sizes(sizes: dict[str, list[Int64]], session: Session) -> None:
    sizes[LIMIT].append(list_limit_sizes(session))
    sizes[MARKET].append(list_market_sizes(session))


# --- tables and words ------------------------------------------------------------------------------------------------


def _list_numbers(result: MarketResult) -> dict[str, Json]:
    return {
        "hours": result.hours,
        "volatility": {
            clock: {name: asdict(one) | {"hourly": result.hourly[clock][name]} for name, one in prices.items()}
            for clock, prices in result.volatility.items()
        },
        "sizes": list_size_numbers(result.sizes),
    }


def _tabulate_clocks(name: str, result: MarketResult) -> Table:
    shown = [(PRINT, TRADE), (MID, TRADE), (MID, BAR)]
    rows = []
    for price, clock in shown:
        one = result.volatility[clock][price]
        rows.append(
            [
                f"{price}, per {clock}",
                f"{one.count:,}",
                format_number(one.value, ".3f"),
                format_number(one.error, ".3f"),
                format_number(one.clustered_error, ".3f"),
                format_number(one.kurtosis, ",.1f"),
                format_number(result.hourly[clock][price], ".1f"),
            ]
        )
    return Table(
        f"{name}: realised volatility, the root of the mean squared log return (bars: {result.bar}). The standard "
        "error is from the fourth moment; the clustered one allows for volatility that lasts.",
        [
            "",
            "returns",
            "σ, bps",
            "standard error, bps",
            "clustered error, bps",
            "kurtosis (normal: 3)",
            "per √hour, bps",
        ],
        rows,
    )


def _tabulate_levels(name: str, result: MarketResult) -> Table:
    pairs = [(clock, side) for clock in (TRADE, BAR) for side in SIDES]
    rows = [
        [str(m + 1), *(_format_pair(result.volatility[clock][f"{side} {m + 1}"]) for clock, side in pairs)]
        for m in range(result.levels)
    ]
    return Table(
        f"{name}: σ of the price of each level ± its clustered error, in bps.",
        ["level", *(f"{side}, per {clock}" for clock, side in pairs)],
        rows,
    )


def _format_pair(one: Volatility) -> str:
    return f"{format_number(one.value, '.3f')} ± {format_number(one.clustered_error, '.3f')}"


def _judge(name: str, result: MarketResult) -> list[str]:
    trade, bar, bounce = (
        result.volatility[TRADE][MID], result.volatility[BAR][MID], result.volatility[TRADE][PRINT],
    )  # fmt: skip
    best, deep = ([result.volatility[TRADE][f"{side} {m}"] for side in SIDES] for m in (1, result.levels))
    levels = (
        f" At level {result.levels} the bid has {deep[0].value / best[0].value:.1f} times the volatility of the best, "
        f"and the ask {deep[1].value / best[1].value:.1f} times."
        if result.levels > 1 and best[0].value > 0 and best[1].value > 0
        else ""
    )
    return [
        f"On {name} the mid moves {format_number(trade.value, '.2f')} ± {format_number(trade.clustered_error, '.2f')} "
        f"bps from trade to trade and {format_number(bar.value, '.2f')} ± {format_number(bar.clustered_error, '.2f')} "
        f"bps per {result.bar} bar ({trade.count:,} and {bar.count:,} returns). {say_error(trade)}"
        f"{say_bounce(result.hourly[TRADE], result.hourly[BAR][MID], bounce)}"
        f"{say_sides(*best)}{levels}",
        judge_sizes(result.sizes),
        *([_KNOWN_LAW] if result.simulated else []),
    ]


# --- figure ----------------------------------------------------------------------------------------------------------


def _draw_levels(found: dict[str, MarketResult]) -> Block:
    """Draw the volatility of each level and side on both clocks with its 95 % interval, one panel a market."""
    looks = {
        (TRADE, "bid"): (BLUE, "o", "-"), (TRADE, "ask"): (RED, "s", "-"),
        (BAR, "bid"): (DARK, "^", "--"), (BAR, "ask"): (GREY, "v", "--"),
    }  # fmt: skip

    def draw(figure: Figure) -> None:
        panels = np.atleast_1d(figure.subplots(1, len(found)))
        for axis, (name, result) in zip(panels, found.items(), strict=True):
            for (clock, side), (colour, marker, dash) in looks.items():
                values = [result.volatility[clock][f"{side} {m + 1}"] for m in range(result.levels)]
                x = np.arange(1, result.levels + 1) + (0.12 if side == "ask" else -0.12)
                axis.errorbar(
                    x, [one.value for one in values], [SIGNIFICANT * one.clustered_error for one in values],
                    color=colour, marker=marker, markersize=4, linestyle=dash, linewidth=1, capsize=2,
                    label=f"{side}, per {clock}",
                )  # fmt: skip
            axis.set_title(name, fontsize=10)
            axis.set_xlabel("level")
            axis.set_xticks(range(1, result.levels + 1, 1 if result.levels < 6 else 3))
            axis.set_ylim(bottom=0)
        panels[0].set_ylabel("σ of the level's price (bps)")

    return Picture(
        "levels",
        style_figure(draw, legend_columns=4),
        "Volatility of the price of each level, with 95% intervals from the clustered error.",
    )
