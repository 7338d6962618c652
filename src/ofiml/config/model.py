"""What every model's config has, the ranges over which it is tuned, and the models by name."""

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any

from ofiml.config.checks import require
from ofiml.config.registry import Registry, Schemas


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

    def having(self, values: dict[str, Any]) -> "Model":
        """The same model with other numbers. Raises ConfigError for what is none of its own, or what it refuses."""
        types = {f.name: f.type for f in fields(self) if f.type in (int, float)}
        for key, value in values.items():
            require(key in types, f"tuning.chosen: {key} is not a number of model {self.name}.")
            number = isinstance(value, int | float) and not isinstance(value, bool)
            fits = number and (types[key] is float or value == int(value))
            require(fits, f"tuning.chosen: {key}={value} is not {'a number' if types[key] is float else 'an integer'}.")
        numbers: dict[str, Any] = {k: int(v) if types[k] is int else float(v) for k, v in values.items()}
        return replace(self, **numbers)

    @property
    def of_quantile(self) -> float | None:
        """Which quantile of the label is forecast; None for its expectation."""
        return None

    def forbids(self, form: str) -> str | None:
        """The setting that keeps the model from a label of `form`, with its verb; None where it takes one."""
        return None if form in MODELS.kind(self.name).forms else f"model={self.name} is"


@dataclass(frozen=True, slots=True)
class Kind:
    """What a file of `ofiml.models` offers: the schema of its config, the forms of label that it takes (return,
    direction), and `build(config, task)`, which makes an unfitted model of one (`models.base`).
    """

    config: type[Model]
    forms: tuple[str, ...]
    build: Callable[[Any, Any], Any]


KINDS: Registry[Kind] = Registry("model", "ofiml.models", "MODEL", "ofiml.models", Kind)


class Models(Schemas[Model]):
    """The schema of each model by its name: that of its file in `ofiml.models`, or the one that an installed package
    declares.
    """

    def kind(self, name: str) -> Kind:
        """Look up all that the model of that name offers. Raises KeyError for a name that is no model's, and
        ConfigError for an installed one that cannot be loaded.
        """
        return KINDS[name]

    def of(self, form: str) -> list[str]:
        """List the models that learn a label of `form`."""
        return [name for name, kind in KINDS.loadable().items() if form in kind.forms and name != "zero"]


MODELS = Models(lambda: KINDS)
