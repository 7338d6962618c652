"""Label parameters estimated on a fold's train rows: a direction's dead band, and the ticks that a forecast implies."""

from dataclasses import dataclass

import numpy as np

from ofiml._typing import Float
from ofiml.config import Target


@dataclass(frozen=True, slots=True)
class Encoder:
    """A direction with a dead band: up or down beyond `band` ticks, else 0. None leaves labels as they are."""

    band: float | None

    @classmethod
    def fit(cls, y: Float, dead_band: float) -> "Encoder":
        """Fit the band as the `dead_band`-quantile of |y|, the train rows' moves in ticks (n,); no band for 0."""
        return cls(float(np.quantile(np.abs(y), dead_band)) if dead_band else None)

    def encode(self, y: Float) -> Float:
        """Encode moves in ticks (k,) as labels (k,) in {-1, 0, 1}; NaN stays NaN."""
        if self.band is None:
            return y
        inside = np.abs(y) <= self.band
        return np.where(inside, 0.0, np.sign(y))


def convert_to_ticks(y_hat: Float, flat: Float | None, scale: Float, y: Float, move: Float, target: Target) -> Float:
    """Convert forecasts y_hat (k,) to expected moves in ticks (k,); NaN where `scale`, ticks per unit of label, is NaN.

    A direction, P(up) - P(down) with P(0) as `flat` (k,), is worth P(up)·u + P(down)·d + P(0)·z. Of a triple barrier,
    u, d and z are the mean moves of the train rows, of labels `y` and moves `move` in ticks (n,), whose label is 1, -1
    and 0: what knows no more than their shares is worth their mean move. Else u = -d is the mean |move| of those whose
    label is not 0, and z = 0. A return has no `flat`.
    """
    if flat is None:
        return y_hat * scale
    if target.form == "triple_barrier":
        stop, take_profit = target.barriers
        widths = {1: take_profit, -1: stop, 0: 0.0}
        up, down, still = (_mean(move[y == k], k * width) for k, width in widths.items())
    else:
        up = _mean(np.abs(move[y != 0]), 0.0)
        down, still = -up, 0.0
    return (y_hat * (up - down) / 2 + (1.0 - flat) * (up + down) / 2 + flat * still) * scale


def _mean(move: Float, none: float) -> float:
    return float(move.mean()) if len(move) else none
