"""The part of a config on which a session's samples depend."""

from dataclasses import dataclass
from typing import Self

from ofiml.config import ActivityBars, Config, Features, FileDataset, Horizon, Ofi, SyntheticDataset, Target, TimeBars
from ofiml.units import parse_duration

#: What an impact is measured beside, whatever the model reads.
IMPACT_FEATURES = ("depth_best", "buy_volume", "sell_volume")


@dataclass(frozen=True, slots=True)
class SampleSettings:
    """The settings of samples. `latency` is that of an order, as text; `decay` are the multiples of the horizon over
    which forecasts are also evaluated. `trades` says that a backtest will read the tapes of the sessions.
    """

    dataset: SyntheticDataset | FileDataset
    bars: TimeBars | ActivityBars
    ofi: Ofi
    features: Features
    horizon: Horizon
    target: Target
    latency: str
    decay: list[float]
    trades: bool = False

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
            trades=config.backtest.enabled and config.target.kind == "forecast",
        )

    @property
    def latency_ns(self) -> int:
        """The latency of an order in ns."""
        return parse_duration(self.latency, "backtest.latency")

    def list_features(self) -> list[str]:
        """List the features that the samples hold: those of the model, and for an impact those beside it."""
        beside = IMPACT_FEATURES if self.target.kind == "impact" else ()
        return list(dict.fromkeys((*self.features.columns, *beside)))
