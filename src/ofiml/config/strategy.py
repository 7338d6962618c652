"""The config that all strategies share, and the strategies by name."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from ofiml._typing import Entry, Sizing, TaskType
from ofiml.config.bounds import Schema, a_duration, at_least, longer_than_0, positive
from ofiml.config.checks import require
from ofiml.config.folders import FOLDERS
from ofiml.config.registry import Registry, Schemas
from ofiml.units import parse_duration


@dataclass(slots=True)
class Strategy(Schema):
    """The config of a strategy.

    Its rule says when to trade, `sizing` how much, from `lots` (None: `max_position`), and the rest limits the risk.
    `hold` is how long a position is wanted without a new signal; None is the horizon. `loss_limit` is in the account's
    currency and per session.
    """

    GROUP: ClassVar[str] = "strategy"
    SIZINGS: ClassVar[tuple[Sizing, ...]] = ("fixed", "proportional", "volatility")
    ENTRIES: ClassVar[tuple[Entry, ...]] = ("take", "post")

    name: str
    entry: Entry
    sizing: Sizing
    lots: Annotated[int | None, at_least(1)]
    max_position: Annotated[int, at_least(1)]
    hold: Annotated[str | None, longer_than_0]
    stop_ticks: Annotated[int | None, at_least(1)]
    take_profit_ticks: Annotated[int | None, at_least(1)]
    flat_before_close: Annotated[str, a_duration]
    loss_limit: Annotated[float | None, positive()]

    def __post_init__(self) -> None:
        Schema.__post_init__(self)  # super() does not work in slots dataclasses before 3.14
        require(
            self.base_lots <= self.max_position,
            f"strategy.lots={self.lots} exceeds strategy.max_position={self.max_position}: lower it, or raise "
            "max_position.",
        )
        require(
            self.sizing != "proportional" or self.base_lots < self.max_position,
            "strategy.sizing=proportional starts from strategy.lots: set it below strategy.max_position="
            f"{self.max_position}, or use strategy.sizing=fixed.",
        )
        for key, value, choices in (("sizing", self.sizing, self.SIZINGS), ("entry", self.entry, self.ENTRIES)):
            require(
                value in choices,
                f"strategy={self.name} has no strategy.{key}={value}: use strategy.{key}={' or '.join(choices)}.",
            )

    @property
    def base_lots(self) -> int:
        """The lots from which sizing starts."""
        return self.max_position if self.lots is None else self.lots

    @property
    def hold_ns(self) -> int | None:
        """The holding time in ns; None for that of the horizon."""
        return None if self.hold is None else parse_duration(self.hold, "strategy.hold")

    @property
    def flat_before_close_ns(self) -> int:
        return parse_duration(self.flat_before_close, "strategy.flat_before_close")

    @property
    def learns(self) -> bool:
        """Whether the rule learns from train rows. They are read only if it does."""
        return RULES[self.name].fit is not fit_nothing

    @property
    def fits_forecasts(self) -> bool:
        """Whether the rule learns from forecasts of train rows, which then come from models fitted on other rows."""
        return False

    def explain_unused_keys(self) -> dict[str, str]:
        """Map each setting without effect beside the others to the reason and the remedy, as the end of a sentence."""
        return {}

    def forbids(self, task: TaskType) -> bool:
        """Return whether the rule needs forecasts of another `task`."""
        return task not in RULES[self.name].tasks


def fit_nothing(config: Any, train: Any) -> dict[str, float]:
    """Fit a rule that learns nothing."""
    return {}


@dataclass(frozen=True, slots=True)
class Rule:
    """The record of a strategy in its file.

    Parameters
    ----------
    config
        The schema of its YAML.
    decide
        `decide(config, bars, fitted)` gives the `Signals` or the `Quotes` of the bars of one session
        (`strategy.signals`), from `bars` (`strategy.bars`) and the numbers that `fit` returned. What it gives for a bar
        may depend on that bar and earlier ones.
    fit
        `fit(config, train)` learns numbers by name from the train rows of one fold and symbol.
    tasks
        The tasks whose forecasts it can trade on.
    """

    config: type[Strategy]
    decide: Callable[[Any, Any, Mapping[str, float]], Any]
    fit: Callable[[Any, Any], Mapping[str, float]] = fit_nothing
    tasks: tuple[TaskType, ...] = ("regression", "classification")


RULES: Registry[Rule] = Registry(FOLDERS["strategy"], Rule)

#: The schema of each strategy by name, from its file in `ofiml.strategy.rules` or from an installed package.
STRATEGIES: Schemas[Strategy] = Schemas(RULES)


def list_strategies(task: TaskType) -> list[str]:
    """List the strategies that trade on forecasts of a `task`."""
    return [name for name, rule in RULES.load_all().items() if task in rule.tasks]
