"""The schema of the backtest."""

from dataclasses import dataclass, field
from typing import Annotated, ClassVar

from ofiml._typing import QueueName, Remainder
from ofiml.config.bounds import Schema, a_duration, at_least, between, each, each_once, not_negative, positive, within
from ofiml.config.checks import require, require_one_of
from ofiml.units import parse_duration

_SHARE = within("(0, 1]", ": a share")


@dataclass(slots=True)
class Backtest(Schema):
    """How orders reach the market and are filled, and what is reported. Fees are those of the instrument.

    A decision reaches the market after `latency`, and its fate is known after `response`. `latency_jitter` draws
    latencies around it and `latency_table` reads recorded ones. Messages are known `feed_latency` after their receipt,
    and `feed_jitter` draws these times. `latency_curve` and `sizes` trade the same decisions
    with other latencies and sizes.
    """

    GROUP: ClassVar[str] = "backtest"
    QUEUES: ClassVar[tuple[QueueName, ...]] = ("auto", "exact", "proportional", "power", "pessimistic")

    enabled: bool
    latency: Annotated[str, a_duration]
    # Runs from before these keys were logged without them; the values are those of conf/backtest/book.yaml.
    latency_jitter: Annotated[float, between(0, 5)] = field(default=0.0, kw_only=True)
    latency_table: str | None = field(default=None, kw_only=True)
    response: Annotated[str, a_duration] = field(default="0s", kw_only=True)
    feed_latency: Annotated[str, a_duration] = field(default="0s", kw_only=True)
    feed_jitter: Annotated[float, between(0, 5)] = field(default=0.0, kw_only=True)
    remainder: Remainder = field(default="cancel", kw_only=True)
    queue: QueueName = field(default="auto", kw_only=True)
    queue_power: Annotated[float, positive(at_most=100)] = field(default=2.0, kw_only=True)
    share_of_shown: Annotated[float, _SHARE] = field(default=1.0, kw_only=True)
    share_of_traded: Annotated[float, _SHARE] = field(default=1.0, kw_only=True)
    latency_curve: Annotated[list[str], each(a_duration), each_once("one")] = field(
        default_factory=lambda: ["0ms", "1ms", "5ms", "20ms", "50ms", "100ms", "500ms"], kw_only=True
    )
    sizes: Annotated[list[float], each(within("(0, 1000]", ": multiples of the study's")), each_once("one")] = field(
        default_factory=lambda: [0.5, 1.0, 2.0, 5.0, 10.0], kw_only=True
    )
    markouts: Annotated[list[str], each(a_duration), each_once("one")] = field(
        default_factory=lambda: ["1s", "10s", "60s"], kw_only=True
    )
    financing_rate: Annotated[float, not_negative()] = field(default=0.0, kw_only=True)
    min_round_trips: Annotated[int, at_least(1)] = field(default=30, kw_only=True)

    def __post_init__(self) -> None:
        Schema.__post_init__(self)
        require_one_of("backtest.queue", self.queue, self.QUEUES)
        require_one_of("backtest.remainder", self.remainder, ("cancel", "rest"))
        require(
            self.latency_table is None or not self.latency_jitter,
            "backtest.latency_table has recorded latencies, so backtest.latency_jitter has no effect: leave one out.",
        )
        require(
            not self.feed_jitter or self.feed_latency_ns > 0,
            "backtest.feed_jitter draws around backtest.feed_latency, which is 0: set it, or leave feed_jitter out.",
        )

    @property
    def feed_latency_ns(self) -> int:
        return parse_duration(self.feed_latency, "backtest.feed_latency")

    @property
    def latency_ns(self) -> int:
        return parse_duration(self.latency, "backtest.latency")

    @property
    def response_ns(self) -> int:
        return parse_duration(self.response, "backtest.response")
