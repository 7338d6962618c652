"""What every model's config has, the ranges over which it is tuned, and the models by name."""

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar

from ofiml._typing import TaskType
from ofiml.config.bounds import Schema, type_without_bounds
from ofiml.config.checks import require
from ofiml.config.registry import Registry, Schemas


@dataclass(slots=True)
class Range:
    """A range to tune over, bounds included."""

    low: float
    high: float
    log: bool = False


@dataclass(slots=True)
class Model(Schema):
    GROUP: ClassVar[str] = "model"

    name: str
    space: dict[str, Range]

    def __post_init__(self) -> None:
        Schema.__post_init__(self)  # super() does not work in slots dataclasses before 3.14
        types = self.numbers()
        for key, r in self.space.items():
            require(key in types, f"model.space.{key} is not a numeric parameter of model {self.name}.")
            require(r.low <= r.high, f"model.space.{key}: low must not exceed high.")
            require(not r.log or r.low > 0, f"model.space.{key}: a log range needs low > 0.")
            whole = r.low == int(r.low) and r.high == int(r.high)
            require(types[key] is float or whole, f"model.space.{key}: low and high must be integers.")
            for end in (r.low, r.high):  # what the model itself refuses is no range to search
                value = int(end) if types[key] is int else end
                type(self)(**{f.name: getattr(self, f.name) for f in fields(self)} | {"space": {}, key: value})

    def numbers(self) -> dict[str, type]:
        """Map each numeric field, which may be tuned, to int or float."""
        return {f.name: kind for f in fields(self) if (kind := type_without_bounds(f)) in (int, float)}

    def with_params(self, values: dict[str, Any]) -> "Model":
        """Copy the model with other numeric parameters. Raises ConfigError for an unknown or invalid one."""
        types = self.numbers()
        for key, value in values.items():
            require(key in types, f"tuning.best_params: {key} is not a numeric parameter of model {self.name}.")
            number = isinstance(value, int | float) and not isinstance(value, bool)
            fits = number and (types[key] is float or value == int(value))
            kind = "a number" if types[key] is float else "an integer"
            require(fits, f"tuning.best_params: {key}={value} is not {kind}.")
        numbers: dict[str, Any] = {k: int(v) if types[k] is int else float(v) for k, v in values.items()}
        return replace(self, **numbers)

    @property
    def of_quantile(self) -> float | None:
        """Which quantile of the label is forecast; None for its expectation."""
        return None

    def without_effect(self) -> dict[str, str]:
        """By setting, why it changes nothing beside the others and what to do, to end a sentence."""
        return {}

    def forbids(self, task: TaskType) -> str | None:
        """The setting that keeps the model from a `task`, with its verb; None where it does it."""
        return None if task in MODELS.kind(self.name).tasks else f"model={self.name} is"


@dataclass(frozen=True, slots=True)
class Kind:
    """What a file of `ofiml.models` offers: the schema of its config, the tasks that it does, and `build(config,
    task)`, which makes an unfitted model for one (`models.base`).
    """

    config: type[Model]
    tasks: tuple[TaskType, ...]
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

    def of(self, task: TaskType) -> list[str]:
        """List the models that do a `task`."""
        return [name for name, kind in KINDS.loadable().items() if task in kind.tasks and name != "zero"]


MODELS = Models(lambda: KINDS)
