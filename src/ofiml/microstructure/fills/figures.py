"""Figures of the study: fills, times to fill, markouts, and the exponent."""

from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter

from ofiml.microstructure.fills.estimates import MARKOUT_NAMES, Estimate
from ofiml.microstructure.fills.exponent import POWERS
from ofiml.microstructure.fills.study import MODELS, MarketResult, SizeResult
from ofiml.ui.figure import BLUE, DARK, GREY, RED, style_figure

Markets = Mapping[str, MarketResult]

_COLOURS = (GREY, "#b58900", BLUE, "#6b4c9a", "#b59ad6", DARK, RED)
_STYLES = dict(zip(MODELS, zip(_COLOURS, "vs^DPox", strict=True), strict=True))


def draw_results(markets: Markets) -> dict[str, Figure]:
    """Draw the results of the markets; return the figures by file name."""
    panels = {f"{label}, {size.lots} lot{'s' * (size.lots > 1)}": (of, size) for label, of in markets.items()
              for size in of.sizes}  # fmt: skip
    draw_functions = {
        "fills.png": partial(_draw_fills, panels=panels),
        "time_to_fill.png": partial(_draw_curves, panels=panels),
        "markouts.png": partial(_draw_markouts, panels=panels),
        "exponent.png": partial(_draw_exponents, panels=panels),
    }
    return {name: style_figure(draw, legend_columns=4) for name, draw in draw_functions.items()}


Panels = Mapping[str, tuple[MarketResult, SizeResult]]


def _lay_out(figure: Figure, panels: Panels) -> list[Axes]:
    """Return an axis for each panel, titled, two in a row."""
    rows = -(-len(panels) // 2)
    axes = figure.subplots(rows, min(2, len(panels)), squeeze=False).ravel().tolist()
    for axis, title in zip(axes, panels, strict=False):
        axis.set_title(title, fontsize=10)
    for axis in axes[len(panels) :]:
        axis.set_visible(False)
    return axes


def _draw_band(axis: Axes, truth: Estimate, *, upright: bool) -> None:
    """Draw the truth's interval across the axis."""
    low, high = (truth.low, truth.high) if np.isfinite(truth.low) else (truth.value, truth.value)
    span, line = (axis.axvspan, axis.axvline) if upright else (axis.axhspan, axis.axhline)
    span(low, high, color="#4f8a3c", alpha=0.25, linewidth=0, label="truth, 95 % interval")
    line(truth.value, color="#4f8a3c", linewidth=1)


def _draw_points(
    axis: Axes, estimates: Sequence[Estimate], *, label: str, color: str = DARK, marker: str = "o", shift: float = 0.0
) -> None:
    """Draw a row of estimates with their intervals, the first one on top."""
    value = np.array([e.value for e in estimates])
    half = np.nan_to_num([e.high - e.value for e in estimates])
    place = np.arange(len(estimates))[::-1] + shift
    style = {"color": color, "marker": marker, "markersize": 4, "capsize": 2, "linewidth": 1, "linestyle": ""}
    axis.errorbar(value, place, xerr=half, label=label, **style)  # type: ignore[arg-type]


def _draw_fills(figure: Figure, panels: Panels) -> None:
    for axis, (_, size) in zip(_lay_out(figure, panels), panels.values(), strict=False):
        _draw_band(axis, size.truth.measures["fill_probability"], upright=True)
        estimates = [size.models[name].measures["fill_probability"] for name in MODELS]
        _draw_points(axis, estimates, label="model, 95 % interval")
        axis.set_yticks(np.arange(len(MODELS))[::-1], MODELS, fontsize=8)
        axis.set_xlabel("orders with a fill, share")


def _draw_curves(figure: Figure, panels: Panels) -> None:
    for axis, (market, size) in zip(_lay_out(figure, panels), panels.values(), strict=False):
        low, high = (np.array([getattr(e, end) for e in size.truth.curve]) for end in ("low", "high"))
        axis.fill_between(market.seconds, low, high, color="#4f8a3c", alpha=0.35, linewidth=0, label="truth, 95 %")
        for k, (name, (colour, marker)) in enumerate(_STYLES.items()):
            axis.plot(
                market.seconds,
                [e.value for e in size.models[name].curve],
                color=colour,
                linewidth=1.1,
                marker=marker,
                markersize=4,
                # Each curve has its markers at other times, so that those of curves that lie together are all seen.
                markevery=(k + 1, len(MODELS)),
                label=name,
            )
        axis.set_xlabel("seconds after the posting")
        axis.set_ylabel("share filled")
        axis.set_ylim(bottom=0)


def _draw_markouts(figure: Figure, panels: Panels) -> None:
    marks = dict(zip(MARKOUT_NAMES, "osD", strict=True))
    colours = dict(zip(MARKOUT_NAMES, (DARK, BLUE, RED), strict=True))
    for axis, (_, size) in zip(_lay_out(figure, panels), panels.values(), strict=False):
        for i, name in enumerate(MARKOUT_NAMES):
            estimates = [size.truth.measures[name], *(size.models[model].measures[name] for model in MODELS)]
            after = name.removeprefix("markout_").replace("s", " s after the fill")
            _draw_points(axis, estimates, shift=0.22 * (1 - i), marker=marks[name], color=colours[name], label=after)
        axis.axvline(0, color=GREY, linewidth=0.8)
        axis.set_yticks(np.arange(len(MODELS) + 1)[::-1], ("truth", *MODELS), fontsize=8)
        axis.set_xlabel("mid less price, in the order's favour (ticks)")


def _draw_exponents(figure: Figure, panels: Panels) -> None:
    for axis, (_, size) in zip(_lay_out(figure, panels), panels.values(), strict=False):
        fit = size.to_truth
        axis.plot(POWERS, fit.by_power, color=DARK, marker="o", markersize=3, label="power queue, fit days")
        axis.axhline(fit.target, color="#4f8a3c", label="truth, fit days")
        axis.set_xscale("log")
        axis.xaxis.set_ticks([0.125, 0.5, 2, 8, 32])
        axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axis.xaxis.set_minor_formatter(NullFormatter())
        middle = (fit.target + fit.by_power[0]) / 2
        reach = max(0.05, 1.2 * max(abs(value - middle) for value in (fit.target, *fit.by_power)))
        axis.set_ylim(middle - reach, middle + reach)
        axis.set_xlabel("exponent")
        axis.set_ylabel("share of lots filled")
