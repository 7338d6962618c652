"""The config that all models share, the ranges over which they are tuned, and the models by name."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar, cast

from ofiml._typing import TaskType
from ofiml.config.bounds import Schema, strip_bounds
from ofiml.config.checks import require
from ofiml.config.folders import FOLDERS
from ofiml.config.registry import Registry, Schemas


@dataclass(slots=True)
class Range:
    """A range to tune over, both ends included; `log` samples it on a log scale."""

    low: float
    high: float
    log: bool = False


@dataclass(slots=True)
class Model(Schema):
    """The config of a model; `space` has the range of each tuned parameter."""

    GROUP: ClassVar[str] = "model"

    name: str
    space: dict[str, Range]

    def __post_init__(self) -> None:
        Schema.__post_init__(self)  # super() does not work in slots dataclasses before 3.14
        types = self.list_numeric_fields()
        for key, r in self.space.items():
            require(key in types, f"model.space.{key} is not a numeric parameter of model {self.name}.")
            require(r.low <= r.high, f"model.space.{key}: low must not exceed high.")
            require(not r.log or r.low > 0, f"model.space.{key}: a log range needs low > 0.")
            whole = r.low == int(r.low) and r.high == int(r.high)
            require(types[key] is float or whole, f"model.space.{key}: low and high must be integers.")
            for end in (r.low, r.high):  # the model's own checks apply to both ends
                value = int(end) if types[key] is int else end
                type(self)(**{f.name: getattr(self, f.name) for f in fields(self)} | {"space": {}, key: value})

    def list_numeric_fields(self) -> dict[str, type]:
        """Map each numeric field, which tuning may search, to int or float."""
        return {f.name: kind for f in fields(self) if (kind := strip_bounds(f)) in (int, float)}

    def with_params(self, values: Mapping[str, int | float]) -> "Model":
        """Copy the model with other numeric parameters. Raises ConfigError for an unknown or invalid one."""
        types = self.list_numeric_fields()
        for key, value in values.items():
            require(key in types, f"tuning.best_params: {key} is not a numeric parameter of model {self.name}.")
            is_number = isinstance(value, int | float) and not isinstance(value, bool)
            fits = is_number and (types[key] is float or value == int(value))
            kind = "a number" if types[key] is float else "an integer"
            require(fits, f"tuning.best_params: {key}={value} is not {kind}.")
        numbers = {k: int(v) if types[k] is int else float(v) for k, v in values.items()}
        return replace(self, **cast(Any, numbers))  # mypy does not know the fields of the model's own schema

    @property
    def of_quantile(self) -> float | None:
        """The quantile of the label that is forecast; None if it is the expectation."""
        return None

    def explain_unused_keys(self) -> dict[str, str]:
        """Map each setting without effect beside the others to the reason and the remedy, as the end of a sentence."""
        return {}

    def forbids(self, task: TaskType) -> str | None:
        """Return the setting that rules out a `task`, with its verb (`model=ols is`), or None."""
        return None if task in MODELS.kind(self.name).tasks else f"model={self.name} is"


@dataclass(frozen=True, slots=True)
class Kind:
    """The record of a model in its file: the schema of its config, its tasks, and `build(config, task)`.

    `build` makes an unfitted model for one task (`models.base`).
    """

    config: type[Model]
    tasks: tuple[TaskType, ...]
    build: Callable[[Any, Any], Any]


KINDS: Registry[Kind] = Registry(FOLDERS["model"], Kind)


class Models(Schemas[Model]):
    """The schema of each model by name, from its file in `ofiml.models` or from an installed package."""

    def kind(self, name: str) -> Kind:
        """Look up the record of a model.

        Raises KeyError for an unknown name, and ConfigError for an installed model that cannot be loaded.
        """
        return KINDS[name]

    def of(self, task: TaskType) -> list[str]:
        """List the models for a `task`, without `zero`."""
        return [name for name, kind in KINDS.load_all().items() if task in kind.tasks and name != "zero"]


MODELS = Models(KINDS)
