"""Figures that compare the facts of several markets, one topic per figure."""

from collections.abc import Mapping
from functools import partial

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter

from ofiml.microstructure.facts.session import Facts
from ofiml.ui.figure import (
    BLUE,
    DARK,
    GREY,
    RED,
    style_figure,
)

Markets = Mapping[str, Facts]

_COLOURS = (DARK, RED, BLUE, "#b58900", "#6b4c9a", "#4f8a3c", GREY)
_MARKS = "osD^vPX"


def draw_facts(markets: Markets) -> dict[str, Figure]:
    """Draw the facts of the markets; return the figures by file name."""
    draw_functions = {
        "depth.png": _draw_depth,
        "signature.png": _draw_signature,
        "trade_signs.png": _draw_trade_signs,
        "event_rate.png": _draw_event_rate,
        "impact.png": _draw_impact,
        "intraday.png": _draw_intraday,
    }
    return {
        name: style_figure(partial(draw, markets=markets), legend_columns=4) for name, draw in draw_functions.items()
    }


def _draw_curve(axis: Axes, markets: Markets, topic: str, *, positive: bool = False) -> None:
    for i, (label, facts) in enumerate(markets.items()):
        # Missing values break the line.
        points = [(float(k), v if v > 0 or not positive else np.nan) for k, v in facts.get(topic, {}).items()]
        x, y = np.array(points).reshape(-1, 2).T
        colour, mark = _COLOURS[i % len(_COLOURS)], _MARKS[i % len(_MARKS)]
        axis.plot(x, y, color=colour, marker=mark, markersize=4, linewidth=1.2, label=label)


def _set_log_axis(axis: Axes, which: str, ticks: list[float]) -> None:
    """Set a logarithmic axis with plain numbers as labels."""
    if not np.isfinite(axis.dataLim.get_points()).all():  # an empty axis: a logarithm needs limits above 0
        getattr(axis, f"set_{which}lim")(ticks[0], ticks[-1])
    getattr(axis, f"set_{which}scale")("log")
    place = getattr(axis, f"{which}axis")
    low, high = getattr(axis, f"get_{which}lim")()
    place.set_ticks([tick for tick in ticks if low <= tick <= high])
    place.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    place.set_minor_formatter(NullFormatter())


def _draw_depth(figure: Figure, markets: Markets) -> None:
    size, distance = figure.subplots(1, 2)
    _draw_curve(size, markets, "relative_size")
    _draw_curve(distance, markets, "distance_ticks")
    _set_log_axis(distance, "y", [0.5, 1, 2, 5, 10, 20, 50, 100, 200])
    deepest = max(len(facts["relative_size"]) for facts in markets.values())
    for axis in (size, distance):
        axis.set_xticks(range(1, deepest + 1))
        axis.set_xlabel("level (1: best)")
    size.set_ylim(bottom=0)
    size.set_title("Mean size, over that of the best")
    distance.set_title("Mean distance from the mid (ticks)")


def _draw_signature(figure: Figure, markets: Markets) -> None:
    axis = figure.subplots()
    _draw_curve(axis, markets, "signature")
    _set_log_axis(axis, "x", [0.1, 0.5, 1, 5, 10, 30, 60, 300])
    axis.axhline(1, color=GREY, linewidth=0.8, linestyle=":")
    axis.set_ylim(bottom=0)
    axis.set_xlabel("sampling step (s)")
    axis.set_ylabel("realised variance a second / that at 60 s")
    axis.set_title("Signature plot of the mid: flat for a random walk, falling for one that reverts")


def _draw_trade_signs(figure: Figure, markets: Markets) -> None:
    axis = figure.subplots()
    _draw_curve(axis, markets, "sign_acf", positive=True)
    lags = np.array([1.0, 50.0])
    axis.plot(lags, 0.35 * lags**-0.6, color=GREY, linewidth=1, linestyle=":", label="slope −0.6 (Lillo & Farmer)")
    _set_log_axis(axis, "x", [1, 2, 5, 10, 20, 50])
    _set_log_axis(axis, "y", [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1])
    axis.set_xlabel("lag (market orders)")
    axis.set_ylabel("autocorrelation")
    axis.set_title("Memory of trade signs (values above 0 only)")


def _draw_event_rate(figure: Figure, markets: Markets) -> None:
    short, long = figure.subplots(1, 2, sharey=True)
    for axis, seconds in ((short, 1), (long, 10)):
        _draw_curve(axis, markets, f"rate_acf_{seconds}s")
        axis.axhline(0, color=GREY, linewidth=0.8)
        axis.set_xlabel("lag (s)")
        axis.set_title(f"Messages in {seconds} s")
    _set_log_axis(short, "x", [1, 5, 20, 60, 300])
    _set_log_axis(long, "x", [10, 30, 60, 120, 300, 600])
    short.set_ylabel("autocorrelation")


def _draw_impact(figure: Figure, markets: Markets) -> None:
    horizon, levels = figure.subplots(1, 2, sharey=True)
    _draw_curve(horizon, markets, "impact_best")
    horizon.plot(10, 0.65, marker="*", markersize=12, linestyle="", color=GREY, label="50 US stocks (Cont et al.)")
    _set_log_axis(horizon, "x", [1, 5, 10, 30, 60])
    horizon.set_xlabel("bar (s)")
    horizon.set_ylabel("R² of the same bar's move, mean over half hours")
    horizon.set_title("Best level, by bar")
    sets = sorted({int(t.rpartition("_")[2]) for facts in markets.values() for t in facts if "impact_levels" in t})
    by_levels = {
        label: {"by_levels": {str(m): facts[f"impact_levels_{m}"]["10"] for m in sets if f"impact_levels_{m}" in facts}}
        for label, facts in markets.items()
    }
    _draw_curve(levels, by_levels, "by_levels")
    levels.set_xticks(sets)
    levels.set_ylim(min(0, levels.get_ylim()[0]), 1)
    levels.set_xlabel("levels 1 to")
    levels.set_title("10 s, levels together (adjusted)")


def _draw_intraday(figure: Figure, markets: Markets) -> None:
    axis = figure.subplots()
    _draw_curve(axis, markets, "intraday")
    axis.axhline(1, color=GREY, linewidth=0.8, linestyle=":")
    axis.set_xticks(range(1, 11))
    axis.set_ylim(bottom=0)
    axis.set_xlabel("tenth of the session")
    axis.set_ylabel("messages / a tenth of all")
    axis.set_title("When messages come")
