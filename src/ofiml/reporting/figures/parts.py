"""Draw the IC by stratum and by horizon, and the reliability of probabilities."""

from collections.abc import Callable

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from ofiml.evaluation.reliability import Event, select_events
from ofiml.evaluation.strata import UNKNOWN, StratumScore
from ofiml.study.run import Study
from ofiml.ui.figure import (
    BLUE,
    DARK,
    GREY,
    RED,
)

Draw = Callable[[Figure, Study], None]

_BAND = "#cfe3ea"
MAX_STRATA = 10  # of a kind; more do not fit


def choose_figures(study: Study) -> dict[str, Draw]:
    """Choose the figures: an impact has no decay, and only directions have probabilities."""
    return {
        "strata.png": _draw_strata,
        **({"decay.png": _draw_decay} if study.report.decay else {}),
        **({"reliability.png": _draw_reliability} if study.report.reliability else {}),
    }


def _draw_strata(figure: Figure, study: Study) -> None:
    """Draw the IC of each stratum, by kind, beside the pooled IC."""
    shown: list[StratumScore] = []
    labels: list[str] = []
    places: list[float] = []
    shortened = False
    starts = {str(fold.fold): fold.test_from[:16] for fold in study.report.folds}
    at = 0.0
    axis = figure.subplots()
    for kind in dict.fromkeys(s.kind for s in study.report.strata):
        entries = [s for s in study.report.strata if s.kind == kind and s.stratum != UNKNOWN]
        if len(entries) == 1:
            continue
        if len(entries) > MAX_STRATA:
            ranked = sorted((s for s in entries if s.ic == s.ic), key=lambda s: s.ic)
            extremes = ranked[: MAX_STRATA // 2] + ranked[-MAX_STRATA // 2 :]
            shortened = shortened or len(extremes) < len(entries)
            entries = [s for s in entries if s in extremes]
        for i, entry in enumerate(entries):
            shown.append(entry)
            places.append(at)
            name = f"fold {entry.stratum}, from {starts[entry.stratum]}" if kind == "fold" else entry.stratum
            labels.append(f"{kind.replace('_', ' ')}:  {name}" if i == 0 and kind != "fold" else name)
            at += 1.0
        at += 0.6
    pooled = study.report.metrics.pooled["ic"]
    level = f"{study.report.metrics.bootstrap.level:.0%}"
    axis.axvspan(pooled.low, pooled.high, color=_BAND, zorder=0, label=f"all rows, {level} interval")
    axis.axvline(pooled.value, color=DARK, linewidth=1)
    axis.axvline(0, color=GREY, linewidth=0.8)
    value, low, high = (np.array([getattr(s, k) for s in shown], np.float64) for k in ("ic", "low", "high"))
    y = np.array(places)
    axis.hlines(y, low, high, color=BLUE, linewidth=1.4, label=f"stratum, {level} interval")
    axis.scatter(value, y, s=22, color=BLUE, zorder=3)
    axis.set_yticks(y, labels, fontsize=8 if len(y) < 26 else 6)
    for place, entry in zip(y, shown, strict=True):
        axis.text(
            1.0,
            place,
            f"{entry.rows:,}",
            transform=axis.get_yaxis_transform(),
            fontsize=7,
            color=GREY,
            ha="right",
            va="center",
        )
    axis.invert_yaxis()
    axis.margins(x=0.12)
    axis.set_xlabel("IC out of sample (right: number of rows; no line: fewer than 8 blocks of time)")
    more = f"; of long lists the {MAX_STRATA // 2} lowest and highest" if shortened else ""
    axis.set_title(f"IC by stratum{more}")


def _draw_decay(figure: Figure, study: Study) -> None:
    """Draw the IC over horizons, of the whole move and of the part that each horizon adds."""
    assert study.report.decay is not None
    axis, entries = figure.subplots(), study.report.decay
    x = np.array([d.multiple for d in entries])
    whole, low, high, new, new_low, new_high = (
        np.array([getattr(d, k) for d in entries], np.float64)
        for k in ("ic", "low", "high", "new_ic", "new_low", "new_high")
    )
    level = f"{study.report.metrics.bootstrap.level:.0%}"
    axis.plot(x, whole, color=BLUE, marker="o", markersize=4, label="move from the decision to the horizon")
    axis.fill_between(x, low, high, color=_BAND, label=f"its {level} interval")
    axis.errorbar(
        x * 1.03,
        new,
        np.abs(np.stack([new - new_low, new_high - new])),
        color=RED,
        fmt="s",
        markersize=4,
        capsize=3,
        linewidth=1,
        label="move since the next shorter horizon",
    )
    axis.axhline(0, color=GREY, linewidth=0.8)
    axis.axvline(1.0, color=DARK, linewidth=0.9, linestyle="--", label="the study's horizon")
    axis.set_xscale("log")
    axis.set_xticks(x, [d.horizon for d in entries])
    axis.xaxis.set_minor_locator(NullLocator())
    axis.set_xlabel("horizon, after the decision delay")
    axis.set_ylabel("IC out of sample")
    axis.set_title("How far ahead do the forecasts reach?")


def _draw_reliability(figure: Figure, study: Study) -> None:
    """Draw observed frequency against forecast probability, and a histogram of the forecasts."""
    assert study.report.reliability is not None
    curves = study.report.reliability
    panels = figure.subplots(2, len(curves), squeeze=False, height_ratios=[3, 1], sharex="col")
    level = f"{study.report.metrics.bootstrap.level:.0%}"
    events = select_events(study.predictions)
    meanings: dict[Event, str] = {"up": "P(up | the mid moves)", "flat": "P(no move)"}
    for (name, curve), (axis, below) in zip(curves.items(), panels.T, strict=True):
        forecast, frequency, low, high, rows = (
            np.array([getattr(b, k) for b in curve.curve], np.float64)
            for k in ("forecast", "frequency", "low", "high", "rows")
        )
        if len(rows):
            span = np.array([min(forecast.min(), frequency.min()), max(forecast.max(), frequency.max())])
            axis.plot(span, span, color=DARK, linewidth=0.9, linestyle="--", label="perfectly calibrated")
            base = float(np.average(frequency, weights=rows))
            axis.axhline(base, color=GREY, linewidth=0.9, label="base rate")
            error = np.maximum(np.stack([frequency - low, high - frequency]), 0)
            axis.errorbar(
                forecast, frequency, error, fmt="o", color=BLUE, capsize=3, markersize=4, label=f"{level} interval"
            )
            below.hist(events[name].p, bins=50, color=_BAND)
        below.set_xlabel(meanings[name])
        below.set_ylabel("rows")
        axis.set_title(
            f"Brier {curve.brier:.4f} = reliability {curve.reliability:.4f} - resolution "
            f"{curve.resolution:.4f}\n+ uncertainty {curve.uncertainty:.4f} + within {curve.within:.4f}",
            fontsize=9 if len(curves) == 1 else 8,
        )
    panels[0, 0].set_ylabel("observed frequency")
