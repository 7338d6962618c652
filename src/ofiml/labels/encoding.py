"""Quantities estimated on a fold's train rows: the dead band of a direction, and the ticks that a forecast implies."""

from dataclasses import dataclass

import numpy as np

from ofiml._typing import Float
from ofiml.config import Target


@dataclass(frozen=True, slots=True)
class Encoder:
    """An encoder of directions: up or down beyond `band` ticks, else 0. Without a band (None), labels are unchanged."""

    band: float | None

    @classmethod
    def fit(cls, y: Float, dead_band: float) -> "Encoder":
        """Fit the band: the `dead_band`-quantile of |y|, with y (n,) the train rows' moves in ticks; no band for 0."""
        return cls(float(np.quantile(np.abs(y), dead_band)) if dead_band else None)

    def encode(self, y: Float) -> Float:
        """Encode moves in ticks (k,) as labels (k,) in {-1, 0, 1}; NaN stays NaN."""
        if self.band is None:
            return y
        inside = np.abs(y) <= self.band
        return np.where(inside, 0.0, np.sign(y))


def convert_to_ticks(y_hat: Float, flat: Float | None, scale: Float, y: Float, move: Float, target: Target) -> Float:
    """Convert forecasts y_hat (k,) to expected moves in ticks (k,); NaN where `scale` (ticks per unit of label) is NaN.

    A return, without `flat`, is y_hat·scale. A direction has y_hat = P(up) - P(down) and P(0) as `flat` (k,); its
    expected move is P(up)·u + P(down)·d + P(0)·z. The train rows have labels `y` and moves `move` in ticks, (n,) each.
    For a triple barrier u, d and z are the mean moves of the train rows with label 1, -1 and 0, so a forecast of the
    class shares gives their mean move. Otherwise u = -d is the mean |move| of the rows with a label other than 0, and
    z = 0.
    """
    if flat is None:
        return y_hat * scale
    if target.form == "triple_barrier":
        stop, take_profit = target.barriers
        widths = {1: take_profit, -1: stop, 0: 0.0}
        up, down, still = (_average(move[y == k], k * width) for k, width in widths.items())
    else:
        up = _average(np.abs(move[y != 0]), 0.0)
        down, still = -up, 0.0
    return (y_hat * (up - down) / 2 + (1.0 - flat) * (up + down) / 2 + flat * still) * scale


def _average(move: Float, default: float) -> float:
    return float(move.mean()) if len(move) else default
