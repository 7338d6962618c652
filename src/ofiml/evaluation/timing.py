"""Skill between and within sessions: how much is the level of whole sessions, and how much timing inside them.

The covariance of forecast and label is that of their session means plus that of the deviations from them. A forecast
that only knows which days rise has all of it between sessions; one that only times moves has all of it within.
"""

from dataclasses import dataclass

import numpy as np
import polars as pl

from ofiml._typing import Float
from ofiml.metrics.scores import ic


@dataclass(frozen=True, slots=True)
class SkillBySession:
    """The IC within sessions (of deviations from the session means) and between them (of the means, weighted by rows).

    `between_share` is the share of the covariance of forecast and label that lies between sessions. NaN where not
    defined, as with one session.
    """

    ic_within: float
    ic_between: float
    between_share: float


def split_skill(predictions: pl.DataFrame) -> SkillBySession:
    """Split the skill of labelled predictions (`symbol`, `session`, `y`, `y_hat`) between and within sessions, those
    of each path apart.
    """
    over = ["symbol", "session", *(["path"] if "path" in predictions.columns else [])]
    if predictions.height == 0:
        return SkillBySession(*[float("nan")] * 3)
    y, y_hat = (predictions[c].cast(pl.Float64).to_numpy() for c in ("y", "y_hat"))
    means = predictions.select(pl.col("y", "y_hat").cast(pl.Float64).mean().over(over))
    mean_y, mean_y_hat = means["y"].to_numpy(), means["y_hat"].to_numpy()
    own_y, own_y_hat = _subtract(y, mean_y), _subtract(y_hat, mean_y_hat)
    within = float(np.mean(own_y * own_y_hat))
    total = float(np.mean((y - y.mean()) * (y_hat - y_hat.mean())))
    sessions = predictions.select(over).n_unique()
    return SkillBySession(
        ic_within=ic(own_y, own_y_hat),
        ic_between=ic(mean_y, mean_y_hat) if sessions > 2 else float("nan"),
        between_share=(total - within) / total if sessions > 1 and total > 0 else float("nan"),
    )


def _subtract(values: Float, means: Float) -> Float:
    """Subtract means; what is left of equal values by rounding is 0."""
    rest = values - means
    rest[np.abs(rest) <= 1e-12 * np.abs(values)] = 0.0
    return rest
