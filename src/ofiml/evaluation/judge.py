"""The measures of a study's out-of-sample predictions: pooled, with intervals, and by fold."""

from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from ofiml.config import Config
from ofiml.evaluation.bootstrap import blocks, interval
from ofiml.evaluation.metrics import measure, measures


def judge(predictions: pl.DataFrame, config: Config) -> dict[str, Any]:
    """`pooled` measures with their intervals, those of `folds`, and what the `bootstrap` rests on."""
    y, y_hat, mean = (predictions[c].to_numpy() for c in ("y", "y_hat", "train_mean"))
    span = int((predictions["label_end"].to_numpy() - predictions["label_start"].to_numpy()).max())
    session = (predictions["symbol"] + " " + predictions["session"]).to_numpy()
    length = config.evaluation.block_ns
    block = blocks(session, predictions["bar_close"].to_numpy(), length, span)
    pooled = {}
    for name in measures(config.target.form):

        def value(rows: NDArray[np.int64], name: str = name) -> float:
            return measure(name, y[rows], y_hat[rows], mean[rows])

        low, high = interval(
            value,
            block,
            samples=config.evaluation.bootstrap,
            level=config.evaluation.level,
            seed=config.seed,
        )
        pooled[name] = {"value": measure(name, y, y_hat, mean), "low": low, "high": high}
    by_fold = []
    for index in predictions["fold"].unique().sort().to_list():
        rows = predictions.filter(pl.col("fold") == index)
        part = [rows[c].to_numpy() for c in ("y", "y_hat", "train_mean")]
        values = {name: measure(name, *part) for name in measures(config.target.form)}
        by_fold.append({"fold": index, "rows": rows.height, **values})
    bootstrap = {
        "samples": config.evaluation.bootstrap,
        "level": config.evaluation.level,
        "blocks": int(block.max()) + 1,
    }
    return {"pooled": pooled, "folds": by_fold, "bootstrap": bootstrap}
