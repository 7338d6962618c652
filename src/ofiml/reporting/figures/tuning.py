"""Draw the search over trials, the importance of the parameters, and the score against each parameter."""

from collections.abc import Callable

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter, StrMethodFormatter

from ofiml.reporting.figures.dots import draw_dots
from ofiml.reporting.names import name_parameter
from ofiml.study.report import TuningReport
from ofiml.study.run import Study
from ofiml.ui.figure import (
    BLUE,
    DARK,
    GREY,
    RED,
)

Draw = Callable[[Figure, Study], None]

_BAND = "#cfe3ea"
_MAX_PARAMETERS = 6  # more panels do not fit
_NARROW = 6  # values of a logarithmic parameter that differ by less get few ticks at equal distances
_FOLD_COLOURS = (BLUE, RED, "#5b8c5a", "#b8860b", "#6f5a9e", GREY)
_FOLD_DASHES, _FOLD_MARKERS = ("-", "--", "-.", ":", (0, (6, 1, 1, 1, 1, 1)), (0, (8, 3))), "osD^vP"


def choose_figures(study: Study) -> dict[str, Draw]:
    """Choose the figures: none without tuning, and no importance if no fold has one."""
    tuned = study.report.tuning
    if not tuned:
        return {}
    optional = {"tuning_importance.png": _draw_importance} if any(t.importance for t in tuned) else {}
    return {"tuning_history.png": _draw_history, **optional, "tuning_slices.png": _draw_slices}


def _name_score(study: Study) -> str:
    against = "minus log loss" if study.config.target.task == "classification" else "R²"
    return f"score ({against}, mean of inner folds)"


def _list_scores(fold: TuningReport) -> np.ndarray:
    return np.array([np.nan if t.score is None else t.score for t in fold.trials], np.float64)


def _choose_range(tuned: list[TuningReport]) -> tuple[float, float]:
    """Choose the range of scores to show. A very bad trial would flatten the rest."""
    every = np.concatenate([_list_scores(fold) for fold in tuned])
    first = min(float(_list_scores(fold)[np.isfinite(_list_scores(fold))][0]) for fold in tuned)
    high, middle = float(np.nanmax(every)), float(np.nanmedian(every))
    low = min(max(float(np.nanmin(every)), high - 5.0 * (high - middle)), first)
    margin = 0.06 * (high - low) or 0.01
    return low - margin, high + margin


def _draw_history(figure: Figure, study: Study) -> None:
    """Draw the best score so far by trial, one line per fold, and one dot per trial."""
    axis, tuned = figure.subplots(), study.report.tuning
    best = [np.fmax.accumulate(_list_scores(fold)) for fold in tuned]
    for fold, line in zip(tuned, best, strict=True):
        k, trials = fold.fold % len(_FOLD_COLOURS), np.arange(len(line))
        axis.step(
            trials,
            line,
            where="post",
            color=_FOLD_COLOURS[k],
            linestyle=_FOLD_DASHES[k],
            linewidth=1.2,
            marker=_FOLD_MARKERS[k],
            markersize=4,
            # A marker stands where the line rises.
            markevery=np.flatnonzero(np.diff(np.nan_to_num(line, nan=-np.inf), prepend=-np.inf) > 0).tolist(),
            label=f"fold {fold.fold}",
        )
        axis.plot(trials, _list_scores(fold), _FOLD_MARKERS[k], color=_FOLD_COLOURS[k], markersize=3, alpha=0.6)
    axis.set_ylim(*_choose_range(tuned))
    axis.set_xlim(-0.5, max(len(line) for line in best) - 0.5)
    axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    axis.set_xlabel("trial")
    axis.set_ylabel(_name_score(study))
    states = [t.state for fold in tuned for t in fold.trials]
    counts = ", ".join(f"{states.count(s)} {s}" for s in ("complete", "pruned", "failed") if s in states)
    axis.set_title(f"Best score so far (line) and complete trials (dots) of each fold ({counts})")


def _draw_importance(figure: Figure, study: Study) -> None:
    """Draw each parameter's share of the score's variance: the mean over folds as a bar, and one dot per fold."""
    folds = [fold.importance for fold in study.report.tuning if fold.importance]
    means = {name: float(np.mean([shares[name] for shares in folds])) for name in folds[0]}
    names = sorted(means, key=lambda name: means[name])
    axis = figure.subplots()
    axis.barh(list(map(name_parameter, names)), [means[name] for name in names], color=_BAND, label="mean over folds")
    draw_dots(axis, [[shares[name] for shares in folds] for name in names], size=16, label="one fold")
    axis.set_xlim(0, 1)
    axis.set_xlabel("share of the score's variance over complete trials (fANOVA)")
    axis.set_title("Which parameters matter?")


def _draw_slices(figure: Figure, study: Study) -> None:
    """Draw the score against each parameter, with a ring around the best trial of each fold."""
    space, tuned = study.config.model.space, study.report.tuning
    names = list(space)[:_MAX_PARAMETERS]
    across = min(len(names), 2 if len(names) in (2, 4) else 3)
    panels = figure.subplots(-(-len(names) // across), across, squeeze=False, sharey=True).ravel()
    for axis, name in zip(panels, names, strict=False):
        best = []
        for fold in tuned:
            k, scores = fold.fold % len(_FOLD_COLOURS), _list_scores(fold)
            values = np.array([t.params[name] for t in fold.trials])
            axis.plot(
                *(values, scores, _FOLD_MARKERS[k]),
                color=_FOLD_COLOURS[k],
                markersize=3.5,
                alpha=0.7,
                label=f"fold {fold.fold}",
            )
            at = int(np.nanargmax(scores))
            best.append((values[at], scores[at]))
        axis.plot(*zip(*best, strict=True), "o", markersize=9, fillstyle="none", color=DARK, label="best")
        if space[name].log:
            axis.set_xscale("log")
            tried = [trial.params[name] for fold in tuned for trial in fold.trials]
            subs = (1.0, 2.0, 5.0) if space[name].high < 2e3 * space[name].low else (1.0,)
            # Between two ticks of its own, a LogLocator puts nine, whose labels overlap.
            is_narrow = max(tried) < _NARROW * min(tried)
            axis.xaxis.set_major_locator(MaxNLocator(4) if is_narrow else LogLocator(subs=subs))
            axis.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
            axis.xaxis.set_minor_formatter(NullFormatter())
        axis.set_xlabel(name_parameter(name))
        axis.set_ylim(*_choose_range(tuned))
    for axis in panels[len(names) :]:
        axis.set_visible(False)
    for axis in panels[::across]:
        axis.set_ylabel(_name_score(study).replace(" (", "\n("), fontsize=8)
    panels[0].set_title("Score against each parameter (complete trials)", loc="left")
