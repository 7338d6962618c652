"""The entry of a feature in the catalogue, and the constants that all families share."""

from dataclasses import dataclass

from ofiml.units import SECOND

MINUTE = 60 * SECOND

WINDOWS = tuple(s * SECOND for s in (1, 5, 10, 30, 60, 300))  # the look-backs of flow
BARS, FEWEST = 30, 10  # the longest look-back over bars, and the fewest bars that give a value
REALISED = 5 * SECOND  # after a trade, when its realised spread is known
DECAY = 5 * SECOND  # time in which a decayed count falls to 1/e

EVEN, ODD = "even", "odd"

# Words of several entries.
COPE = "Cont, Kukanov & Stoikov 2014, eq. 2-4"
NO_SIDE = "a side is missing"
NO_BOTH = "both sides are missing"
YOUNG = "t - {} lies before the start"
FEW = "fewer than 10 such bars, or all equal"


@dataclass(frozen=True, slots=True)
class Feature:
    """A feature: its name, formula, unit, the condition under which it is NaN (`nan`), and when it is `known`.

    The look-back is `bars`, the current one included, or `window` in ns; both are 0 for the state at t. `session` is
    true if the feature may look back to the session's open. `mirror` is the effect of swapping bid and ask: the value
    stays (even), changes sign (odd), or becomes that of the named feature. Doubling all sizes (also in the config)
    multiplies the value by 2^size. A `relative` value depends on the level of prices, others only on price differences.
    """

    name: str
    group: str
    formula: str
    unit: str
    nan: str
    mirror: str
    size: int = 0
    bars: int = 0
    window: int = 0
    session: bool = False
    relative: bool = False
    known: str = "t"
    source: str = "common practice"
