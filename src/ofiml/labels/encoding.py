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


@dataclass(frozen=True, slots=True)
class Worth:
    """The move in ticks that a forecast stands for: `offset` + `slope` · y_hat · the row's `scale`."""

    offset: float
    slope: float

    @classmethod
    def fit(cls, y: Float, move: Float, target: Target) -> "Worth":
        """Of train rows' encoded labels and moves in ticks, (n,) each.

        A return stands for itself. A direction y_hat = P(up) - P(down) is worth the mean |move| over all train rows,
        as 0 where their label is 0. Of a triple barrier, with the share s of train rows that touch one, it is worth
        s·(P(up)·take_profit - P(down)·stop), P(up) + P(down) being 1.
        """
        if target.form == "return":
            return cls(0.0, 1.0)
        if target.take_profit is not None and target.stop is not None:
            touched = float(np.mean(y != 0))
            gain, loss = target.take_profit, target.stop
            return cls(touched * (gain - loss) / 2, touched * (gain + loss) / 2)
        return cls(0.0, float(np.mean(np.where(y == 0, 0.0, np.abs(move)))))

    def ticks(self, y_hat: Float, scale: Float) -> Float:
        """The forecast moves (k,), ticks; NaN where the scale is."""
        return self.offset + self.slope * y_hat * scale
