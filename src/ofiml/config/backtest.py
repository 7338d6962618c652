"""The schema of the backtest."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

from ofiml.config.bounds import Schema, a_duration, at_least, not_negative
from ofiml.units import parse_duration


@dataclass(slots=True)
class Backtest(Schema):
    """The limits of the backtest. Orders are filled one `latency` after the bar's close, and pay the fees of their
    instrument (`dataset.instruments`).
    """

    GROUP: ClassVar[str] = "backtest"

    enabled: bool
    latency: Annotated[str, a_duration]

    @property
    def latency_ns(self) -> int:
        return parse_duration(self.latency, "backtest.latency")
