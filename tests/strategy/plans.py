"""Plans of a fitted study as the tests of strategies make them."""

from collections.abc import Mapping

import numpy as np

from ofiml._typing import Float
from ofiml.config import Strategy
from ofiml.strategy.bars import FeeTicks
from ofiml.strategy.build import Plans, decide
from ofiml.strategy.fit import fit_rules
from ofiml.training.fitted import FittedStudy
from ofiml.units import PRICE_SCALE


def build_decisions(fitted: FittedStudy, strategy: Strategy, fees: Mapping[str, FeeTicks]) -> Plans:
    """Fit the rule of each fold, and decide."""
    return decide(fitted, strategy, fit_rules(fitted, strategy, fees), fees)


def measure_linear_fee(per_unit: float, bps: float) -> FeeTicks:
    """Return the fee of `per_unit` currency a unit and `bps` of the traded value, size times |price|."""

    def measure(mid: Float, tick: int) -> Float:
        fee: Float = (per_unit * PRICE_SCALE + bps * 1e-4 * (np.abs(mid) * tick)) / tick
        return fee

    return measure
