"""Draw importance: families of features, ranks by fold, permutation, interactions."""

from collections.abc import Callable
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from ofiml.reporting.figures.dots import draw_dots
from ofiml.study.run import Study
from ofiml.ui.figure import (
    BLUE,
    GREY,
    RED,
)
from ofiml.ui.format import format_number

Draw = Callable[[Figure, Study], None]

_BAND = "#cfe3ea"
_MAX_RANKED = 12  # more do not fit


def choose_figures(study: Study) -> dict[str, Draw]:
    """Choose the figures of importance, without parts that are switched off, without ranks of a single fold, without
    shares of a single family, and without interactions of an additive model.
    """
    use = study.report.explained
    interacts = use.interactions is not None and not use.interactions.additive
    return {
        **({"families.png": _draw_families} if len(use.families) > 1 else {}),
        **({"stability.png": _draw_stability} if len(study.report.folds) > 1 else {}),
        **({"permutation.png": _draw_permutation} if use.permutation else {}),
        **({"interactions.png": _draw_interactions} if interacts else {}),
    }


def _draw_bars(figure: Figure, names: list[str], values: list[float], folds: list[list[float]]) -> None:
    """Draw one bar per name, from the top, and one dot per fold."""
    axis = figure.subplots()
    axis.barh(range(len(names)), values[::-1], color=_BAND, height=min(0.8, 0.12 * len(names) + 0.2))
    draw_dots(axis, folds[::-1], size=14, label="folds")
    axis.axvline(0, color=GREY, linewidth=0.8)
    axis.set_yticks(range(len(names)), names[::-1], fontsize=9)
    axis.set_ylim(-0.7, len(names) - 0.3)


def _draw_families(figure: Figure, study: Study) -> None:
    """Draw the mean |SHAP| of each family of features."""
    families = study.report.explained.families
    names = [f"{f.family} ({f.features})\n{format_number(f.share, '.0%')}" for f in families]
    _draw_bars(figure, names, [f.mean_abs_shap for f in families], [f.folds for f in families])
    figure.axes[0].set_xlabel("sum of mean |SHAP| of the raw score, out of sample (in brackets: number of features)")
    figure.axes[0].set_title("Which family of features matters?")


def _draw_stability(figure: Figure, study: Study) -> None:
    """Draw the rank of the top features in each fold."""
    entries, axis = study.report.importance, figure.subplots()
    values = np.array([e.folds for e in entries])
    ranks = np.argsort(np.argsort(-values, axis=0, kind="stable"), axis=0, kind="stable") + 1
    shown = ranks[:_MAX_RANKED]
    folds = [f.fold for f in study.report.folds]
    x = np.arange(len(folds))
    for i, row in enumerate(shown):
        strong = i < 3
        axis.plot(x, row, marker="o", markersize=4, linewidth=1.6 if strong else 0.9, color=BLUE if strong else GREY)
    axis.set_xticks(x, [f"fold {f}" for f in folds])
    axis.set_yscale("log")
    axis.set_yticks([r for r in (1, 2, 3, 5, 10, 20, 50, 100, 200) if r <= shown.max() + 1])
    axis.yaxis.set_major_formatter("{x:.0f}")
    axis.yaxis.set_minor_locator(NullLocator())
    axis.set_ylim(shown.max() * 1.15, 0.9)
    axis.set_ylabel(f"rank among {len(entries)} features")
    _name_ends(axis, sorted((int(row[-1]), entry.feature) for entry, row in zip(entries, shown, strict=False)), x[-1])
    agreement = study.report.importance_stability
    agreement_text = f"; rank correlation {agreement:.2f}" if agreement == agreement else ""
    axis.set_title(f"Do the folds use the same features? Top {len(shown)}{agreement_text}")


def _name_ends(axis: Axes, ends: list[tuple[int, str]], x: int) -> None:
    """Name the (rank, feature) of each line at its end, `x`: at equal distances, because ranks may be close."""
    places = 1 - (np.arange(len(ends)) + 0.5) / len(ends)
    points = (axis.transData - axis.transAxes).transform([(x, rank) for rank, _ in ends])
    lines = [(point, (1.015, place)) for point, place in zip(points, places, strict=True)]
    style: dict[str, Any] = {"colors": GREY, "linewidths": 0.5, "alpha": 0.6, "clip_on": False}
    axis.add_artist(LineCollection(lines, transform=axis.transAxes, **style))
    for (rank, name), place in zip(ends, places, strict=True):
        axis.text(1.02, place, f"{rank}  {name}", transform=axis.transAxes, va="center", fontsize=8)


def _draw_permutation(figure: Figure, study: Study) -> None:
    """Draw the drop in out-of-sample R² when a feature is permuted."""
    permutation = study.report.explained.permutation
    assert permutation is not None
    entries = permutation.features
    _draw_bars(figure, [e.feature for e in entries], [e.drop_r2 for e in entries], [e.folds for e in entries])
    axis, y = figure.axes[0], np.arange(len(entries))[::-1]
    error = np.array([e.error for e in entries])
    axis.errorbar(
        [e.drop_r2 for e in entries],
        y,
        xerr=1.96 * error,
        fmt="none",
        ecolor=RED,
        capsize=2,
        linewidth=1,
        label="±1.96 standard errors over folds",
    )
    agreement = permutation.agreement
    agreement_text = f" Rank correlation with SHAP: {agreement:.2f}" if agreement == agreement else ""
    axis.set_xlabel("drop in out-of-sample R² (each feature permuted in blocks of rows)")
    axis.set_title(f"How much R² is lost when a feature is permuted?{agreement_text}")


def _draw_interactions(figure: Figure, study: Study) -> None:
    """Draw Friedman's H² of the pairs of the top features."""
    interactions = study.report.explained.interactions
    assert interactions is not None
    entries = interactions.pairs[:15]
    names = [f"{' × '.join(e.features)}  {format_number(e.share, '.0%')}" for e in entries]
    _draw_bars(figure, names, [e.strength for e in entries], [e.folds for e in entries])
    axis = figure.axes[0]
    unit = "log-odds" if study.config.target.task == "classification" else study.config.target.unit
    axis.set_xlabel(f"strength ({unit}); %: share of the joint effect of the pair (Friedman's H²)")
    axis.set_title("Which of the top features interact?")
