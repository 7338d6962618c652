"""The schemas of bars."""

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from ofiml._typing import Activity, Per
from ofiml.config.bounds import Schema, longer_than_0, positive
from ofiml.units import parse_duration


@dataclass(slots=True)
class TimeBars(Schema):
    """Bars of equal length `step`."""

    GROUP: ClassVar[str] = "bars"

    name: Literal["time"]
    step: Annotated[str, longer_than_0]
    per: Per

    @property
    def step_ns(self) -> int:
        """The length of a bar in ns."""
        return parse_duration(self.step, "bars.step")

    @property
    def label(self) -> str:
        """The name of the bars in titles, such as `10s`."""
        return self.step


@dataclass(slots=True)
class ActivityBars(Schema):
    """Bars that close after an activity of `size`, in units traded, currency traded, trades or events."""

    GROUP: ClassVar[str] = "bars"

    name: Activity
    size: Annotated[float, positive(at_most=1e18)]
    per: Per

    @property
    def step_ns(self) -> int | None:
        """None: the length of a bar is not known in advance."""
        return None

    @property
    def label(self) -> str:
        """The name of the bars in titles, such as `5000-volume`."""
        return f"{self.size:g}-{self.name}"
