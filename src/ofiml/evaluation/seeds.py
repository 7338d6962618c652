"""What the model's own chance is worth: the same study with other seeds of its random choices."""

from typing import Any

import numpy as np
import polars as pl

from ofiml.config import Config
from ofiml.metrics.measured import Judged, measures
from ofiml.training.columns import column, up_column


def spread(predictions: pl.DataFrame, config: Config) -> dict[str, Any] | None:
    """`runs`, the pooled measures with each of `config.seeds`, and in `measures` their mean, sd (with n - 1; 0 of one
    seed), min and max; None without seeds. Of a measure that is not defined with one of them all four are NaN.
    """
    if not config.seeds:
        return None
    y, mean = predictions["y"].to_numpy(), predictions["train_mean"].to_numpy()
    quantile = config.model.of_quantile
    names = measures(config.target.task, quantile)
    runs = []
    for seed in config.seeds:
        up = predictions[up_column(seed)].to_numpy() if config.target.task == "classification" else None
        judged = Judged(y, predictions[column(seed)].to_numpy(), mean, up, quantile)
        runs.append({"seed": seed, **{name: judged.measure(name) for name in names}})
    over = {}
    for name in names:
        values = np.array([run[name] for run in runs])
        low, high = float(values.min()), float(values.max())
        same = low == high  # whose mean, rounded, may be another
        over[name] = {
            "mean": low if same else float(values.mean()),
            "sd": 0.0 if same else float(values.std(ddof=1)) if len(values) > 1 else high - low,
            "min": low,
            "max": high,
        }
    return {"runs": runs, "measures": over}
