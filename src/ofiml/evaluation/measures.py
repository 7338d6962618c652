"""The measures of a study's out-of-sample predictions: pooled with intervals and t-statistics, by fold, by symbol."""

from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from ofiml.config import Config
from ofiml.labels import label_span
from ofiml.metrics.bootstrap import blocks, interval
from ofiml.metrics.false_discovery import by_symbol
from ofiml.metrics.hac import overlap, statistics, t_test
from ofiml.metrics.measured import Judged, measures
from ofiml.metrics.scores import (
    auc,
    ic,
    places,
    rank_ic,
)
from ofiml.metrics.sharpe import sharpe

Float = NDArray[np.float64]
Int = NDArray[np.int64]


def judge(predictions: pl.DataFrame, config: Config) -> dict[str, Any]:
    """`pooled` measures with their intervals, those of `folds`, what the `bootstrap` rests on, the t-statistics
    (`hac`), and with several symbols a table of `symbols`.

    Where rows are predicted in several `paths`, pooled are the rows of all, in blocks of time that hold a moment's rows
    of every path, so that a row's repetitions do not count as independent; `paths` has the measures of each.
    """
    judged = Judged.of(predictions, config.model.of_quantile)
    block = _blocks(predictions, label_span(predictions), config)
    drawn = _drawn(judged.y, judged.y_hat)
    pooled = {}
    for name in measures(config.target.task, judged.quantile):

        def value(rows: Int, name: str = name) -> float:
            return drawn[name](rows) if name in drawn else judged.take(rows).measure(name)

        low, high = _interval(value, block, config)
        pooled[name] = {"value": judged.measure(name), "low": low, "high": high}
    bootstrap = {
        "samples": config.evaluation.bootstrap_samples,
        "level": config.evaluation.confidence_level,
        "blocks": int(block.max()) + 1,
    }
    found: dict[str, Any] = {"pooled": pooled, "folds": _by("fold", predictions, config)}
    if "path" in predictions.columns:
        found["paths"] = _by("path", predictions, config)
    found |= {"bootstrap": bootstrap, "hac": _hac(predictions)}
    if predictions["symbol"].n_unique() > 1:
        groups = predictions.group_by("symbol", maintain_order=True)
        found["symbols"] = by_symbol([_symbol(str(key[0]), rows, config) for key, rows in groups])
    return found


def _by(part: str, predictions: pl.DataFrame, config: Config) -> list[dict[str, Any]]:
    """The measures of each fold's, or each path's, rows."""
    found = []
    for index in predictions[part].unique().sort().to_list():
        rows = predictions.filter(pl.col(part) == index)
        judged = Judged.of(rows, config.model.of_quantile)
        values = {name: judged.measure(name) for name in measures(config.target.task, judged.quantile)}
        found.append({part: index, "rows": rows.height, **values})
    return found


def profit(equity: pl.DataFrame, predictions: pl.DataFrame, annual: float, config: Config) -> dict[str, float]:
    """`sharpe_low` and `sharpe_high`, the interval of the annualised (times `annual`) net Sharpe ratio by blocks of the
    same kind, and `net_t` and `net_p` of the mean net gain of a bar. Of several paths, over the gains of all.
    """
    if "path" in equity.columns:
        each = equity.with_columns(pl.col("net").diff().fill_null(pl.col("net")).over("path"))
        equity = each.sort("bar_close", maintain_order=True)
        gains = equity["net"].to_numpy()
    else:
        gains = np.diff(equity["net"].to_numpy(), prepend=0.0)
    block = _blocks(equity, label_span(predictions), config)
    low, high = _interval(lambda rows: annual * sharpe(gains[rows]), block, config)
    time = equity["bar_close"].to_numpy()
    mean = t_test(float(gains.mean()), gains, time, _overlap(predictions))
    return {"sharpe_low": low, "sharpe_high": high, "net_t": mean["t"], "net_p": mean["p"]}


def _drawn(y: Float, y_hat: Float) -> dict[str, Any]:
    """Measures of ranks over resampled rows: the values are sorted once, not in each sample."""
    place, place_hat = places(y), places(y_hat)
    return {
        "rank_ic": lambda rows: rank_ic(place[rows], place_hat[rows]),
        "auc": lambda rows: auc(y[rows], place_hat[rows]),
    }


def _symbol(symbol: str, rows: pl.DataFrame, config: Config) -> dict[str, Any]:
    y, y_hat = (rows[c].to_numpy() for c in ("y", "y_hat"))
    block = _blocks(rows, label_span(rows), config)
    low, high = _interval(lambda drawn: ic(y[drawn], y_hat[drawn]), block, config)
    return {"symbol": symbol, "rows": rows.height, "ic": ic(y, y_hat), "low": low, "high": high, **_hac(rows)["ic"]}


def _hac(rows: pl.DataFrame) -> dict[str, Any]:
    if "path" in rows.columns:  # rows of one time count once, in whichever path
        rows = rows.sort("bar_close", maintain_order=True)
    y, y_hat, time = (rows[c].to_numpy() for c in ("y", "y_hat", "bar_close"))
    return statistics(y, y_hat, time, _overlap(rows))


def _overlap(rows: pl.DataFrame) -> int:
    return overlap(*(rows[c].to_numpy() for c in ("label_start", "label_end")))


def _blocks(rows: pl.DataFrame, span: int, config: Config) -> Int:
    """The block of each row. Symbols of one day share it: what moves them at the same time counts once."""
    return blocks(rows["session"].to_numpy(), rows["bar_close"].to_numpy(), config.evaluation.block_ns, span)


def _interval(value: Any, block: Int, config: Config) -> tuple[float, float]:
    settings = config.evaluation
    return interval(value, block, samples=settings.bootstrap_samples, level=settings.confidence_level, seed=config.seed)
