"""The size of a position: how many lots a signal is worth."""

import numpy as np

from ofiml._typing import Float, Int64, Sizing


def compute_lots(
    sizing: Sizing, base: int, cap: int, strength: Float, volatility: Float, typical_volatility: float
) -> Int64:
    """Compute the lots (n,) of each bar, whole, at least 0 and at most `cap`.

    `fixed` is `base`. `proportional` is base·strength, the signal in units of its threshold. `volatility` is
    base·σ₀/σ, with σ the trailing volatility of the bar (ticks) and σ₀ that of the train rows (ticks, the root of their
    mean square), so that the risk of a position, lots·σ, is that of `base` lots in the train rows' market. Fractions of
    a lot are dropped: the risk never exceeds the wanted one. Where a volatility is not known, the risk is not known
    either: 0 lots. A market that does not move has the cap.
    """
    if sizing == "fixed":
        return np.full(len(strength), min(base, cap), np.int64)
    if sizing == "proportional":
        wanted = base * strength
    else:
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            wanted = base * typical_volatility / volatility
        still = (volatility == 0) & (typical_volatility >= 0)
        wanted = np.where(still, np.inf, wanted)
    # Rounding errors of a division must not cost a lot.
    lots = np.floor(np.nan_to_num(wanted, nan=0.0, posinf=cap) * (1 + 1e-12))
    return np.minimum(lots, cap).astype(np.int64)
