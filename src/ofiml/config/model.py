"""Models and the ranges over which they are tuned."""

from dataclasses import dataclass, fields, replace
from typing import Any

from ofiml.config.checks import require


@dataclass(slots=True)
class Range:
    """A range to tune over, bounds included."""

    low: float
    high: float
    log: bool = False


@dataclass(slots=True)
class Model:
    name: str
    space: dict[str, Range]

    def __post_init__(self) -> None:
        types = {f.name: f.type for f in fields(self) if f.type in (int, float)}
        for key, r in self.space.items():
            require(key in types, f"model.space.{key} is not a number of model {self.name}.")
            require(r.low <= r.high, f"model.space.{key}: low must not exceed high.")
            require(not r.log or r.low > 0, f"model.space.{key}: a log range needs low > 0.")
            whole = r.low == int(r.low) and r.high == int(r.high)
            require(types[key] is float or whole, f"model.space.{key}: {key} is an integer, so low and high must be.")
            for end in (r.low, r.high):  # what the model itself refuses is no range to search
                value = int(end) if types[key] is int else end
                type(self)(**{f.name: getattr(self, f.name) for f in fields(self)} | {"space": {}, key: value})

    def having(self, values: dict[str, float]) -> "Model":
        """The same model with other numbers. Raises ConfigError for what is none of its own, or what it refuses."""
        types = {f.name: f.type for f in fields(self) if f.type in (int, float)}
        for key, value in values.items():
            require(key in types, f"tuning.chosen: {key} is not a number of model {self.name}.")
            require(types[key] is float or value == int(value), f"tuning.chosen: {key}={value} is not an integer.")
        numbers: dict[str, Any] = {k: int(v) if types[k] is int else v for k, v in values.items()}
        return replace(self, **numbers)


@dataclass(slots=True)
class RidgeModel(Model):
    alpha: float

    def __post_init__(self) -> None:
        Model.__post_init__(self)
        require(self.alpha >= 0, "model.alpha must not be negative.")


@dataclass(slots=True)
class LogisticModel(Model):
    c: float

    def __post_init__(self) -> None:
        Model.__post_init__(self)
        require(self.c > 0, "model.c must be positive.")


@dataclass(slots=True)
class LgbmModel(Model):
    n_estimators: int
    learning_rate: float
    num_leaves: int
    min_child_samples: int
    reg_lambda: float
    feature_fraction: float
    bagging_fraction: float

    def __post_init__(self) -> None:
        Model.__post_init__(self)
        require(self.n_estimators >= 1, "model.n_estimators must be at least 1.")
        require(2 <= self.num_leaves <= 131_072, "model.num_leaves must lie between 2 and 131072.")
        require(self.min_child_samples >= 0, "model.min_child_samples must not be negative.")
        require(self.reg_lambda >= 0, "model.reg_lambda must not be negative.")
        require(0 < self.learning_rate <= 10, "model.learning_rate must lie in (0, 10].")
        require(0 < self.feature_fraction <= 1, "model.feature_fraction must lie in (0, 1].")
        require(0 < self.bagging_fraction <= 1, "model.bagging_fraction must lie in (0, 1].")
