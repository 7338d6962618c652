"""Draw the signal, its folds, its importance and its profit."""

from collections.abc import Callable

import numpy as np
import polars as pl
from matplotlib.dates import DateFormatter
from matplotlib.figure import Figure

from ofiml.data.schema import TIME
from ofiml.evaluation.bootstrap import BlockBootstrap
from ofiml.reporting.figures.backtest import choose_backtest_figures
from ofiml.reporting.figures.dots import draw_dots
from ofiml.reporting.figures.parts import MAX_STRATA
from ofiml.study.run import Study
from ofiml.ui.figure import (
    BLUE,
    DARK,
    GREY,
    RED,
)

Draw = Callable[[Figure, Study], None]

_PRICE, _UP, _DOWN, _BAND = DARK, BLUE, RED, "#cfe3ea"


def choose_figures(study: Study) -> dict[str, Draw]:
    """Choose the figures: only fitted reductions have weights, and strata.png has the folds unless they are many."""
    return {
        "signal.png": _draw_signal,
        "predicted_realised.png": _draw_predicted_realised,
        **({"folds.png": _draw_folds} if len(study.report.folds) > MAX_STRATA else {}),
        "importance.png": _draw_importance,
        **({"weights.png": _draw_weights} if study.report.ofi.weights is not None else {}),
        **choose_backtest_figures(study),
    }


def _name_unit(study: Study) -> str:
    target = study.config.target
    return "P(up) - P(down)" if target.task == "classification" else "σ" if target.unit == "volatility" else target.unit


def _name_prediction(study: Study) -> str:
    return "predicted" if study.report.kind == "forecast" else "explained"


def _draw_signal(figure: Figure, study: Study) -> None:
    """Draw price and forecast over the last tested session."""
    rows = study.predictions
    if "path" in rows.columns:
        rows = rows.filter(pl.col("path") == 0)
    last = rows.filter((pl.col("session") == rows["session"][-1]) & (pl.col("symbol") == rows["symbol"][-1]))
    # A missing bar breaks the line.
    gap = (last["bar_open"] > last["bar_close"].shift()).fill_null(False)
    mid = last["mid"].to_numpy() * last["tick"][0] / 1e9
    line = np.where(gap.to_numpy(), np.nan, mid)
    stamps = last["bar_close"].cast(TIME).to_numpy()
    price, signal = figure.subplots(2, 1, sharex=True, height_ratios=[2, 1])
    price.plot(stamps, line, color=_PRICE, linewidth=0.9)
    quotes = {one.symbol: one.instrument.quote for one in study.report.dataset.instruments}
    price.set_ylabel(f"mid ({quotes.get(last['symbol'][0]) or 'currency'})")
    price.set_title(f"{last['symbol'][0]} {last['session'][0]}: price and out-of-sample {study.report.kind}")
    y_hat = last["y_hat"].to_numpy()
    signal.vlines(stamps, 0, y_hat, colors=np.where(y_hat >= 0, _UP, _DOWN), linewidth=0.8)
    signal.set_ylabel(f"{_name_prediction(study)}\n({_name_unit(study)})")
    signal.set_xlabel("time (UTC)")
    signal.xaxis.set_major_formatter(DateFormatter("%H:%M"))


def _draw_predicted_realised(figure: Figure, study: Study) -> None:
    """Draw the realised label by decile of the prediction, over all rows."""
    y, y_hat = study.predictions["y"].to_numpy(), study.predictions["y_hat"].to_numpy()
    axis = figure.subplots()
    axis.scatter(y_hat, y, s=5, alpha=0.15, color=GREY, linewidths=0, rasterized=True)
    deciles = [part for part in np.array_split(np.argsort(y_hat, kind="stable"), 10) if len(part)]
    x = np.array([y_hat[d].mean() for d in deciles])
    decile = np.empty(len(y), np.int64)
    for k, rows in enumerate(deciles):
        decile[rows] = k
    bootstrap = BlockBootstrap.of(study.config.evaluation, study.config.seed)
    mean, below, above = bootstrap.estimate_group_means(y, decile, bootstrap.number_blocks(study.predictions))
    error = np.maximum(np.stack([mean - below, above - mean]), 0)
    known = bool(np.isfinite(error).any())
    interval = (
        f"{bootstrap.level:.0%} interval over blocks of time" if known else "too few blocks of time for an interval"
    )
    axis.errorbar(x, mean, error, fmt="o", color=_DOWN, capsize=3, label=f"mean by decile, {interval}")
    low, high = np.quantile(y, [0.01, 0.99])
    reach = max(abs(low), abs(high), float(np.abs(mean).max()), 1e-12)
    axis.set_ylim(-reach * 1.1, reach * 1.1)
    span = np.quantile(y_hat, [0.005, 0.995])
    if span[1] > span[0]:
        axis.set_xlim(span[0] - 0.05 * np.ptp(span), span[1] + 0.05 * np.ptp(span))
    axis.plot(span, span, color=_PRICE, linewidth=0.8, linestyle="--", label="as predicted")
    pooled = study.report.metrics.pooled
    axis.set_title(
        f"Predicted against realised, out of sample: R² {pooled['r2'].value:.4f}, IC {pooled['ic'].value:.3f}"
    )
    axis.set_xlabel(f"{_name_prediction(study)} ({_name_unit(study)}), central 99 %")
    axis.set_ylabel(
        f"realised ({'sign' if study.config.target.task == 'classification' else _name_unit(study)}), central 98 %"
    )


def _draw_folds(figure: Figure, study: Study) -> None:
    """Draw the IC of each fold beside the pooled IC with its interval."""
    metrics, axis = study.report.metrics, figure.subplots()
    pooled = metrics.pooled["ic"]
    values = [f.values["ic"] for f in metrics.folds]
    axis.bar(range(len(values)), np.nan_to_num(values), color=_UP, width=0.6)
    axis.axhspan(
        pooled.low,
        pooled.high,
        color=_BAND,
        zorder=0,
        label=f"pooled, {metrics.bootstrap.level:.0%} interval",
    )
    axis.axhline(pooled.value, color=_PRICE, linewidth=1)
    axis.axhline(0, color=GREY, linewidth=0.8)
    axis.set_xlabel("fold")
    axis.set_ylabel("IC out of sample")
    axis.set_title("IC by fold")


def _draw_importance(figure: Figure, study: Study) -> None:
    """Draw the mean |SHAP| out of sample of the top features, with one dot per fold."""
    top = study.report.importance[:20][::-1]
    axis = figure.subplots()
    axis.barh([e.feature for e in top], [e.mean_abs_shap for e in top], color=_BAND)
    draw_dots(axis, [entry.folds for entry in top], size=14, label="folds")
    axis.set_xlabel("mean |SHAP| of the raw score, out of sample")
    agreement = study.report.importance_stability
    axis.set_title("Importance" + (f"; rank correlation of folds {agreement:.2f}" if agreement == agreement else ""))


_MAX_GROUPS = 6  # more panels do not fit


def _draw_weights(figure: Figure, study: Study) -> None:
    """Draw the signed weights over levels of each fold, in one panel per part and look-back."""
    ofi, reduction = study.report.ofi, str(study.config.ofi.name)
    learned, explained = (
        part if isinstance(part, dict) else {reduction: part or []} for part in (ofi.weights, ofi.explained)
    )
    shown = list(learned)[:_MAX_GROUPS]
    across = 2 if len(shown) in (2, 4) else min(3, len(shown))
    panels = np.atleast_1d(figure.subplots(-(-len(shown) // across), across, squeeze=False)).ravel()
    what = "first component" if study.config.ofi.name == "pca" else "R² in train"
    for axis, name in zip(panels, shown, strict=False):
        for fold, weights in enumerate(learned[name]):
            levels = np.arange(1, len(weights) + 1)
            axis.plot(
                levels, weights, marker="o", markersize=3, linewidth=0.8, color=_UP, alpha=0.35 + 0.12 * (fold % 5)
            )
        axis.axhline(0, color=GREY, linewidth=0.8)
        axis.set_xticks(levels)
        share = float(np.mean([fold[0] for fold in explained[name]]))
        axis.ticklabel_format(axis="y", scilimits=(-3, 4))
        axis.set_title(f"{name}\n{what} {share:.2f}", fontsize=9)
        axis.set_xlabel("level")
    for axis in panels[len(shown) :]:
        axis.set_visible(False)
    panels[0].set_ylabel("weight (one line per fold)")
