"""A number with its uncertainty: an interval of a sample, or the spread over several samples."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Estimate:
    """A measure's `value` and the ends of its interval, in the measure's unit; NaN where not defined."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Spread:
    """Mean, standard deviation (n - 1), least and greatest of a number over several samples; NaN where not defined."""

    mean: float
    sd: float
    min: float
    max: float
