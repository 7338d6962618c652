"""The sizes of orders: their quantiles, their tails, and round numbers."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from ofiml._typing import Int64
from ofiml.experiments.page import Block, Picture, Table
from ofiml.metrics.size_tails import RoundNumbers, Tail, fit_tail, measure_round_numbers
from ofiml.study.json_border import Json
from ofiml.ui.figure import BLUE, GREY, RED, style_figure
from ofiml.ui.format import DASH, format_interval, format_number

LIMIT, MARKET = "limit orders", "market orders"
STEPS = (10, 50, 100, 500, 1000)  # whose multiples are looked for
SIGNIFICANT = 1.96
_QUANTILES = (0.5, 0.9, 0.99)
_FAR = 1.63  # distance times √n that a true law exceeds in 1 % of samples; fewer, as its exponent is fitted
_COLOURS = {LIMIT: BLUE, MARKET: RED}
_MARKERS = {LIMIT: "o", MARKET: "^"}


@dataclass(frozen=True, slots=True)
class Sizes:
    """The sizes of one kind of orders (n,), lots, their tail, and the multiples of each of STEPS."""

    lots: Int64
    tail: Tail
    rounds: dict[int, RoundNumbers]


def measure_sizes(lots: Int64) -> Sizes:
    """Measure the sizes (n,), lots, of one kind of orders."""
    return Sizes(lots, fit_tail(lots), {step: measure_round_numbers(lots, step) for step in STEPS})


def list_size_numbers(sizes: Mapping[str, Sizes]) -> dict[str, Json]:
    """List the numbers of each kind of orders: averages only."""
    return {
        kind: {
            "orders": len(one.lots),
            "mean": float(one.lots.mean()),
            "quantiles": dict(zip(map(str, _QUANTILES), np.quantile(one.lots, _QUANTILES).tolist(), strict=True)),
            "tail": asdict(one.tail) | {"limit": compute_limit(one.tail)},
            "round": {str(step): asdict(there) for step, there in one.rounds.items()},
        }
        for kind, one in sizes.items()
    }


def tabulate_sizes(name: str, lot: str, sizes: Mapping[str, Sizes]) -> Table:
    """Tabulate the quantiles and the tail of each kind of orders; `lot` says what one lot is."""
    rows: list[list[str]] = [["orders", *(f"{len(one.lots):,}" for one in sizes.values())]]
    rows.append(["mean, lots", *(format_number(float(one.lots.mean()), ",.1f") for one in sizes.values())])
    for q, text in zip(_QUANTILES, ("median, lots", "90% quantile, lots", "99% quantile, lots"), strict=True):
        rows.append([text, *(format_number(float(np.quantile(one.lots, q)), ",.0f") for one in sizes.values())])
    tails = [one.tail for one in sizes.values()]
    rows += [
        ["tail from, lots", *(f"{tail.start:,}" if tail.count else DASH for tail in tails)],
        ["orders in the tail", *(f"{tail.count:,}" if tail.count else DASH for tail in tails)],
        ["exponent ζ of P(size ≥ x) ~ x^(−ζ)", *(format_number(tail.exponent, ".2f") for tail in tails)],
        ["its standard error", *(format_number(tail.error, ".2f") for tail in tails)],
        ["largest distance of the law", *(format_number(tail.distance, ".3f") for tail in tails)],
        ["1% limit of a true law", *(format_number(compute_limit(tail), ".3f") for tail in tails)],
        ["z against an exponential (above 0: power law)", *(format_number(tail.vuong, ".1f") for tail in tails)],
    ]
    return Table(f"{name}: sizes of orders in lots of {lot}, and the tail.", ["", *sizes], rows)


def compute_limit(tail: Tail) -> float:
    """Compute the distance beyond which the power law is refused; NaN without a tail."""
    return _FAR / np.sqrt(tail.count) if tail.count else float("nan")


def tabulate_rounds(name: str, lot: str, sizes: Mapping[str, Sizes]) -> Table:
    """Tabulate the shares of multiples, and how much more frequent they are than their neighbours."""
    rows = [
        [
            f"{step:,}",
            *(
                cell
                for one in sizes.values()
                for there in [one.rounds[step]]
                for cell in (
                    format_number(there.share, ".1%"),
                    format_number(there.times, ",.2f"),
                    format_interval(there.low, there.high, ",.2f"),
                )
            ),
        ]
        for step in STEPS
    ]
    columns = [f"{kind}, {what}" for kind in sizes for what in ("share", "times as often", "95% interval")]
    return Table(
        f"{name}: multiples of a number of lots ({lot}): their share of all orders, and how many times as often they "
        "occur as the sizes one lot below and above.",
        ["multiples of", *columns],
        rows,
    )


def judge_sizes(sizes: Mapping[str, Sizes]) -> str:
    """Say which law the tails follow, and which round numbers stand out."""
    return " ".join([*(_judge_tail(kind, one.tail) for kind, one in sizes.items()), *_judge_rounds(sizes)])


def _judge_tail(kind: str, tail: Tail) -> str:
    if not tail.count:
        return f"The {kind} are too few, or too alike, for a tail."
    said = (
        f"The tail of {kind} from {tail.start:,} lots on has the exponent {tail.exponent:.2f} ± {tail.error:.2f} "
        f"({tail.count:,} orders)"
    )
    fits = (
        "the power law is refused (its distance is beyond what sampling allows)"
        if tail.distance > compute_limit(tail)
        else "the power law is not refused"
    )
    if abs(tail.vuong) <= SIGNIFICANT or tail.vuong != tail.vuong:
        nearer = "the sizes cannot tell it from an exponential"
    else:
        first, second = ("it", "an exponential") if tail.vuong > 0 else ("an exponential", "it")
        nearer = f"{first} describes the sizes better than {second} (z = {tail.vuong:.1f})".replace("-", "−")
    return f"{said}: {fits}, and {nearer}."


def _judge_rounds(sizes: Mapping[str, Sizes]) -> list[str]:
    sentences = []
    for kind, one in sizes.items():
        known = {step: there for step, there in one.rounds.items() if stands_out(there)}
        if known:
            step, there = max(known.items(), key=lambda item: item[1].low)
            sentences.append(
                f"Multiples of {step:,} lots are {there.share:.0%} of {kind}, {there.times:,.1f} times as often as "
                f"their neighbours (95% interval {format_interval(there.low, there.high, ',.1f')})."
            )
        else:
            sentences.append(f"No round number stands out among the {kind}.")
    return sentences


def stands_out(there: RoundNumbers) -> bool:
    """Return whether multiples are more frequent than their neighbours by twice the half width of the interval.

    Several numbers are looked at, so the end of the 95 % interval alone would find one by chance too often.
    """
    return there.low**2 > there.times


def draw_sizes(found: Mapping[str, Mapping[str, Sizes]]) -> Block:
    """Draw the share of orders at least as large as a size, with the fitted tails, one panel a market."""

    def draw(figure: Figure) -> None:
        panels = np.atleast_1d(figure.subplots(1, len(found), sharey=True))
        for axis, (name, sizes) in zip(panels, found.items(), strict=True):
            for kind, one in sizes.items():
                values, counts = np.unique(one.lots, return_counts=True)
                above = np.cumsum(counts[::-1])[::-1] / counts.sum()
                axis.loglog(
                    values, above, linestyle="", marker=_MARKERS[kind], markersize=2.5, color=_COLOURS[kind], label=kind
                )
                if one.tail.count:
                    x = np.geomspace(one.tail.start, values[-1], 50)
                    y = one.tail.count / len(one.lots) * (x / one.tail.start) ** -one.tail.exponent
                    axis.loglog(x, y, "--", color=GREY, linewidth=1.4, label="power law")
            axis.set_title(name, fontsize=10)
            axis.set_xlabel("size x (lots)")
            axis.minorticks_off()
            axis.xaxis.set_major_formatter(FuncFormatter(_format_power))
            axis.yaxis.set_major_formatter(FuncFormatter(_format_power))
        panels[0].set_ylabel("share of orders of size x or more")

    return Picture("sizes", style_figure(draw, legend_columns=3), "Sizes of orders, and the fitted tails.")


def _format_power(value: float, _: int) -> str:
    """Format a tick of a logarithmic axis: 100, 0.01."""
    return f"{value:,.0f}" if value >= 1 else f"{value:.9f}".rstrip("0")
