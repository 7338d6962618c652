"""What the forecasts rest on: families of features, ranks by fold, permutation, interactions."""

from collections.abc import Callable

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from ofiml.study.run import Study
from ofiml.ui.figure import (
    BLUE,
    DARK,
    GREY,
    RED,
)

Draw = Callable[[Figure, Study], None]

_BAND = "#cfe3ea"
_RANKED = 12  # features whose ranks a figure has room for


def drawn(study: Study) -> dict[str, Draw]:
    """What was switched off is not drawn, nor ranks over one fold."""
    found = study.report.explained
    return {
        "families.png": _families,
        **({"stability.png": _stability} if len(study.report.folds) > 1 else {}),
        **({"permutation.png": _permutation} if found["permutation"] else {}),
        **({"interactions.png": _interactions} if found["interactions"] else {}),
    }


def _bars(figure: Figure, names: list[str], values: list[float], folds: list[list[float]]) -> None:
    """A bar a name, best on top, and a dot a fold."""
    axis = figure.subplots()
    axis.barh(range(len(names)), values[::-1], color=_BAND, height=min(0.8, 0.12 * len(names) + 0.2))
    for i, of in enumerate(folds[::-1]):
        axis.scatter(of, [i] * len(of), s=14, color=BLUE, zorder=3, label="folds" if i == 0 else None)
    axis.axvline(0, color=GREY, linewidth=0.8)
    axis.set_yticks(range(len(names)), names[::-1], fontsize=9)
    axis.set_ylim(-0.7, len(names) - 0.3)


def _families(figure: Figure, study: Study) -> None:
    """Mean |SHAP| of each family of features."""
    found = study.report.explained["families"]
    shares = [f"{f['share']:.0%}" if f["share"] == f["share"] else "–" for f in found]
    names = [f"{f['family']} ({f['features']})\n{share}" for f, share in zip(found, shares, strict=True)]
    _bars(figure, names, [f["mean_abs_shap"] for f in found], [f["folds"] for f in found])
    figure.axes[0].set_xlabel("sum of mean |SHAP| of the raw score, out of sample (in brackets: how many features)")
    figure.axes[0].set_title("Which family do the forecasts rest on?")


def _stability(figure: Figure, study: Study) -> None:
    """Rank of the top features in each fold."""
    entries, axis = study.report.importance, figure.subplots()
    values = np.array([e["folds"] for e in entries])
    ranks = np.argsort(np.argsort(-values, axis=0, kind="stable"), axis=0, kind="stable") + 1
    shown = ranks[:_RANKED]
    folds = [f["fold"] for f in study.report.folds]
    x = np.arange(len(folds))
    for i, row in enumerate(shown):
        strong = i < 3
        axis.plot(x, row, marker="o", markersize=4, linewidth=1.6 if strong else 0.9, color=BLUE if strong else GREY)
    # Names stand apart from each other even where ranks do not.
    ends = sorted((int(row[-1]), entry["feature"]) for entry, row in zip(entries, shown, strict=False))
    for k, (rank, name) in enumerate(ends):
        axis.annotate(
            f"{rank}  {name}",
            (x[-1], rank),
            xytext=(1.02, 1 - (k + 0.5) / len(ends)),
            textcoords="axes fraction",
            va="center",
            fontsize=8,
            annotation_clip=False,
            arrowprops={"arrowstyle": "-", "relpos": (0, 0.5), "color": GREY, "linewidth": 0.5, "alpha": 0.6},
        )
    axis.set_xticks(x, [f"fold {f}" for f in folds])
    axis.set_yscale("log")
    axis.set_yticks([r for r in (1, 2, 3, 5, 10, 20, 50, 100, 200) if r <= shown.max() + 1])
    axis.yaxis.set_major_formatter("{x:.0f}")
    axis.yaxis.set_minor_locator(NullLocator())
    axis.set_ylim(shown.max() * 1.15, 0.9)
    axis.set_ylabel(f"rank among {len(entries)} features")
    agreement = study.report.importance_stability
    said = f"; rank agreement {agreement:.2f}" if agreement == agreement else ""
    axis.set_title(f"Do the folds rest on the same features? The first {len(shown)}{said}")


def _permutation(figure: Figure, study: Study) -> None:
    """Drop in R² out of sample when a feature is dealt out among other rows."""
    found = study.report.explained["permutation"]
    entries = found["features"]
    _bars(figure, [e["feature"] for e in entries], [e["drop_r2"] for e in entries], [e["folds"] for e in entries])
    axis, y = figure.axes[0], np.arange(len(entries))[::-1]
    error = np.array([e["error"] for e in entries])
    axis.errorbar(
        [e["drop_r2"] for e in entries],
        y,
        xerr=1.96 * error,
        fmt="none",
        ecolor=RED,
        capsize=2,
        linewidth=1,
        label="±1.96 standard errors over folds",
    )
    agreement = found["agreement"]
    said = f" Rank agreement with SHAP: {agreement:.2f}" if agreement == agreement else ""
    axis.set_xlabel("drop in R² out of sample, a feature at a time dealt out in blocks of rows")
    axis.set_title(f"What is lost without each feature?{said}")


def _interactions(figure: Figure, study: Study) -> None:
    """Friedman's H of the pairs of the first features."""
    found = study.report.explained["interactions"]
    entries = found["pairs"][:15]
    shares = ["–" if e["share"] != e["share"] else f"{e['share']:.0%}" for e in entries]
    names = [f"{' × '.join(e['features'])}  {share}" for e, share in zip(entries, shares, strict=True)]
    _bars(figure, names, [e["strength"] for e in entries], [e["folds"] for e in entries])
    axis = figure.axes[0]
    unit = "log-odds" if study.config.target.task == "classification" else study.config.target.unit
    axis.set_xlabel(f"strength ({unit}); %: share of what the pair moves (Friedman's H²)")
    if found["additive"]:
        axis.text(0.5, 0.5, "the model adds its features up", ha="center", transform=axis.transAxes, color=DARK)
        axis.set_xlim(-0.05, 1)
    axis.set_title("Which of the first features are used together?")
