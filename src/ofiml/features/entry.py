"""What an entry of the catalogue says of a feature, and what the entries and the code of all families share."""

from dataclasses import dataclass

from ofiml.units import SECOND

MINUTE = 60 * SECOND

WINDOWS = tuple(s * SECOND for s in (1, 5, 10, 30, 60, 300))  # the look-backs of flow
BARS, FEWEST = 30, 10  # bars that the longest look-back over bars takes, and the fewest that give a value
REALISED = 5 * SECOND  # after a trade, when its realised spread is known
DECAY = 5 * SECOND  # in which a decayed count falls to 1/e

EVEN, ODD = "even", "odd"

# Words of several entries.
COPE = "Cont, Kukanov & Stoikov 2014, eq. 2-4"
NO_SIDE = "a side is missing"
NO_BOTH = "both sides are missing"
YOUNG = "t - {} lies before the start"
FEW = "fewer than 10 such bars, or all equal"


@dataclass(frozen=True, slots=True)
class Feature:
    """`bars` is how many bars, this one included, and `window` how many ns before t the value looks back over; both 0
    for the state at t; `session` where it may look back to the session's open. `known`: from when on.

    `mirror`: what happens where bid and ask are swapped: the value stays (even), changes its sign (odd), or that of
    another entry takes its place. `size`: doubling all sizes (and the sizes of the config) multiplies it by 2^size.
    `relative` values depend on the price level, others only on differences of prices.
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
