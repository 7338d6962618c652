"""What of a label is learnt from a fold's train rows: the dead band of a direction, and what a forecast is worth."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ofiml.config import Target

Float = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Encoder:
    """A direction with a dead band: up or down beyond `band` ticks, else 0. None leaves labels as they are."""

    band: float | None

    @classmethod
    def fit(cls, y: Float, dead_band: float) -> "Encoder":
        """The band is the `dead_band`-quantile of |y|, the train rows' moves in ticks (n,); 0 asks for none."""
        return cls(float(np.quantile(np.abs(y), dead_band)) if dead_band else None)

    def encode(self, y: Float) -> Float:
        """Labels (k,) in {-1, 0, 1} of moves in ticks (k,), of any rows; NaN stays."""
        if self.band is None:
            return y
        inside = np.abs(y) <= self.band
        return np.where(inside, 0.0, np.sign(y))


def in_ticks(y_hat: Float, flat: Float | None, scale: Float, y: Float, move: Float, target: Target) -> Float:
    """The moves in ticks (k,) that forecasts y_hat stand for; NaN where `scale` is, the rows' ticks per unit of label.

    A direction, P(up) - P(down), is worth P(up)·g - P(down)·l: g and l are the take-profit and the stop of a triple
    barrier, else both the mean |move| of those train rows, of labels `y` and moves `move` in ticks (n,), whose label is
    not 0. `flat` is P(0) (k,). A model that never knows of it (0, or None) tells P(up) and P(down) of a row that moves,
    so what it says is worth as much less as there are train rows that do not.
    """
    if target.form == "return":
        return y_hat * scale
    moved = y != 0
    gain, loss = target.take_profit, target.stop
    if gain is None or loss is None:
        gain = loss = float(np.abs(move[moved]).mean()) if moved.any() else 0.0
    if flat is None or not flat.any():
        return float(moved.mean()) * (y_hat * (gain + loss) / 2 + (gain - loss) / 2) * scale
    return (y_hat * (gain + loss) / 2 + (1.0 - flat) * (gain - loss) / 2) * scale
