"""Numbers with their uncertainty: an interval from one sample, or the spread over several samples."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Estimate:
    """An estimate: the `value` of a measure and the ends of its interval, in its unit; NaN where not defined."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Spread:
    """The mean, standard deviation (ddof 1), minimum and maximum over several samples; NaN where not defined."""

    mean: float
    sd: float
    min: float
    max: float
