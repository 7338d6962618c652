"""Controls: the pipeline on labels without signal, and naive forecasts.

Each control uses the folds' train rows and tuned models, and is evaluated on the rows for which it is defined:

- `permuted`: the labels of each symbol are permuted among its rows, in train and test.
- `random_walk`: the mid's change over each bar keeps its size and gets a random sign. A label is the sum of these
  changes over the bars that it spans, so labels overlap as in the study. (`dataset=synthetic_null` is a whole market
  without information.)
- `shifted`: flow and features of an earlier bar of the same symbol and session, further away than a label and the
  longest look-back.
- `zero`: no change.
- `last_return`: a line through the mid's change over the bar before the label. It is left out for an impact label,
  which it equals.
- `ofi_sign`: a line through the sign of the bar's best-level flow, or that sign itself for a direction.

`permuted` and `random_walk` are tested against their own labels, which no model can predict. Against the true labels, a
model of one input that was fitted to permuted labels has the true skill with a random sign.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal, NamedTuple

import numpy as np
import polars as pl

from ofiml._typing import Bool, Float, Int64
from ofiml.config import Evaluation, Target
from ofiml.config import Model as ModelConfig
from ofiml.labels import Encoder
from ofiml.labels.time_blocks import number_time_blocks
from ofiml.metrics.bootstrap import MIN_BLOCKS, compute_tail_probability
from ofiml.metrics.estimates import Estimate
from ofiml.metrics.measures import Forecast
from ofiml.metrics.paired import (
    compute_nan_quantiles,
    draw_skill,
    exceeds_zero,
)
from ofiml.ofi.columns import BEST_FLOW
from ofiml.parallel import SharedRecord, SharedTable, Workers, run_pieces, share_record, share_table
from ofiml.splits.inner import Inner
from ofiml.splits.purge import overlaps_any
from ofiml.splits.walk_forward import Intervals
from ofiml.training.fitted import FittedStudy
from ofiml.training.folds import build_pipeline, locate_tested_bars
from ofiml.training.inputs import list_input_columns, read_intervals, select_flow, select_others
from ofiml.training.settings import FitSettings
from ofiml.validation.control_labels import permute_labels, shift_rows, walk_labels

ControlName = Literal["permuted", "random_walk", "shifted", "zero", "last_return", "ofi_sign"]

WITHOUT_SIGNAL: tuple[ControlName, ...] = ("permuted", "random_walk")  # any skill on them is a fault of the pipeline
_FALSE_ALARM_RATE = 0.001  # the share of sound pipelines that the test flags
_MIN_DRAWS = 1000  # for the outer quantiles of a difference
_SCORED = ["session", "bar_close", "label_start", "label_end", "y", "y_hat", "train_mean"]
_READ = ["symbol", "session", "bar_open", "bar_close", "label_start", "label_end", "mid", "scale"]


@dataclass(frozen=True, slots=True)
class Distances:
    """The model's IC and R² less those of a control on its rows, with intervals from common draws of blocks."""

    ic: Estimate
    r2: Estimate


@dataclass(frozen=True, slots=True)
class Control:
    """A control: its measures on its rows, the interval of its IC, and the model's distance `above` it. `skill` is true
    if a control without signal has skill beyond chance. Undefined values are NaN.
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
    """A control that needs a fit: the labels `y` of all rows, not yet encoded, and the `source` row from which each row
    takes flow and features. Rows without a label (NaN) or a source (-1) are left out.
    """

    y: Float
    source: Int64

    def is_known(self, at: Int64) -> Bool:
        return ~np.isnan(self.y[at]) & (self.source[at] >= 0)


@dataclass(frozen=True, slots=True)
class _Rows:
    """All n bars of the study in time order: what the controls need besides the inputs of models. `labelled_at` are the
    positions of those with a label, to which folds refer.
    """

    labelled_at: Int64
    y: Float
    spans: Intervals
    refits: dict[ControlName, _Refit]
    naive: dict[ControlName, Float]


@dataclass(frozen=True, slots=True)
class _Inputs:
    """The table of all bars with the columns that models read, the number of `levels` with known flow, and how models
    are fitted.
    """

    table: SharedTable
    levels: int
    settings: FitSettings

    def select_flow(self, at: Int64) -> Float:
        return select_flow(self.table.read(), self.levels, self.settings.ofi, at)

    def select_others(self, at: Int64) -> Float:
        return select_others(self.table.read(), self.settings.features, at)


@dataclass(frozen=True, slots=True)
class _Piece:
    """What one fold needs: its train rows among the labelled ones, the positions of its test rows, and its tuned
    model.
    """

    train: Int64
    test: Int64
    model: ModelConfig


def run_controls(fitted: FittedStudy, workers: Workers, step: Callable[[], None]) -> dict[ControlName, Control]:
    """Run every control: fit it, and measure it and the model's distance from it. `step` is called after each fold."""
    config = fitted.config
    settings, rows = FitSettings.of(config), _read_rows(fitted)
    pieces = [
        _Piece(
            r.fold.train,
            locate_tested_bars(fitted.rows, r.fold)[r.predictions["y"].is_not_null().to_numpy()],
            r.model,
        )
        for r in fitted.results
    ]
    columns = list_input_columns(fitted.flow_levels, config.ofi, config.features)
    inputs = _Inputs(share_table(fitted.rows.select(columns), workers), fitted.flow_levels, settings)
    shared = share_record(rows, workers)
    by_fold = run_pieces(partial(_run_fold, shared=shared, inputs=inputs), pieces, workers, step)
    pooled = pl.concat([r.predictions.select(_SCORED).filter(pl.col("y").is_not_null()) for r in fitted.results])
    block = number_time_blocks(pooled, config.evaluation.block_ns)
    y, y_hat, mean = (pooled[c].to_numpy() for c in ("y", "y_hat", "train_mean"))
    model = Forecast(y, y_hat, mean)
    return {
        name: _measure_control(
            name, model, _join_forecasts([fold[name] for fold in by_fold]), block, config.evaluation, config.seed
        )
        for name in by_fold[0]
    }


def _join_forecasts(parts: list[Forecast]) -> Forecast:
    y, y_hat, mean = (np.concatenate([getattr(p, k) for p in parts]) for k in ("y", "y_hat", "train_mean"))
    return Forecast(y, y_hat, mean)


def _measure_control(
    name: ControlName, model: Forecast, control: Forecast, block: Int64, evaluation: Evaluation, seed: int
) -> Control:
    """Measure a control and the model's distance from it."""
    known = ~np.isnan(control.y_hat) & ~np.isnan(control.y)
    model, control, block = model.take(known), control.take(known), block[known]
    count = int(np.count_nonzero(np.bincount(block)))
    outside = compute_tail_probability(evaluation.confidence_level, count) if count > 1 else float("nan")
    draws = max(evaluation.bootstrap_samples, _MIN_DRAWS)
    model_draws, control_draws = (draw_skill(f, block, draws=draws, seed=seed) for f in (model, control))
    low, high = compute_nan_quantiles(control_draws.ic, outside, 1 - outside)

    def estimate_distance(measure: Literal["ic", "r2"]) -> Estimate:
        difference = getattr(model_draws, measure) - getattr(control_draws, measure)
        ends = compute_nan_quantiles(difference, outside, 1 - outside)
        return Estimate(model.measure(measure) - control.measure(measure), *ends)

    return Control(
        rows=int(known.sum()),
        r2=control.measure("r2"),
        ic=control.measure("ic"),
        ic_low=low,
        ic_high=high,
        rank_ic=control.measure("rank_ic"),
        hit_rate=control.measure("hit_rate"),
        above=Distances(ic=estimate_distance("ic"), r2=estimate_distance("r2")),
        skill=name in WITHOUT_SIGNAL
        and count >= MIN_BLOCKS
        and exceeds_zero(control_draws.ic, count, _FALSE_ALARM_RATE),
    )


# --- one fold --------------------------------------------------------------------------------------------------------


def _run_fold(piece: _Piece, shared: SharedRecord[_Rows], inputs: _Inputs) -> dict[ControlName, Forecast]:
    """Run every control on one fold: forecast its test rows, NaN where a control has no forecast."""
    rows, test, target = shared.read(), piece.test, inputs.settings.target
    train = rows.labelled_at[piece.train]
    out = _refit_controls(rows, inputs, train, test, piece.model)
    y, y_test = _encode_labels(rows.y, train, test, target)
    train_mean = np.full(len(test), float(y.mean()))
    out["zero"] = Forecast(y_test, np.zeros(len(test)), train_mean)
    for name, x in rows.naive.items():
        is_forecast = name == "ofi_sign" and target.task == "classification"
        out[name] = Forecast(y_test, x[test] if is_forecast else _fit_line(x[train], y, x[test]), train_mean)
    return out


def _refit_controls(
    rows: _Rows, inputs: _Inputs, train: Int64, test: Int64, model: ModelConfig
) -> dict[ControlName, Forecast]:
    """Refit the fold's pipeline for each control, and forecast the test rows. Controls with the same rows and sources,
    whose labels alone differ, are fitted together.
    """
    groups: list[tuple[_Used, list[ControlName]]] = []
    for name, control in rows.refits.items():
        used = _select_rows(control, rows.spans, train, test)
        together = next((names for other, names in groups if _are_equal(other, used)), None)
        if together is None:
            groups.append((used, [name]))
        else:
            together.append(name)
    out: dict[ControlName, Forecast] = {}
    while groups:  # the rows of each are let go after it
        used, names = groups.pop()
        labels = [rows.refits[name].y for name in names]
        out |= dict(zip(names, _refit_labels(labels, rows.spans, inputs, used, test, model), strict=True))
    return {name: out[name] for name in rows.refits}


class _Used(NamedTuple):
    """The rows of a fold that a control uses: its train rows and their sources, whether each test row is known, and
    the sources of those that are.
    """

    train: Int64
    train_sources: Int64
    known: Bool
    test_sources: Int64


def _select_rows(control: _Refit, spans: Intervals, train: Int64, test: Int64) -> _Used:
    fit_rows, is_known = train[control.is_known(train)], control.is_known(test)
    sources = control.source[fit_rows]
    # Where training follows testing, the look-back of another source row may reach into the test block, so such rows
    # are purged. Rows that are their own source stay as the splitter left them: the control tests that purge.
    is_shifted = sources != fit_rows
    if not is_shifted.any():
        return _Used(fit_rows, fit_rows, is_known, control.source[test[is_known]])
    test_labels = spans.label_start[test], spans.label_end[test]
    kept = ~(is_shifted & overlaps_any(spans.first_used[sources], spans.label_end[fit_rows], *test_labels))
    return _Used(fit_rows[kept], sources[kept], is_known, control.source[test[is_known]])


def _are_equal(a: _Used, b: _Used) -> bool:
    return all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


def _refit_labels(
    labels: list[Float], spans: Intervals, inputs: _Inputs, used: _Used, test: Int64, model: ModelConfig
) -> list[Forecast]:
    """Refit the fold's pipeline with each of `labels`, of all rows and not yet encoded, and forecast the test rows.
    The forecast is NaN where a test row is not known, and everywhere if the labels cannot be learned from.
    """
    if not len(used.train) or not used.known.any():
        nothing = np.full(len(test), np.nan)
        return [Forecast(y[test], nothing, nothing) for y in labels]
    settings = inputs.settings
    encoded = [_encode_labels(y, used.train, test, settings.target) for y in labels]
    inner = Inner(
        Intervals(spans.first_used[used.train_sources], spans.label_start[used.train], spans.label_end[used.train]),
        settings.split.embargo_ns,
    )
    pipelines = build_pipeline(model, settings, settings.seed).fit_each(
        inputs.select_flow(used.train_sources),
        inputs.select_others(used.train_sources),
        [y for y, _ in encoded],
        inner,
    )
    out = []
    tested = inputs.select_flow(used.test_sources), inputs.select_others(used.test_sources)
    for pipeline, (y, y_test) in zip(pipelines, encoded, strict=True):
        y_hat, mean = np.full(len(test), np.nan), float("nan")
        if pipeline is not None:  # else the labels cannot be learned from, and the control omits this fold
            y_hat[used.known], mean = pipeline.predict(*tested), float(y.mean())
        out.append(Forecast(y_test, y_hat, np.full(len(test), mean)))
    return out


def _encode_labels(y: Float, train: Int64, test: Int64, target: Target) -> tuple[Float, Float]:
    """Encode the labels of train and test rows as a fold with these train rows does."""
    y_train = y[train]
    encoder = Encoder.fit(y_train, target.dead_band)
    return encoder.encode(y_train), encoder.encode(y[test])


def _fit_line(x: Float, y: Float, at: Float) -> Float:
    """Fit the least-squares line through (x, y) where x is known, and evaluate it `at` other points (k,). It is flat if
    x does not vary, NaN if x is nowhere known.
    """
    known = ~np.isnan(x)
    x, y = x[known], y[known]
    if len(x) == 0:
        return np.full(len(at), np.nan)
    centred = x - x.mean()
    square = float(np.sum(centred * centred))
    slope = float(np.sum(centred * (y - y.mean()))) / square if square > 0 else 0.0
    return float(y.mean()) + slope * (at - x.mean())


def _read_rows(fitted: FittedStudy) -> _Rows:
    rows, config = fitted.rows, fitted.config
    y = rows["y"].fill_null(np.nan).to_numpy().astype(np.float64)
    count, own = rows.height, np.arange(rows.height, dtype=np.int64)
    source, walk, last = np.full(count, -1, np.int64), np.full(count, np.nan), np.full(count, np.nan)
    rng = np.random.default_rng([config.seed, 1])
    days = rows.select(_READ).with_row_index("row").group_by("symbol", "session", maintain_order=True)
    for _, day in days:
        at = day["row"].to_numpy().astype(np.int64)
        mid = day["mid"].to_numpy()
        earlier = shift_rows(day, config.features.columns, config.ofi)
        source[at] = np.where(earlier >= 0, at[earlier], -1)
        walk[at] = walk_labels(day, config.target, config.horizon, rng)
        last[at[1:]] = np.diff(mid)
    forecast = config.target.kind == "forecast"
    sign = np.sign(rows[BEST_FLOW].cast(pl.Float64).fill_null(np.nan).to_numpy())
    refits: dict[ControlName, _Refit] = {
        "permuted": _Refit(permute_labels(rows["symbol"], y, config.seed), own),
        "random_walk": _Refit(np.where(np.isnan(y), np.nan, walk), own),
        "shifted": _Refit(y, source),
    }
    naive: dict[ControlName, Float] = {"last_return": last, "ofi_sign": sign} if forecast else {"ofi_sign": sign}
    return _Rows(fitted.locate_labelled(), y, read_intervals(rows), refits, naive)
