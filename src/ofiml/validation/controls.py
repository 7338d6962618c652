"""Controls: what the same pipeline finds where there is nothing to find, and what the plainest forecasts find.

Each is fitted on the folds' own train rows with the folds' own tuned models, and judged on the rows that it has:

- `permuted`: the labels of each symbol dealt out anew among its rows, train and test alike.
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
from typing import Any

import joblib
import numpy as np
import polars as pl
from numpy.typing import NDArray

from ofiml.config import Config
from ofiml.errors import DataError
from ofiml.features.catalogue import chosen
from ofiml.labels import Encoder, label_span
from ofiml.metrics.bootstrap import MIN_BLOCKS, blocks, tail
from ofiml.metrics.paired import (
    Forecast,
    drawn,
    quantiles,
    surely_above_zero,
)
from ofiml.metrics.scores import hit_rate, rank_ic
from ofiml.splits.inner import Inner
from ofiml.splits.purge import meets
from ofiml.splits.walk_forward import Intervals
from ofiml.training.folds import FoldResult, inputs, unfitted

Float = NDArray[np.float64]
Int64 = NDArray[np.int64]

EMPTY = ("permuted", "random_walk")  # whatever is found there is a fault
_SURE = 0.001  # so seldom a clean pipeline is accused
_DRAWS = 1000  # at least: a difference of two is judged by its quantiles
_KEY = ["symbol", "session", "bar_close"]


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
    refits: dict[str, _Refit]
    naive: dict[str, Float]


def controls(
    rows: pl.DataFrame, judged: pl.DataFrame, results: list[FoldResult], levels: int, config: Config
) -> dict[str, dict[str, Any]]:
    """Of each control `rows`, `r2`, `ic` with `ic_low` and `ic_high`, `rank_ic` and `hit_rate` on the rows it has;
    `above` says by how much the model is above it on these rows, in `ic` and `r2`, with intervals from blocks drawn for
    both at once. `skill` is true where a control that is empty shows skill beyond chance. What is not defined is NaN.
    """
    of_rows = _rows(rows, levels, config)
    tested = [r.predictions.filter(pl.col("y").is_not_null()) for r in results]
    where = rows.select(_KEY).with_row_index("row")
    judged_at = _at(where, judged)

    def work(result: FoldResult, test: pl.DataFrame) -> dict[str, Forecast]:
        return _of_fold(of_rows, judged_at[result.fold.train], _at(where, test), result, config)

    parallel = joblib.Parallel(n_jobs=config.threads, prefer="threads")
    by_fold = parallel(joblib.delayed(work)(r, t) for r, t in zip(results, tested, strict=True))
    everything = pl.concat([t.select(*_KEY, "label_start", "label_end", "y", "y_hat", "train_mean") for t in tested])
    session, close = (everything[c].to_numpy() for c in ("session", "bar_close"))
    block = blocks(session, close, config.evaluation.block_ns, label_span(everything))
    model = Forecast(*(everything[c].to_numpy() for c in ("y", "y_hat", "train_mean")))
    return {name: _held(name, model, _joined([fold[name] for fold in by_fold]), block, config) for name in by_fold[0]}


def _at(where: pl.DataFrame, rows: pl.DataFrame) -> Int64:
    """Where `rows` are among all."""
    return rows.select(_KEY).join(where, on=_KEY, how="left", maintain_order="left")["row"].to_numpy().astype(np.int64)


def _joined(parts: list[Forecast]) -> Forecast:
    return Forecast(*(np.concatenate([getattr(p, k) for p in parts]) for k in ("y", "y_hat", "train_mean")))


def _held(name: str, model: Forecast, control: Forecast, block: Int64, config: Config) -> dict[str, Any]:
    """The control's measures, and the model's distance from it."""
    known = ~np.isnan(control.y_hat) & ~np.isnan(control.y)
    model, control, block = model.take(known), control.take(known), block[known]
    count = len(np.unique(block))
    outside = tail(config.evaluation.confidence_level, count) if count > 1 else float("nan")
    draws = max(config.evaluation.bootstrap_samples, _DRAWS)
    of_model, of_control = (drawn(f, block, draws=draws, seed=config.seed) for f in (model, control))
    low, high = quantiles(of_control.ic, outside, 1 - outside)
    above = {}
    for measure in ("ic", "r2"):
        value = getattr(model, measure) - getattr(control, measure)
        ends = quantiles(getattr(of_model, measure) - getattr(of_control, measure), outside, 1 - outside)
        above[measure] = {"value": value, "low": ends[0], "high": ends[1]}
    return {
        "rows": int(known.sum()),
        "r2": control.r2,
        "ic": control.ic,
        "ic_low": low,
        "ic_high": high,
        "rank_ic": rank_ic(control.y, control.y_hat),
        "hit_rate": hit_rate(control.y, control.y_hat),
        "above": above,
        "skill": name in EMPTY and count >= MIN_BLOCKS and surely_above_zero(of_control.ic, count, _SURE),
    }


# --- one fold --------------------------------------------------------------------------------------------------------


def _of_fold(rows: _Rows, train: Int64, test: Int64, result: FoldResult, config: Config) -> dict[str, Forecast]:
    """Each control's forecasts of the fold's test rows, NaN where it has none."""
    out = {}
    for name, control in rows.refits.items():
        known = control.known
        fit_on, ask = train[known[train]], known[test]
        spans = rows.spans
        # What another bar looked at may lie in the test block, where training follows it. A row that sees itself is as
        # the study's splitter left it: whether that is sound is what the control shows.
        moved, first = control.source[fit_on] != fit_on, spans.first_used[control.source[fit_on]]
        of_test = spans.label_start[test], spans.label_end[test]
        fit_on = fit_on[~(moved & meets(first, spans.label_end[fit_on], *of_test))]
        tested, y_hat, mean = control.y[test], np.full(len(test), np.nan), float("nan")
        if len(fit_on) and ask.any():
            seen, (y, tested) = control.source[fit_on], _encoded(control.y, fit_on, test, config)
            inner = Inner(
                Intervals(spans.first_used[seen], spans.label_start[fit_on], spans.label_end[fit_on]),
                config.split.embargo_ns,
            )
            try:
                fitted = unfitted(result.model, config, config.seed).fit(rows.flow[seen], rows.others[seen], y, inner)
            except DataError:  # its labels leave nothing to learn: the control does without this fold
                pass
            else:
                asked = control.source[test[ask]]
                y_hat[ask], mean = fitted.predict(rows.flow[asked], rows.others[asked]), float(y.mean())
        out[name] = Forecast(tested, y_hat, np.full(len(test), mean))
    y, tested = _encoded(rows.y, train, test, config)
    train_mean = np.full(len(test), float(y.mean()))
    out["zero"] = Forecast(tested, np.zeros(len(test)), train_mean)
    for name, x in rows.naive.items():
        itself = name == "ofi_sign" and config.target.task == "classification"
        y_hat = x[test] if itself else _line(x[train], y, x[test])
        out[name] = Forecast(tested, y_hat, train_mean)
    return out


def _encoded(y: Float, train: Int64, test: Int64, config: Config) -> tuple[Float, Float]:
    """The labels of train and test rows, as a fold with these train rows has them."""
    encoder = Encoder.fit(y[train], config.target.dead_band)
    return encoder.encode(y[train]), encoder.encode(y[test])


def _line(x: Float, y: Float, at: Float) -> Float:
    """The least-squares line through (x, y), where x is known, at other points; flat if x does not vary."""
    known = ~np.isnan(x)
    x, y = x[known], y[known]
    if len(x) == 0:
        return np.full(len(at), np.nan)
    off = x - x.mean()
    square = float(np.sum(off * off))
    slope = float(np.sum(off * (y - y.mean()))) / square if square > 0 else 0.0
    return float(y.mean()) + slope * (at - x.mean())


# --- labels and features of the controls -----------------------------------------------------------------------------


def _rows(rows: pl.DataFrame, levels: int, config: Config) -> _Rows:
    flow, others = inputs(rows, levels, config)
    y = rows["y"].fill_null(np.nan).to_numpy().astype(np.float64)
    count, itself = rows.height, np.arange(rows.height, dtype=np.int64)
    source, walk, last = np.full(count, -1, np.int64), np.full(count, np.nan), np.full(count, np.nan)
    rng = np.random.default_rng([config.seed, 1])
    days = rows.with_row_index("row").partition_by(["symbol", "session"], maintain_order=True)
    for day in days:
        at = day["row"].to_numpy().astype(np.int64)
        mid = day["mid"].to_numpy()
        earlier = shifted(day, config)
        source[at] = np.where(earlier >= 0, at[earlier], -1)
        walk[at] = random_walk(day, config, rng)
        last[at[1:]] = np.diff(mid)
    forecast = config.target.kind == "forecast"
    sign = np.sign(rows["ofi_00"].cast(pl.Float64).fill_null(np.nan).to_numpy())
    refits = {
        "permuted": _Refit(permuted(rows["symbol"].to_numpy(), y, config.seed), itself),
        "random_walk": _Refit(np.where(np.isnan(y), np.nan, walk), itself),
        "shifted": _Refit(y, source),
    }
    spans = Intervals(*(rows[c].to_numpy() for c in ("first_used", "label_start", "label_end")))
    naive = {**({"last_return": last} if forecast else {}), "ofi_sign": sign}
    return _Rows(flow, others, y, spans, refits, naive)


def permuted(symbol: NDArray, y: Float, seed: int) -> Float:
    """The labels y (n,) that are known, dealt out anew among the rows of the same symbol."""
    rng, dealt = np.random.default_rng([seed, 0]), y.copy()
    for name in np.unique(symbol):
        rows = np.flatnonzero((symbol == name) & ~np.isnan(y))
        dealt[rows] = y[rng.permutation(rows)]
    return dealt


def shifted(day: pl.DataFrame, config: Config) -> Int64:
    """Of each bar of one symbol's session, the last earlier one that closed more than a label and the longest look-back
    before it; -1 where there is none. What looks back to the session's open counts as a bar.
    """
    close, bar_open, start, end = (day[c].to_numpy() for c in ("bar_close", "bar_open", "label_start", "label_end"))
    features = chosen(config.features.columns)
    window = max([0, *config.ofi.look_backs, *(f.window for f in features)])
    bars = max([1, *(f.bars for f in features)])
    reach = (end - start) + np.maximum(window, close - bar_open)
    earlier = np.searchsorted(close, close - reach, side="left") - bars
    return np.maximum(earlier, -1).astype(np.int64)


def random_walk(day: pl.DataFrame, config: Config, rng: np.random.Generator) -> Float:
    """Labels (n,) of one symbol's session, as the rows have them, from a mid that moves over each bar by as much as it
    did, up or down by chance.

    A label spans the bars that close after it starts and by its end, and at least one; NaN where the session has none.
    A barrier is touched where the walk has passed it at the end of the label.
    """
    close, start, end, mid, scale = (
        day[c].to_numpy() for c in ("bar_close", "label_start", "label_end", "mid", "scale")
    )
    target = config.target
    steps = np.diff(mid) * rng.choice([-1.0, 1.0], max(len(mid) - 1, 0))
    path = mid[0] + np.concatenate([[0.0], np.cumsum(steps)])
    delay = config.horizon.delay_ns if target.kind == "forecast" else 0
    first = np.searchsorted(close, start + delay, side="right") - 1
    last = np.maximum(np.searchsorted(close, end, side="right") - 1, first + 1)
    known = (first >= 0) & (last < len(close))
    first, last = np.where(known, first, 0), np.where(known, last, 0)
    move = np.where(known, path[last] - path[first], np.nan)
    if target.form == "triple_barrier":
        stop, take_profit = target.barriers
        return np.sign(move) * ((move >= take_profit) | (move <= -stop))
    if target.form == "direction":
        return move if target.dead_band else np.sign(move)
    return move / scale
