"""Forecasts of smoothed labels and of the return, each held against every label and against what could be earned."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from ofiml._typing import Float, Int64
from ofiml.bars.time import find_quotes_at, select_states
from ofiml.config import TimeBars
from ofiml.data.schema import Session
from ofiml.evaluation.bootstrap import BlockBootstrap
from ofiml.evaluation.executable import ExecutableSkill, measure_executable_skill
from ofiml.evaluation.level_fits import fit_least_squares
from ofiml.experiments.bench import Bench, Market
from ofiml.experiments.rows import FoldedRows, fold_rows
from ofiml.labels.smoothed import average_last, average_next
from ofiml.metrics.estimates import Estimate
from ofiml.metrics.scores import ic, r2
from ofiml.samples.session import SessionSamples
from ofiml.samples.settings import SampleSettings
from ofiml.splits.fold import Fold

#: The labels that are forecast: the return, and the two smoothed ones. All in ticks.
LABELS = {"y": "return", "next": "mean of next mids less mid", "both": "mean of next mids less mean of last"}
WINDOWS = (2, 5, 10, 20, 50)  # of the means, in bars, for the forecast without a model
SHARES = (1.0, 0.5, 0.2, 0.1, 0.05)  # of the bars traded, the strongest forecasts first


@dataclass(frozen=True, slots=True)
class ForecastScore:
    """What one forecast is worth.

    `r2` is on its own label, out of sample, against the train mean; `ics` are with each label by name, and `skill` is
    on the executable return. `gross` is the mean gain in ticks of its side, mid to mid, and `net` that with the spread
    paid and its interval, by the share of the bars that trades; `traded` is the share that did. The threshold of a
    share is a quantile of the train rows' |forecast|.
    """

    r2: float
    ics: dict[str, float]
    skill: ExecutableSkill
    gross: dict[float, float]
    net: dict[float, Estimate]
    traded: dict[float, float]


@dataclass(frozen=True, slots=True)
class SmoothedScores:
    """The scores of a market by label, those of `foresight` (each label known exactly), and the number of bars of a
    mean, `k`. `without_model` is the R² of the known part of the label with means on both sides, by the number of bars;
    `known_r2` that for k, and `known_share` the known part's variance over the label's.
    """

    k: int
    rows: int
    spread: float
    forecasts: dict[str, ForecastScore]
    foresight: dict[str, ForecastScore]
    without_model: dict[int, float]
    known_r2: float
    known_share: float


def measure_smoothed(bench: Bench, market: Market, *overrides: str) -> SmoothedScores:
    """Fit each label on the same inputs of the train rows, and score all forecasts on the same test rows."""
    folded = fold_rows(bench, market, *overrides, extend=add_smoothed_labels)
    rows, config = folded.rows, folded.config
    lags = [column for column in rows.columns if column.startswith("lag_")]
    x = np.column_stack([folded.read_flow(), rows.select(lags).to_numpy()])
    labels = {label: rows[label].to_numpy() for label in LABELS}
    bootstrap = BlockBootstrap.of(config.evaluation, config.seed)
    both, gap = labels["both"], rows["gap"].to_numpy()
    return SmoothedScores(
        k=count_bars(SampleSettings.of(config)),
        rows=len(folded.tested),
        spread=float(rows["spread_ticks"].to_numpy().mean()),
        forecasts={label: _score(folded, labels, label, bootstrap, x) for label in LABELS},
        foresight={label: _score(folded, labels, label, bootstrap, y[:, None]) for label, y in labels.items()},
        without_model={k: _measure_without_model(rows, k) for k in WINDOWS},
        known_r2=_compute_known_r2(gap, both),
        known_share=float(np.var(gap) / np.var(both)) if np.var(both) > 0 else float("nan"),
    )


def count_bars(settings: SampleSettings) -> int:
    """Count the bars of the horizon, over which means are taken."""
    assert isinstance(settings.bars, TimeBars)
    assert settings.horizon.length_ns is not None
    return settings.horizon.length_ns // settings.bars.step_ns


def add_smoothed_labels(session: Session, samples: SessionSamples, settings: SampleSettings) -> pl.DataFrame:
    """Add to a session's rows, in ticks: the labels `next` and `both`, the known part `gap` of `both`, the last k - 1
    moves `lag_1` …, the quotes at entry and exit, and label and gap of each of `WINDOWS`.

    The label `y` is null where any of the first four is not known. The rows' first instant used is that of their oldest
    mid, and no label reaches beyond the end of the return's.
    """
    rows, k = samples.rows, count_bars(settings)
    mid = rows["mid"].cast(pl.Float64).fill_null(np.nan).to_numpy()
    close = rows["bar_close"].to_numpy()
    past, future = average_last(mid, k), average_next(mid, k)
    columns = {"next": future - mid, "both": future - past, "gap": mid - past}
    moves = np.diff(mid, prepend=np.nan)
    lags = {f"lag_{j + 1}": np.concatenate([np.full(j, np.nan), moves[: len(moves) - j]]) for j in range(k - 1)}
    known = np.isfinite(np.column_stack([*columns.values(), *lags.values()])).all(axis=1)
    for window in WINDOWS:
        columns[f"gap_{window}"] = mid - average_last(mid, window)
        columns[f"both_{window}"] = average_next(mid, window) - average_last(mid, window)
    oldest = np.concatenate([np.full(min(k - 1, len(close)), session.open), close[: max(len(close) - k + 1, 0)]])
    return rows.with_columns(
        *(pl.Series(name, values) for name, values in (columns | lags).items()),
        *_read_quotes(session, rows, settings),
        pl.when(pl.Series(known)).then("y").alias("y"),
        pl.min_horizontal("first_used", pl.Series(oldest)).alias("first_used"),
    )


def _read_quotes(session: Session, rows: pl.DataFrame, settings: SampleSettings) -> list[pl.Series]:
    """Read the quotes in ticks one latency after each bar's close, and one after the end of its horizon."""
    book, latency = select_states(session, settings.bars.per), settings.latency_ns
    assert settings.horizon.length_ns is not None
    entry = rows["bar_close"].to_numpy() + latency
    quotes = {"entry": find_quotes_at(book, entry), "exit": find_quotes_at(book, entry + settings.horizon.length_ns)}
    return [
        (table[side] / session.tick).alias(f"{at}_{side}") for at, table in quotes.items() for side in ("bid", "ask")
    ]


def forecast_folds(x: Float, y: Float, folds: Sequence[Fold]) -> tuple[Float, Float, Float]:
    """Forecast the test rows of all folds by least squares of y (n,) on x (n, k).

    Returns the forecasts (tested,), the mean of each row's train labels (tested,), and the thresholds (tested,
    len(SHARES)) that the |forecast| of a share of the train rows exceeds.
    """
    parts, means, cuts = [], [], []
    for fold in folds:
        fit = fit_least_squares(x[fold.train], y[fold.train])
        parts.append(fit.predict(x[fold.test]))
        means.append(np.full(len(fold.test), y[fold.train].mean()))
        strength = np.abs(fit.predict(x[fold.train]))
        cuts.append(np.tile(np.quantile(strength, [1 - share for share in SHARES]), (len(fold.test), 1)))
    return np.concatenate(parts), np.concatenate(means), np.concatenate(cuts)


def _score(
    folded: FoldedRows, labels: dict[str, Float], label: str, bootstrap: BlockBootstrap, x: Float
) -> ForecastScore:
    """Fit `label` on x (n, k) in each fold, and score the forecasts of all test rows."""
    y, tested = labels[label], folded.tested
    y_hat, means, cuts = forecast_folds(x, y, folded.folds)
    rows = folded.rows[tested].with_columns(pl.Series("y_hat", y_hat))
    side, strong = np.sign(y_hat), np.abs(y_hat)[:, None] >= cuts
    strong[:, SHARES.index(1.0)] = True
    mid = {at: (rows[f"{at}_bid"] + rows[f"{at}_ask"]).to_numpy() / 2 for at in ("entry", "exit")}
    block = bootstrap.number_blocks(rows)
    gross = side * (mid["exit"] - mid["entry"])
    long = (rows["exit_bid"] - rows["entry_ask"]).to_numpy()
    short = (rows["entry_bid"] - rows["exit_ask"]).to_numpy()
    net = np.where(side > 0, long, short)
    traded = {share: strong[:, j] & (side != 0) & np.isfinite(net) for j, share in enumerate(SHARES)}
    return ForecastScore(
        r2=r2(y[tested], y_hat, means),
        ics={name: ic(other[tested], y_hat) for name, other in labels.items()},
        skill=measure_executable_skill(rows, bootstrap),
        gross={share: _mean(gross[which]) for share, which in traded.items()},
        net={share: _estimate_mean(net[which], block[which], bootstrap) for share, which in traded.items()},
        traded={share: float(np.mean(which)) for share, which in traded.items()},
    )


def _mean(values: Float) -> float:
    return float(values.mean()) if len(values) else float("nan")


def _estimate_mean(values: Float, block: Int64, bootstrap: BlockBootstrap) -> Estimate:
    """Estimate the mean of the values (n,) with its interval from blocks of time; NaN without any."""
    if len(values) == 0:
        return Estimate(*[float("nan")] * 3)
    return Estimate(*(float(end[0]) for end in bootstrap.estimate_group_means(values, np.zeros_like(block), block)))


def _measure_without_model(rows: pl.DataFrame, k: int) -> float:
    """Measure the R² of mid - mean of last k as the forecast of mean of next k - mean of last k."""
    gap, both = (rows[f"{name}_{k}"].to_numpy() for name in ("gap", "both"))
    known = np.isfinite(gap) & np.isfinite(both)
    return _compute_known_r2(gap[known], both[known])


def _compute_known_r2(gap: Float, both: Float) -> float:
    return r2(both, gap, np.full(len(both), both.mean())) if len(both) else float("nan")
