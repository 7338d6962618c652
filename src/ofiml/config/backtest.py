"""The schema of the backtest."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

from ofiml.config.bounds import Schema, a_duration, at_least, not_negative
from ofiml.units import parse_duration


@dataclass(slots=True)
class Backtest(Schema):
    """The costs and the latency of the backtest.

    Orders are filled one `latency` after the bar's close. They pay `fee_per_unit`, in currency, and `fee_bps` of the
    traded value, size times |price|.
    """

    GROUP: ClassVar[str] = "backtest"

    enabled: bool
    latency: Annotated[str, a_duration]
    fee_per_unit: Annotated[float, not_negative()]
    fee_bps: Annotated[float, not_negative()]
    days_per_year: Annotated[int, at_least(1)]

    @property
    def latency_ns(self) -> int:
        return parse_duration(self.latency, "backtest.latency")
