"""Draw a price impact: the moves against the flow, and the slope by half hour and by depth."""

from collections.abc import Callable

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ofiml._typing import Float
from ofiml.evaluation.impact import ImpactScore, ImpactWindow
from ofiml.metrics.hac import fit_slope
from ofiml.ofi.columns import BEST_FLOW
from ofiml.reporting.impact import LOTS, SIGNIFICANT
from ofiml.study.run import Study
from ofiml.ui.figure import BLUE, DARK, GREY, RED

Draw = Callable[[Figure, Study], None]

_MOST_POINTS = 5000
_COLOURS = (BLUE, RED, DARK, GREY)


def choose_figures(study: Study) -> dict[str, Draw]:
    """Choose the figure of an impact that has a half hour."""
    impact = study.report.impact
    return {"impact.png": _draw_impact} if isinstance(impact, ImpactScore) and impact.windows else {}


def _draw_impact(figure: Figure, study: Study) -> None:
    """Draw the moves on the flow of their bars, the slope of each half hour, and the slopes against depth."""
    impact = study.report.impact
    assert isinstance(impact, ImpactScore)
    scatter, slopes, depths = figure.subplots(1, 3)
    rows = study.predictions
    draw_moves(scatter, rows[BEST_FLOW].to_numpy().astype(np.float64), rows["move_ticks"].to_numpy())
    scatter.set_ylabel("move of the mid in the bar (ticks)")
    scatter.set_title("Move on flow", fontsize=10)
    _draw_slopes(slopes, impact.windows)
    _draw_depths(depths, impact)


def draw_moves(axis: Axes, flow: Float, move: Float) -> None:
    """Draw moves (ticks) against the best-level flow (lots) of their bars, (n,) each, with the line of least squares.

    At most 5,000 bars are drawn, evenly spaced in their order; the line is of all.
    """
    every = -(-len(flow) // _MOST_POINTS)
    axis.scatter(flow[::every], move[::every], s=5, alpha=0.25, color=GREY, linewidths=0, rasterized=True)
    slope, _ = fit_slope(move, flow)
    ends = np.quantile(flow, [0.005, 0.995])
    axis.plot(
        ends, move.mean() + slope * (ends - flow.mean()), color=RED, linewidth=1.2, label="least squares, all bars"
    )
    reach = np.abs(np.quantile(move, [0.002, 0.998])).max() * 1.15 or 1.0
    axis.set_ylim(-reach, reach)
    if ends[1] > ends[0]:
        axis.set_xlim(ends[0] - 0.1 * np.ptp(ends), ends[1] + 0.1 * np.ptp(ends))
    axis.xaxis.set_major_locator(MaxNLocator(4))
    axis.set_xlabel("best-level OFI (lots), central 99 %")


def _draw_slopes(axis: Axes, windows: list[ImpactWindow]) -> None:
    value = np.array([w.flow.value for w in windows]) * LOTS
    error = np.abs(value / np.array([w.flow.t for w in windows])) * SIGNIFICANT
    place = np.arange(len(windows))
    known = np.isfinite(error)
    axis.errorbar(
        place[known],
        value[known],
        error[known],
        fmt="o",
        markersize=3,
        linewidth=1,
        color=BLUE,
        label="β ± 1.96 standard errors",
    )
    axis.scatter(place[~known], value[~known], s=9, color=BLUE)
    axis.axhline(0, color=GREY, linewidth=0.8)
    name_half_hours(axis, windows)
    axis.set_ylabel("β (ticks per 1,000 lots)")
    axis.set_title("Slope by half hour", fontsize=10)


def name_half_hours(axis: Axes, windows: list[ImpactWindow]) -> None:
    """Write the day and the time at which half hours begin below an axis that has them in order, 0, 1, …"""
    places = range(0, len(windows), max(-(-len(windows) // 5), 1))
    axis.set_xticks(places, [f"{windows[i].start[5:10]}\n{windows[i].start[11:16]}" for i in places], fontsize=7)
    axis.set_xlabel("half hour from (UTC)")


def _draw_depths(axis: Axes, impact: ImpactScore) -> None:
    symbols = list(dict.fromkeys(w.symbol for w in impact.windows))
    laws = {law.symbol: law for law in impact.depth_laws}
    for k, symbol in enumerate(symbols[: len(_COLOURS)]):
        pairs = [
            (w.depth, w.flow.value) for w in impact.windows if w.symbol == symbol and w.flow.value > 0 and w.depth > 0
        ]
        if not pairs:
            continue
        depth, slope = np.array(pairs).T
        law, colour = laws.get(symbol), _COLOURS[k]
        text = symbol if law is None else f"{symbol}: λ = {law.exponent:.2f} ± {law.error:.2f}"
        axis.scatter(depth, slope * LOTS, s=12, color=colour, label=text)
        if law is not None:
            ends = np.geomspace(depth.min(), depth.max(), 30)
            level = np.exp(np.mean(np.log(slope)) + law.exponent * np.mean(np.log(depth)))
            axis.plot(ends, level * ends**-law.exponent * LOTS, color=colour, linewidth=1)
    axis.set_xlabel("mean depth at the best prices (lots)")
    axis.set_ylabel("β (ticks per 1,000 lots)")
    more = f"; {len(_COLOURS)} of {len(symbols)} symbols" if len(symbols) > len(_COLOURS) else ""
    axis.set_title(f"Slope against depth{more}", fontsize=10)
