"""The part of a config on which a session's samples depend."""

from dataclasses import dataclass
from typing import Self

from ofiml.config import ActivityBars, Config, Features, FileDataset, Horizon, Ofi, SyntheticDataset, Target, TimeBars
from ofiml.units import parse_duration


@dataclass(frozen=True, slots=True)
class SampleSettings:
    """The settings of samples. `latency` is that of an order, as text; `decay` are the multiples of the horizon over
    which forecasts are also evaluated.
    """

    dataset: SyntheticDataset | FileDataset
    bars: TimeBars | ActivityBars
    ofi: Ofi
    features: Features
    horizon: Horizon
    target: Target
    latency: str
    decay: list[float]

    @classmethod
    def of(cls, config: Config) -> Self:
        """Select the settings of samples from a config."""
        return cls(
            config.dataset,
            config.bars,
            config.ofi,
            config.features,
            config.horizon,
            config.target,
            config.backtest.latency,
            config.evaluation.decay,
        )

    @property
    def latency_ns(self) -> int:
        """The latency of an order in ns."""
        return parse_duration(self.latency, "backtest.latency")
