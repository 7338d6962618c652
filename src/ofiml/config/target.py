"""What is explained: the horizon and the label."""

from dataclasses import dataclass

from ofiml.config.checks import one_of, require
from ofiml.units import duration


@dataclass(slots=True)
class Horizon:
    length: str
    delay: str

    def __post_init__(self) -> None:
        require(self.length_ns > 0, "horizon.length must be longer than 0.")

    @property
    def length_ns(self) -> int:
        return duration(self.length, "horizon.length")

    @property
    def delay_ns(self) -> int:
        return duration(self.delay, "horizon.delay")


@dataclass(slots=True)
class Target:
    kind: str
    form: str
    unit: str

    def __post_init__(self) -> None:
        one_of("target.kind", self.kind, ("forecast", "impact"))
        one_of("target.form", self.form, ("return", "direction"))
        one_of("target.unit", self.unit, ("ticks", "bps"))
        require(self.form == "return" or self.unit == "ticks", "target.unit: a direction has no unit; leave it ticks.")
