"""The schemas of the horizon and the label."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

from ofiml._typing import Clock, Form, TargetKind, TaskType, Unit
from ofiml.config.bounds import Schema, a_duration, longer_than_0, within
from ofiml.config.checks import require
from ofiml.units import parse_duration


@dataclass(slots=True)
class Horizon(Schema):
    """The horizon on its `clock`: a `length` of time, or a `size` in book events or units traded.

    It starts one decision `delay` after the bar's close.
    """

    GROUP: ClassVar[str] = "horizon"

    clock: Clock
    length: Annotated[str | None, longer_than_0]
    size: Annotated[float | None, within("(0, 1e15]")]
    delay: Annotated[str, a_duration]

    def __post_init__(self) -> None:
        Schema.__post_init__(self)
        if self.clock == "time":
            require(self.size is None, "horizon.size belongs to horizon=events and horizon=volume: leave it null.")
            require(self.length is not None, "horizon.length is missing: give it, as in horizon.length=10s.")
        else:
            require(self.length is None, f"horizon.length belongs to a horizon of time, not {self.clock}: use size.")
            require(self.size is not None, "horizon.size is missing: give it, as in horizon.size=500.")
            whole = self.clock == "volume" or self.amount == int(self.amount)
            require(whole, "horizon.size must be a whole number of events.")

    @property
    def length_ns(self) -> int | None:
        """The length in ns; None for a horizon of events or volume, whose length is not known in advance."""
        return None if self.length is None else parse_duration(self.length, "horizon.length")

    @property
    def amount(self) -> float:
        """`size`, or 0 for a horizon of time."""
        return self.size or 0.0

    @property
    def delay_ns(self) -> int:
        """The decision delay in ns."""
        return parse_duration(self.delay, "horizon.delay")

    @property
    def label(self) -> str:
        """The name of the horizon in titles, such as `10s` or `500-events`."""
        return self.length or f"{self.amount:g}-{self.clock}"


_NEEDS_FORECAST = "needs target.kind=forecast: an impact has no horizon."


@dataclass(slots=True)
class Target(Schema):
    """The label: the return of the mid in `unit`, its direction, or the first of two barriers that it touches.

    The barriers lie `stop` ticks below and `take_profit` ticks above. `dead_band` is the share of train rows whose move
    counts as no direction. `look_back` is the window of the volatility.
    """

    GROUP: ClassVar[str] = "target"

    kind: TargetKind
    form: Form
    unit: Unit
    look_back: Annotated[str | None, longer_than_0]
    dead_band: Annotated[float, within("[0, 1)", ": the share of train rows within it")]
    stop: Annotated[float | None, within("(0, 1e6]", " ticks")]
    take_profit: Annotated[float | None, within("(0, 1e6]", " ticks")]

    def __post_init__(self) -> None:
        Schema.__post_init__(self)
        n_missing = [self.stop, self.take_profit].count(None)
        if self.form == "triple_barrier":
            require(
                n_missing == 0, "A triple barrier needs target.stop and target.take_profit: use target=triple_barrier."
            )
            require(not self.dead_band, "target.dead_band must be 0 for a triple barrier: its barriers are the band.")
            require(self.kind == "forecast", f"target=triple_barrier {_NEEDS_FORECAST}")
        else:
            require(
                n_missing == 2,
                "target.stop and target.take_profit belong to a triple barrier: use target=triple_barrier, or leave "
                "both null.",
            )
        if self.task == "classification":
            require(self.unit == "ticks", "target.unit: a direction has no unit; use target.unit=ticks.")
        require(
            self.form == "direction" or not self.dead_band,
            "target.dead_band belongs to a direction: use target=dead_band.",
        )
        if self.unit == "volatility":
            require(self.look_back is not None, "target.unit=volatility needs target.look_back: use target=volatility.")
            require(self.kind == "forecast", f"target.unit=volatility {_NEEDS_FORECAST}")
        else:
            require(self.look_back is None, "target.look_back belongs to target.unit=volatility: leave it null.")

    @property
    def task(self) -> TaskType:
        """Regression for a return; classification for the other forms, whose labels are -1, 0 and 1."""
        return "regression" if self.form == "return" else "classification"

    @property
    def barriers(self) -> tuple[float, float]:
        """(stop, take_profit) of a triple barrier, in ticks. Raises ValueError for another form."""
        if self.stop is None or self.take_profit is None:
            raise ValueError(f"a target of form {self.form} has no barriers")
        return self.stop, self.take_profit

    @property
    def look_back_ns(self) -> int:
        """The window of the volatility in ns; 0 without one."""
        return 0 if self.look_back is None else parse_duration(self.look_back, "target.look_back")

    @property
    def label(self) -> str:
        """The name of the target in the title of a study."""
        if self.form == "triple_barrier":
            stop, take_profit = self.barriers
            return f"triple barrier (+{take_profit:g}, -{stop:g} ticks)"
        if self.dead_band:
            return f"direction (dead band {self.dead_band:g})"
        if self.unit == "volatility":
            return f"volatility-scaled {self.kind}"
        return "direction" if self.form == "direction" else self.kind
