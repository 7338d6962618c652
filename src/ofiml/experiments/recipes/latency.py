"""What a delay costs: profit by latency for each variant of OFI, and the latency and costs at which nothing is left."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from ofiml.backtest.summary import VariantResult
from ofiml.evaluation.profit import Performance
from ofiml.experiments.bench import Bench
from ofiml.experiments.choices import INPUTS, SKILL_ONLY
from ofiml.experiments.page import Page, Picture, Table
from ofiml.experiments.registry import Experiment
from ofiml.study.json_border import Json
from ofiml.ui.figure import BLUE, DARK, GREY, RED, style_figure
from ofiml.ui.format import DASH, choose_money_form, format_number
from ofiml.units import SECOND, parse_duration

STUDY = ("experiment=latency", *SKILL_ONLY)


def run(bench: Bench) -> Page:
    """Trade the forecasts of each variant on each market, at each latency."""
    found: dict[str, dict[str, Performance]] = {}
    for market in bench.markets:
        found[market.name] = {}
        for variant, overrides in INPUTS.items():
            performance = bench.run_study(market, *STUDY, *overrides).report.performance
            assert performance is not None
            found[market.name][variant] = performance
    return Page(
        blocks=[
            *(_tabulate(name, of) for name, of in found.items()),
            Picture(
                "latency",
                style_figure(lambda figure: _draw(figure, found), legend_columns=4),
                "Gross profit less what the delay takes from the net profit, as a share of gross profit: what is left "
                "for all other costs. The lines connect the seven latencies.",
            ),
        ],
        verdict=[_judge(name, of) for name, of in found.items()],
        limits=[
            "Own orders do not change the recorded book, and nobody reacts to them.",
            "The decisions are the same at each latency: a slower trader would choose others.",
            "How long our own code takes from a message to an order is measured by `ofiml replay` (docs/live.md).",
        ],
        numbers={
            name: {variant: _list_numbers(performance) for variant, performance in of.items()}
            for name, of in found.items()
        },
        inputs=bench.sessions,
    )


EXPERIMENT = Experiment(
    title="What latency costs",
    question="How fast must one be? Profit against latency for each variant of OFI, the latency at which nothing is "
    "left, and the costs that the forecasts could bear.",
    run=run,
    markets={"synthetic": "dataset=synthetic"},
)


def list_kept(curve: Sequence[VariantResult]) -> list[float]:
    """List the gross profit less what each delay takes from the net profit; the first latency is none."""
    return [curve[0].gross_pnl - (curve[0].net_pnl - point.net_pnl) for point in curve]


def find_break_even(latency: Sequence[float], profit: Sequence[float]) -> float:
    """Find the latency, in the unit of `latency`, at which the profit falls to 0, by linear interpolation.

    0 if there is no profit without delay, infinity if there is one at the longest latency.
    """
    if not profit[0] > 0:
        return 0.0
    for k in range(1, len(profit)):
        if profit[k] <= 0:
            share = profit[k - 1] / (profit[k - 1] - profit[k])
            return latency[k - 1] + share * (latency[k] - latency[k - 1])
    return float("inf")


# --- tables and words ------------------------------------------------------------------------------------------------


def _read_milliseconds(curve: list[VariantResult]) -> list[float]:
    return [parse_duration(point.name) * 1000 / SECOND for point in curve]


def _tabulate(name: str, of: dict[str, Performance]) -> Table:
    first = next(iter(of.values()))
    form = choose_money_form(point.net_pnl for one in of.values() for point in one.latency_curve)
    places = range(len(first.latency_curve))
    rows = [[f"net at {first.latency_curve[k].name}"] for k in places]
    for one in of.values():
        for k in places:
            rows[k].append(format_number(one.latency_curve[k].net_pnl, form))
    curves = [(_read_milliseconds(one.latency_curve), one.latency_curve) for one in of.values()]
    gross = [find_break_even(x, list_kept(curve)) for x, curve in curves]
    net = [find_break_even(x, [point.net_pnl for point in curve]) for x, curve in curves]
    rows += [
        ["gross at 0ms", *(format_number(curve[0].gross_pnl, form) for _, curve in curves)],
        ["latency that takes all of gross, ms", *map(_format_latency, gross)],
        ["latency at which net is 0, ms", *map(_format_latency, net)],
        ["costs that the forecasts bear, bps", *(format_number(one.break_even_bps) for one in of.values())],
        ["costs paid, bps", *(format_number(_measure_paid(one)) for one in of.values())],
        ["round trips", *(format_number(one.trades.round_trips, ",.0f") for one in of.values())],
    ]
    text = f"{name}: profit in {first.currency} by latency from decision to exchange, out of sample."
    return Table(text, ["", *of], rows)


def _measure_paid(one: Performance) -> float:
    """Measure the costs in bps of the traded value."""
    return one.costs / one.traded_value * 1e4 if one.traded_value else float("nan")


def _format_latency(milliseconds: float) -> str:
    if milliseconds == 0:
        return DASH
    return "beyond the last" if milliseconds == float("inf") else f"{milliseconds:.0f}"


def _list_numbers(one: Performance) -> Json:
    return {
        "gross": one.gross_pnl,
        "net": {point.name: point.net_pnl for point in one.latency_curve},
        "break_even_bps": one.break_even_bps,
        "paid_bps": _measure_paid(one),
        "round_trips": one.trades.round_trips,
    }


def _judge(name: str, of: dict[str, Performance]) -> str:
    """Say which variants earn anything, and what a tenth of a second takes."""
    earning = [variant for variant, one in of.items() if one.latency_curve[0].net_pnl > 0]
    best = max(of, key=lambda variant: of[variant].break_even_bps if of[variant].fills else -np.inf)
    one = of[best]
    if not one.fills:
        return f"On {name} no forecast was traded."
    names = [point.name for point in one.latency_curve]
    words = (
        f"On {name}, {best} can bear the highest costs, {one.break_even_bps:.2f} bps of the traded value; the costs "
        f"are {_measure_paid(one):.2f}."
    )
    if "100ms" in names and one.latency_curve[0].gross_pnl > 0:
        kept = list_kept(one.latency_curve)
        taken = 1 - kept[names.index("100ms")] / kept[0]
        words += f" A delay of 100 ms takes {taken:.0%} of its gross profit."
    if not earning:
        return f"{words} No variant earns its costs, however fast."
    return f"{words} Net of costs and without delay, {', '.join(earning)} earn{'s' if len(earning) == 1 else ''}."


# --- figures ---------------------------------------------------------------------------------------------------------


def _draw(figure: Figure, found: dict[str, dict[str, Performance]]) -> None:
    """Draw what is kept against latency, one panel a market and one line a variant with a gross profit."""
    panels = np.atleast_1d(figure.subplots(1, len(found), sharey=True))
    for axis, (name, of) in zip(panels, found.items(), strict=True):
        for (variant, one), colour in zip(of.items(), (GREY, BLUE, DARK, RED), strict=True):
            kept = list_kept(one.latency_curve)
            if kept[0] > 0:
                share = [value / kept[0] for value in kept]
                x = _read_milliseconds(one.latency_curve)
                axis.plot(x, share, color=colour, marker="o", markersize=3, label=variant)
        axis.axhline(0, color=GREY, linewidth=0.8)
        axis.set_xscale("symlog", linthresh=1)
        axis.set_title(name, fontsize=10)
        axis.set_xlabel("latency (ms)")
    panels[0].set_ylabel("gross profit less the cost of delay, share")
