"""Controls: what the same pipeline finds where there is nothing to find, and what the plainest forecasts find.

Each is fitted on the folds' own train rows with the folds' own tuned models, and judged on the rows that it has:

- `permuted`: the labels of each symbol permuted among its rows, train and test alike.
- `random_walk`: the mid's change over each bar keeps its size and takes a random sign, and labels are sums of these
  over as many bars as the label spans, so that they overlap as the study's do. (A whole market without information is
  `dataset=synthetic_null`.)
- `shifted`: flow and features of an earlier bar of the same symbol and session, so long ago that neither its label nor
  anything it looked at is near.
- `zero`; `last_return`, a line through the mid's change over the bar before the label; `ofi_sign`, a line through the
  sign of the bar's best-level flow, or that sign itself for a direction. The last return of an impact label is the
  label itself, and is left out.

`permuted` and `random_walk` are tested against their own labels, which nothing can tell. Tested against the true ones,
a model of one input that was fitted to permuted labels has the true skill, with a sign drawn by chance.
"""

from dataclasses import dataclass
from typing import Literal

import joblib
import numpy as np
import polars as pl
from numpy.typing import NDArray

from ofiml.config import Config, Evaluation, Target
from ofiml.errors import DataError
from ofiml.labels import Encoder, label_span
from ofiml.metrics.bootstrap import MIN_BLOCKS, assign_blocks, tail_probability
from ofiml.metrics.estimates import Estimate
from ofiml.metrics.measures import Forecast
from ofiml.metrics.paired import (
    draw_skill,
    exceeds_zero,
    nan_quantiles,
)
from ofiml.splits.inner import Inner
from ofiml.splits.purge import overlaps_any
from ofiml.splits.walk_forward import Intervals
from ofiml.training.fitted import FittedStudy
from ofiml.training.folds import FoldResult, build_pipeline
from ofiml.training.inputs import read_intervals
from ofiml.validation.control_labels import permute_labels, shift_rows, walk_labels

Float = NDArray[np.float64]
Int64 = NDArray[np.int64]

ControlName = Literal["permuted", "random_walk", "shifted", "zero", "last_return", "ofi_sign"]

EMPTY: tuple[ControlName, ...] = ("permuted", "random_walk")  # whatever is found there is a fault
_ACCUSED = 0.001  # how often a clean pipeline is
_MIN_DRAWS = 1000  # a difference of two is judged by its quantiles
_KEY = ["symbol", "session", "bar_close"]


@dataclass(frozen=True, slots=True)
class Distances:
    """How far the model is above a control on the control's rows, with intervals from blocks drawn for both at once."""

    ic: Estimate
    r2: Estimate


@dataclass(frozen=True, slots=True)
class Control:
    """A control's measures on the rows that it has, its IC's interval, and the model's distance `above` it; `skill` is
    true where a control that is empty shows skill beyond chance. What is not defined is NaN.
    """

    rows: int
    r2: float
    ic: float
    ic_low: float
    ic_high: float
    rank_ic: float
    hit_rate: float
    above: Distances
    skill: bool


@dataclass(frozen=True, slots=True)
class _Refit:
    """A control that needs a fit: labels `y` of all rows, before a fold encodes them, and the row `source` whose flow
    and features each sees; rows without a label (NaN) or a source (-1) are left out.
    """

    y: Float
    source: Int64

    @property
    def known(self) -> NDArray[np.bool_]:
        return ~np.isnan(self.y) & (self.source >= 0)


@dataclass(frozen=True, slots=True)
class _Rows:
    """All bars of the study in time order, (n,), as the controls see them."""

    flow: Float
    others: Float
    y: Float
    spans: Intervals
    refits: dict[ControlName, _Refit]
    naive: dict[ControlName, Float]


def run_controls(fitted: FittedStudy) -> dict[ControlName, Control]:
    """Fit and measure every control, and the model's distance from it."""
    config = fitted.config
    of_rows = _read_rows(fitted)
    tested = [r.predictions.filter(pl.col("y").is_not_null()) for r in fitted.results]
    where = fitted.rows.select(_KEY).with_row_index("row")
    labelled_at = _locate(where, fitted.labelled)

    def work(result: FoldResult, test: pl.DataFrame) -> dict[ControlName, Forecast]:
        return _run_fold(of_rows, labelled_at[result.fold.train], _locate(where, test), result, config)

    parallel = joblib.Parallel(n_jobs=config.threads, prefer="threads")
    by_fold = parallel(joblib.delayed(work)(r, t) for r, t in zip(fitted.results, tested, strict=True))
    everything = pl.concat([t.select(*_KEY, "label_start", "label_end", "y", "y_hat", "train_mean") for t in tested])
    session, close = (everything[c].to_numpy() for c in ("session", "bar_close"))
    block = assign_blocks(session, close, config.evaluation.block_ns, label_span(everything))
    y, y_hat, mean = (everything[c].to_numpy() for c in ("y", "y_hat", "train_mean"))
    model = Forecast(y, y_hat, mean)
    return {
        name: _measure(name, model, _join([fold[name] for fold in by_fold]), block, config.evaluation, config.seed)
        for name in by_fold[0]
    }


def _locate(where: pl.DataFrame, rows: pl.DataFrame) -> Int64:
    """Where `rows` are among all."""
    return rows.select(_KEY).join(where, on=_KEY, how="left", maintain_order="left")["row"].to_numpy().astype(np.int64)


def _join(parts: list[Forecast]) -> Forecast:
    y, y_hat, mean = (np.concatenate([getattr(p, k) for p in parts]) for k in ("y", "y_hat", "train_mean"))
    return Forecast(y, y_hat, mean)


def _measure(
    name: ControlName, model: Forecast, control: Forecast, block: Int64, evaluation: Evaluation, seed: int
) -> Control:
    """The control's measures, and the model's distance from it."""
    known = ~np.isnan(control.y_hat) & ~np.isnan(control.y)
    model, control, block = model.take(known), control.take(known), block[known]
    count = len(np.unique(block))
    outside = tail_probability(evaluation.confidence_level, count) if count > 1 else float("nan")
    draws = max(evaluation.bootstrap_samples, _MIN_DRAWS)
    of_model, of_control = (draw_skill(f, block, draws=draws, seed=seed) for f in (model, control))
    low, high = nan_quantiles(of_control.ic, outside, 1 - outside)

    def distance(measure: Literal["ic", "r2"]) -> Estimate:
        ends = nan_quantiles(getattr(of_model, measure) - getattr(of_control, measure), outside, 1 - outside)
        return Estimate(model.measure(measure) - control.measure(measure), *ends)

    return Control(
        rows=int(known.sum()),
        r2=control.measure("r2"),
        ic=control.measure("ic"),
        ic_low=low,
        ic_high=high,
        rank_ic=control.measure("rank_ic"),
        hit_rate=control.measure("hit_rate"),
        above=Distances(ic=distance("ic"), r2=distance("r2")),
        skill=name in EMPTY and count >= MIN_BLOCKS and exceeds_zero(of_control.ic, count, _ACCUSED),
    )


# --- one fold --------------------------------------------------------------------------------------------------------


def _run_fold(
    rows: _Rows, train: Int64, test: Int64, result: FoldResult, config: Config
) -> dict[ControlName, Forecast]:
    """Each control's forecasts of the fold's test rows, NaN where it has none."""
    out = {name: _refit(control, rows, train, test, result, config) for name, control in rows.refits.items()}
    y, tested = _encode(rows.y, train, test, config.target)
    train_mean = np.full(len(test), float(y.mean()))
    out["zero"] = Forecast(tested, np.zeros(len(test)), train_mean)
    for name, x in rows.naive.items():
        itself = name == "ofi_sign" and config.target.task == "classification"
        out[name] = Forecast(tested, x[test] if itself else _fit_line(x[train], y, x[test]), train_mean)
    return out


def _refit(control: _Refit, rows: _Rows, train: Int64, test: Int64, result: FoldResult, config: Config) -> Forecast:
    """The forecasts of the fold's pipeline, fitted with the control's labels and sources."""
    known = control.known
    fit_on, ask = train[known[train]], known[test]
    spans = rows.spans
    # What another bar looked at may lie in the test block, where training follows it. A row that sees itself is as
    # the study's splitter left it: whether that is sound is what the control shows.
    moved, first = control.source[fit_on] != fit_on, spans.first_used[control.source[fit_on]]
    of_test = spans.label_start[test], spans.label_end[test]
    fit_on = fit_on[~(moved & overlaps_any(first, spans.label_end[fit_on], *of_test))]
    tested, y_hat, mean = control.y[test], np.full(len(test), np.nan), float("nan")
    if len(fit_on) and ask.any():
        seen, (y, tested) = control.source[fit_on], _encode(control.y, fit_on, test, config.target)
        inner = Inner(
            Intervals(spans.first_used[seen], spans.label_start[fit_on], spans.label_end[fit_on]),
            config.split.embargo_ns,
        )
        pipeline = build_pipeline(result.model, config, config.seed)
        try:
            pipeline.fit(rows.flow[seen], rows.others[seen], y, inner)
        except DataError:  # its labels leave nothing to learn: the control does without this fold
            pass
        else:
            sources = control.source[test[ask]]
            y_hat[ask], mean = pipeline.predict(rows.flow[sources], rows.others[sources]), float(y.mean())
    return Forecast(tested, y_hat, np.full(len(test), mean))


def _encode(y: Float, train: Int64, test: Int64, target: Target) -> tuple[Float, Float]:
    """The labels of train and test rows, as a fold with these train rows has them."""
    encoder = Encoder.fit(y[train], target.dead_band)
    return encoder.encode(y[train]), encoder.encode(y[test])


def _fit_line(x: Float, y: Float, at: Float) -> Float:
    """The least-squares line through (x, y), where x is known, at other points; flat if x does not vary."""
    known = ~np.isnan(x)
    x, y = x[known], y[known]
    if len(x) == 0:
        return np.full(len(at), np.nan)
    off = x - x.mean()
    square = float(np.sum(off * off))
    slope = float(np.sum(off * (y - y.mean()))) / square if square > 0 else 0.0
    return float(y.mean()) + slope * (at - x.mean())


def _read_rows(fitted: FittedStudy) -> _Rows:
    rows, config = fitted.rows, fitted.config
    flow, others = fitted.inputs(rows)
    y = rows["y"].fill_null(np.nan).to_numpy().astype(np.float64)
    count, itself = rows.height, np.arange(rows.height, dtype=np.int64)
    source, walk, last = np.full(count, -1, np.int64), np.full(count, np.nan), np.full(count, np.nan)
    rng = np.random.default_rng([config.seed, 1])
    days = rows.with_row_index("row").partition_by(["symbol", "session"], maintain_order=True)
    for day in days:
        at = day["row"].to_numpy().astype(np.int64)
        mid = day["mid"].to_numpy()
        earlier = shift_rows(day, config.features.columns, config.ofi)
        source[at] = np.where(earlier >= 0, at[earlier], -1)
        walk[at] = walk_labels(day, config.target, config.horizon, rng)
        last[at[1:]] = np.diff(mid)
    forecast = config.target.kind == "forecast"
    sign = np.sign(rows["ofi_00"].cast(pl.Float64).fill_null(np.nan).to_numpy())
    refits: dict[ControlName, _Refit] = {
        "permuted": _Refit(permute_labels(rows["symbol"].to_numpy(), y, config.seed), itself),
        "random_walk": _Refit(np.where(np.isnan(y), np.nan, walk), itself),
        "shifted": _Refit(y, source),
    }
    naive: dict[ControlName, Float] = {"last_return": last, "ofi_sign": sign} if forecast else {"ofi_sign": sign}
    return _Rows(flow, others, y, read_intervals(rows), refits, naive)
