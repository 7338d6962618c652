"""What is explained: the horizon and the label."""

from dataclasses import dataclass

from ofiml.config.checks import one_of, require
from ofiml.units import duration


@dataclass(slots=True)
class Horizon:
    """How far ahead, on which `clock`: a `length` of time, or a `size` of book events or of units traded."""

    clock: str
    length: str | None
    size: float | None
    delay: str

    def __post_init__(self) -> None:
        one_of("horizon.clock", self.clock, ("time", "events", "volume"))
        if self.clock == "time":
            require(self.size is None, "horizon.size belongs to horizon=events and horizon=volume: leave it null.")
            require(self.length is not None, "horizon.length is missing: give it, as in horizon.length=10s.")
            require(self.length_ns != 0, "horizon.length must be longer than 0.")
        else:
            require(self.length is None, f"horizon.length belongs to a horizon of time, not {self.clock}: use size.")
            require(self.size is not None, "horizon.size is missing: give it, as in horizon.size=500.")
            require(0 < self.amount <= 1e15, "horizon.size must lie in (0, 1e15].")
            whole = self.clock == "volume" or self.amount == int(self.amount)
            require(whole, "horizon.size must be a whole number of events.")
        duration(self.delay, "horizon.delay")

    @property
    def length_ns(self) -> int | None:
        """How long a horizon of events or volume lasts is not known before."""
        return None if self.length is None else duration(self.length, "horizon.length")

    @property
    def amount(self) -> float:
        """`size` as a number; 0 for a horizon of time."""
        return self.size or 0.0

    @property
    def delay_ns(self) -> int:
        return duration(self.delay, "horizon.delay")

    @property
    def label(self) -> str:
        return self.length or f"{self.amount:g}-{self.clock}"


_NOT_OF_IMPACT = "the same bar, which target=impact explains, has no later"


@dataclass(slots=True)
class Target:
    """What is made of the mid's move: a return in its `unit`, or a direction, which `stop` and `take_profit` in ticks
    make a triple barrier.

    `dead_band` is the share of train rows whose direction counts as none; `look_back` is what the volatility is taken
    over.
    """

    kind: str
    form: str
    unit: str
    look_back: str | None
    dead_band: float
    stop: float | None
    take_profit: float | None

    def __post_init__(self) -> None:
        one_of("target.kind", self.kind, ("forecast", "impact"))
        one_of("target.form", self.form, ("return", "direction"))
        one_of("target.unit", self.unit, ("ticks", "bps", "volatility"))
        direction = self.form == "direction"
        require(not direction or self.unit == "ticks", "target.unit: a direction has no unit; leave it ticks.")
        require(direction or not self.dead_band, "target.dead_band is of a direction: use target=dead_band.")
        require(0 <= self.dead_band < 1, "target.dead_band must lie in [0, 1): the share of train rows within it.")
        require(
            (self.stop is None) == (self.take_profit is None),
            "target.stop and target.take_profit go together: use target=triple_barrier, or leave both null.",
        )
        if self.stop is not None and self.take_profit is not None:
            require(direction, "target.stop and target.take_profit are of a direction: use target=triple_barrier.")
            for key, value in (("stop", self.stop), ("take_profit", self.take_profit)):
                require(0 < value <= 1e6, f"target.{key} must lie in (0, 1e6] ticks.")
            require(not self.dead_band, "target.dead_band: a triple barrier has a band of its own; leave it 0.")
            require(self.kind == "forecast", f"target=triple_barrier looks ahead: {_NOT_OF_IMPACT} moment.")
        if self.unit == "volatility":
            require(self.look_back is not None, "target.unit=volatility needs target.look_back: use target=volatility.")
            require(self.look_back_ns > 0, "target.look_back must be longer than 0.")
            require(self.kind == "forecast", f"target.unit=volatility is per horizon: {_NOT_OF_IMPACT} one.")
        else:
            require(self.look_back is None, "target.look_back belongs to target.unit=volatility: leave it null.")

    @property
    def look_back_ns(self) -> int:
        """0 for none."""
        return 0 if self.look_back is None else duration(self.look_back, "target.look_back")

    @property
    def label(self) -> str:
        """What a study of it is called."""
        if self.stop is not None and self.take_profit is not None:
            return f"triple barrier (+{self.take_profit:g}, -{self.stop:g} ticks)"
        if self.dead_band:
            return f"direction (dead band {self.dead_band:g})"
        if self.unit == "volatility":
            return f"volatility-scaled {self.kind}"
        return "direction" if self.form == "direction" else self.kind
