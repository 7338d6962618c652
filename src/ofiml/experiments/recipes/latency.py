"""What a delay costs: profit by latency for each variant of OFI, the latency and costs at which nothing is left, and
how long the code of a live process takes.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

from ofiml._typing import Float, Int64
from ofiml.backtest.summary import VariantResult
from ofiml.evaluation.bootstrap import BlockBootstrap
from ofiml.evaluation.profit import Performance
from ofiml.experiments.bench import Bench, Market
from ofiml.experiments.choices import INPUT_STYLES, INPUTS, SKILL_ONLY
from ofiml.experiments.page import Page, Picture, Table, list_ends, show_estimate
from ofiml.experiments.registry import Experiment
from ofiml.labels.span import measure_label_span
from ofiml.live.predictor import Timings
from ofiml.metrics.estimates import Estimate
from ofiml.study.json_border import Json
from ofiml.study.run import Study
from ofiml.ui.figure import GREY, style_figure
from ofiml.ui.format import DASH, choose_money_form, format_number
from ofiml.units import SECOND, parse_duration

STUDY = ("experiment=latency", *SKILL_ONLY)
DELAY = "100ms"  # the one whose loss is given with an interval
SLOWEST = "all features"  # the variant whose live process computes the most


@dataclass(frozen=True, slots=True)
class Trades:
    """The trades of a variant without delay, and what a delay of `DELAY` takes from their net profit."""

    performance: Performance
    loss: Estimate


def run(bench: Bench) -> Page:
    """Trade the forecasts of each variant on each market, at each latency."""
    found = {
        market.name: {variant: _study(bench, market, overrides) for variant, overrides in INPUTS.items()}
        for market in bench.markets
    }
    budgets = {market.name: bench.time_replay(market, *STUDY, *INPUTS[SLOWEST]) for market in bench.markets}
    return Page(
        blocks=[
            *(_tabulate(name, of) for name, of in found.items()),
            Picture(
                "latency",
                style_figure(lambda figure: _draw(figure, found), legend_columns=4),
                "Gross profit less what the delay takes from the net profit, as a share of gross profit: what is left "
                "for all other costs. The lines connect the seven latencies.",
            ),
            *(_tabulate_costs(name, of) for name, of in found.items()),
            *(_tabulate_budget(name, budget) for name, budget in budgets.items()),
        ],
        verdict=[*(judge(name, of) for name, of in found.items()), *map(judge_budget, budgets, budgets.values())],
        limits=[
            "Own orders do not change the recorded book, and nobody reacts to them.",
            "The decisions are the same at each latency: a slower trader would choose others.",
            "The times of a live process are those of one run on one machine, without the network and without reading "
            "a feed; another run gives other times.",
        ],
        numbers={
            name: {variant: _list_numbers(trades) for variant, trades in of.items()} for name, of in found.items()
        },
        inputs=bench.sessions,
        times={name: _list_times(budget) for name, budget in budgets.items()},
    )


EXPERIMENT = Experiment(
    title="What latency costs",
    question="How fast must one be, and how fast is our code? Profit against latency for each variant of OFI, the "
    "latency at which nothing is left, the costs that the forecasts could bear, and the time from a message to an "
    "order.",
    run=run,
    markets={"synthetic": "dataset=synthetic"},
)


# --- studies ---------------------------------------------------------------------------------------------------------


def _study(bench: Bench, market: Market, overrides: Sequence[str]) -> Trades:
    fast = bench.run_study(market, *STUDY, *overrides)
    slow = bench.run_study(market, *STUDY, *overrides, f"backtest.latency={DELAY}", "backtest.latency_curve=[]")
    assert fast.report.performance is not None
    return Trades(fast.report.performance, _estimate_loss(fast, slow))


def _estimate_loss(fast: Study, slow: Study) -> Estimate:
    """Estimate by how much the net profit of the same decisions is less when they are slow, with its interval."""
    assert fast.trades is not None
    assert slow.trades is not None
    equity, later = fast.trades.equity, slow.trades.equity
    bootstrap = BlockBootstrap.of(fast.config.evaluation, fast.config.seed)
    block = bootstrap.number_blocks(equity, measure_label_span(fast.predictions))
    return estimate_lost_sum(equity["net"].to_numpy(), later["net"].to_numpy(), block, bootstrap)


def estimate_lost_sum(fast: Float, slow: Float, block: Int64, bootstrap: BlockBootstrap) -> Estimate:
    """Estimate how much lower the `slow` of two cumulative profits (n,) ends, with the interval over blocks of time.

    The ends are NaN with fewer than 8 blocks.
    """
    lost = np.diff(fast - slow, prepend=0.0)
    ends = bootstrap.estimate_group_means(lost, np.zeros_like(block), block)
    return Estimate(*(len(lost) * float(end[0]) for end in ends))


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


def _tabulate(name: str, of: dict[str, Trades]) -> Table:
    made = [one.performance for one in of.values()]
    form = choose_money_form(point.net_pnl for one in made for point in one.latency_curve)
    rows = [
        [f"net at {point.name}", *(format_number(one.latency_curve[k].net_pnl, form) for one in made)]
        for k, point in enumerate(made[0].latency_curve)
    ]
    curves = [(_read_milliseconds(one.latency_curve), one.latency_curve) for one in made]
    gross = [find_break_even(x, list_kept(curve)) for x, curve in curves]
    net = [find_break_even(x, [point.net_pnl for point in curve]) for x, curve in curves]
    rows += [
        [f"net lost by {DELAY}", *(show_estimate(one.loss, form) for one in of.values())],
        ["latency that takes all of gross, ms", *map(_format_latency, gross)],
        ["latency at which net is 0, ms", *map(_format_latency, net)],
        ["gross", *(format_number(one.gross_pnl, form) for one in made)],
        ["costs that the forecasts bear, bps", *(format_number(one.break_even_bps) for one in made)],
        ["costs paid, bps", *(format_number(_measure_paid(one)) for one in made)],
        ["round trips", *(format_number(one.trades.round_trips, ",.0f") for one in made)],
    ]
    text = (
        f"{name}: profit in {made[0].currency} by latency from decision to exchange, out of sample (95 % interval of "
        "the loss). The last four rows are without delay."
    )
    return Table(text, ["", *of], rows)


def _tabulate_costs(name: str, of: dict[str, Trades]) -> Table:
    """Tabulate the net profit of the same fills at multiples of their costs."""
    made = [one.performance for one in of.values()]
    form = choose_money_form(point.net_pnl for one in made for point in one.cost_grid)
    rows = [
        [
            f"{point.commission_factor:g} × commission, {point.other_factor:g} × other costs",
            *(format_number(one.cost_grid[k].net_pnl, form) for one in made),
        ]
        for k, point in enumerate(made[0].cost_grid)
        if point.commission_factor == point.other_factor or (point.commission_factor, point.other_factor) in _APART
    ]
    text = f"{name}: net profit in {made[0].currency} without delay, at multiples of the costs of the same fills."
    return Table(text, ["", *of], rows)


_APART = ((0.0, 1.0), (1.0, 0.0))  # one kind of cost alone


def _measure_paid(one: Performance) -> float:
    """Measure the costs in bps of the traded value."""
    return one.costs / one.traded_value * 1e4 if one.traded_value else float("nan")


def _format_latency(milliseconds: float) -> str:
    if milliseconds == 0:
        return DASH
    return "beyond the last" if milliseconds == float("inf") else f"{milliseconds:.0f}"


def _list_numbers(trades: Trades) -> dict[str, Json]:
    one = trades.performance
    return {
        "gross": {point.name: point.gross_pnl for point in one.latency_curve},
        "net": {point.name: point.net_pnl for point in one.latency_curve},
        f"lost_by_{DELAY}": list_ends(trades.loss),
        "without_delay": {
            "break_even_bps": one.break_even_bps,
            "paid_bps": _measure_paid(one),
            "round_trips": one.trades.round_trips,
            "net_by_cost_factors": {
                f"{point.commission_factor:g} commission, {point.other_factor:g} other": point.net_pnl
                for point in one.cost_grid
            },
        },
    }


def judge(name: str, of: dict[str, Trades]) -> str:
    """Say which variants earn anything, and what a tenth of a second takes."""
    earning = [variant for variant, one in of.items() if one.performance.net_pnl > 0]
    best = max(of, key=lambda variant: of[variant].performance.break_even_bps if _trades(of[variant]) else -np.inf)
    one = of[best].performance
    if not one.fills:
        return f"On {name} no forecast was traded."
    words = (
        f"On {name}, without delay, {best} can bear the highest costs, {one.break_even_bps:.2f} bps of the traded "
        f"value; the costs are {_measure_paid(one):.2f}. {_judge_losses(of)}"
    )
    if not earning:
        return f"{words} No variant earns its costs, however fast."
    return f"{words} Net of costs and without delay, {', '.join(earning)} earn{'s' if len(earning) == 1 else ''}."


def _trades(one: Trades) -> bool:
    return one.performance.fills > 0


def _judge_losses(of: dict[str, Trades]) -> str:
    """Say what the delay takes from the variants whose interval of the loss lies above 0."""
    traded = {variant: one for variant, one in of.items() if one.performance.fills}
    if all(one.loss.low != one.loss.low for one in traded.values()):
        return f"What a delay of {DELAY} takes is not known: there are too few blocks of time for an interval."
    lost = [_name_loss(variant, one) for variant, one in traded.items() if one.loss.low > 0]
    if not lost:
        return f"A delay of {DELAY} takes nothing measurable: no interval of the loss lies above 0."
    rest = "" if len(lost) == len(traded) else "; of the others nothing measurable"
    return f"A delay of {DELAY} takes net profit of {' and of '.join(lost)}{rest}."


def _name_loss(variant: str, one: Trades) -> str:
    made = one.performance
    shown = show_estimate(one.loss, choose_money_form([made.gross_pnl, made.net_pnl]))
    return f"{variant}, {shown} {made.currency}"


# --- the live budget -------------------------------------------------------------------------------------------------


def _tabulate_budget(name: str, budget: Timings) -> Table:
    rows = [[step, f"{count:,}", *(f"{value:.1f}" for value in shares)] for step, count, shares in budget.summarise()]
    text = (
        f"{name}: microseconds of each step from a message to an order, with {SLOWEST}, as `ofiml replay` measures "
        "them: rows are fed one by one. A bar's order is ready after the last three."
    )
    return Table(text, ["", "count", "p50", "p99", "p99.9", "max"], rows)


def _list_times(budget: Timings) -> dict[str, Json]:
    return {
        step: {"count": count, **dict(zip(("p50", "p99", "p99.9", "max"), shares, strict=True))}
        for step, count, shares in budget.summarise()
    }


def judge_budget(name: str, budget: Timings) -> str:
    """Say how long the order of a bar takes: the sum of its steps, each at its p99."""
    steps = [shares[1] for _, _, shares in budget.summarise()[1:]]
    return (
        f"On {name} the code of a live process takes {sum(steps) / 1000:.2f} ms from the message that closes a bar to "
        "the order, each step at its p99."
    )


# --- figures ---------------------------------------------------------------------------------------------------------


def _draw(figure: Figure, found: dict[str, dict[str, Trades]]) -> None:
    """Draw what is kept against latency, one panel a market and one line a variant with a gross profit."""
    panels = np.atleast_1d(figure.subplots(1, len(found), sharey=True))
    for axis, (name, of) in zip(panels, found.items(), strict=True):
        for variant, one in of.items():
            curve, (colour, marker) = one.performance.latency_curve, INPUT_STYLES[variant]
            kept = list_kept(curve)
            if kept[0] > 0:
                share = [value / kept[0] for value in kept]
                axis.plot(
                    _read_milliseconds(curve),
                    share,
                    color=colour,
                    marker=marker,
                    markersize=4,
                    label=variant,
                    clip_on=False,
                )
        axis.axhline(0, color=GREY, linewidth=0.8)
        axis.set_xscale("symlog", linthresh=1)
        axis.set_xlim(left=0)
        axis.set_title(name, fontsize=10)
        axis.set_xlabel("latency (ms)")
    panels[0].set_ylabel("gross profit less the cost of delay, share")
