"""A blend: the weighted mean of several models, with equal weights or weights fitted on validation rows."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ofiml._typing import BlendWeights, Float, TaskType
from ofiml.atomic import write_text_atomically
from ofiml.config import MODELS, Kind
from ofiml.config import Model as ModelConfig
from ofiml.config.checks import require
from ofiml.config.load import parse_group
from ofiml.errors import ConfigError, DataError, locate_error
from ofiml.models.base import Model, Task, parse_finite, read_json
from ofiml.models.registry import build_model
from ofiml.splits.inner import Inner

_FOLDS, _FIRST_TRAIN = 3, 0.4
_MAX_MEMBERS = 20
_LABEL = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,39}", re.ASCII)
_MAX_WEIGHT = 1e6  # bound for weights read from a file


@dataclass(slots=True)
class BlendModel(ModelConfig):
    """The schema of a blend. `members` are the configs of other models, as mappings or typed, under names that the user
    chooses. They are not tuned, so they have no space.
    """

    how: BlendWeights
    members: dict[str, Any]

    def __post_init__(self) -> None:
        ModelConfig.__post_init__(self)
        require(2 <= len(self.members) <= _MAX_MEMBERS, f"model.members must be 2 to {_MAX_MEMBERS} models.")
        self.members = {key: _parse_member(key, node) for key, node in self.members.items()}
        quantiles = {member.of_quantile for member in self.members.values()}
        require(
            len(quantiles) == 1,
            "model.members mixes a quantile with an expectation or with another quantile: use members of one "
            "quantile, or of none.",
        )
        require(
            quantiles == {None} or self.how == "mean",
            "model.how=stack minimises squared error, which does not fit quantiles: use model.how=mean.",
        )

    @property
    def of_quantile(self) -> float | None:
        return next(iter(self.members.values())).of_quantile

    def explain_unused_keys(self) -> dict[str, str]:
        inert = {f"members.{name}.space": "members of a blend are not tuned; leave it out" for name in self.members}
        for name, member in self.members.items():
            inert |= {f"members.{name}.{key}": why for key, why in member.explain_unused_keys().items()}
        return inert

    def forbids(self, task: TaskType) -> str | None:
        reasons = ((key, member.forbids(task)) for key, member in self.members.items())
        return next((f"model.members.{key}: {reason}" for key, reason in reasons if reason is not None), None)


def _parse_member(key: str, node: Any) -> ModelConfig:
    path = f"model.members.{key}"
    require(
        _LABEL.fullmatch(key) is not None, f"{path}: a member name is a letter, then up to 39 letters, digits or _."
    )
    if isinstance(node, ModelConfig):
        return node
    require(
        not (isinstance(node, dict) and node.get("name") == "blend"), f"{path}: a blend cannot be a member of a blend."
    )
    try:
        member: ModelConfig = parse_group(path, MODELS, node)
    except ConfigError as error:
        raise ConfigError(str(error) if path in str(error) else f"{path}: {error}") from error
    return replace(member, space={})


class Blend:
    """A weighted sum of the predictions of m members, with weights w >= 0.

    The weights are all 1/m, or stacked: least squares on the members' predictions for purged walk-forward folds inside
    the train rows (Breiman 1996). For a direction w sums to 1, so that the sum is a probability. All members are then
    fitted on all train rows.
    """

    def __init__(self, config: BlendModel, task: Task) -> None:
        self.how, self.direction = config.how, task.type == "classification"
        self._make: Callable[[], list[Model]] = lambda: [
            build_model(m, task=task.type, seed=task.seed, features=task.features) for m in config.members.values()
        ]
        self.members = self._make()
        self.weights: Float = np.full(len(self.members), 1.0 / len(self.members))

    def fit(self, x: Float, y: Float, inner: Inner) -> "Blend":
        if self.how == "stack":
            self.weights = self._fit_weights(x, y, inner)
        self.members = [member.fit(x, y, inner) for member in self._make()]
        return self

    def _fit_weights(self, x: Float, y: Float, inner: Inner) -> Float:
        predictions, labels = [], []
        key = "model.how=stack"
        for fold in inner.folds(_FOLDS, first_train=_FIRST_TRAIN, key=key, remedy="model.how=mean"):
            train = x[fold.train], y[fold.train], inner.take(fold.train)
            with locate_error(f"inner fold {fold.index} of {key}"):
                predictions.append(np.column_stack([m.fit(*train).predict(x[fold.test]) for m in self._make()]))
            labels.append(y[fold.test])
        return fit_blend_weights(np.concatenate(predictions), np.concatenate(labels), sum_to_one=self.direction)

    def predict(self, x: Float) -> Float:
        return self._sum([member.predict(x) for member in self.members])

    def probabilities(self, x: Float) -> Float | None:
        parts = [p for member in self.members if (p := member.probabilities(x)) is not None]
        return self._sum(parts) if parts else None

    def contributions(self, x: Float) -> Float:
        """Compute the weighted sum of the members' SHAP values, in the unit of a return or a direction's log-odds."""
        return self._sum([member.contributions(x) for member in self.members])

    def _sum(self, parts: list[Float]) -> Float:
        # Members are added in sequence, so that one row gets the same bits as many.
        total = self.weights[0] * parts[0]
        for weight, part in zip(self.weights[1:], parts[1:], strict=True):
            total = total + weight * part
        return total

    def save(self, stem: Path) -> None:
        write_text_atomically(stem.with_suffix(".json"), json.dumps({"weights": self.weights.tolist()}, indent=1))
        for i, member in enumerate(self.members):
            member.save(_name_member_file(stem, i))

    def load(self, stem: Path, width: int) -> "Blend":
        path = stem.with_suffix(".json")
        weights = parse_finite(read_json(path, "blend", {"weights"})["weights"], path, "blend")
        normalised = not self.direction or abs(weights.sum() - 1) < 1e-9
        if len(weights) != len(self.members) or (weights < 0).any() or weights.max() > _MAX_WEIGHT or not normalised:
            raise DataError(f"{path.name} does not match the blend of the run's config: restore the logged file.")
        self.weights = weights
        self.members = [member.load(_name_member_file(stem, i), width) for i, member in enumerate(self._make())]
        return self

    def native(self) -> Any:
        return None


def fit_blend_weights(predictions: Float, y: Float, *, sum_to_one: bool) -> Float:
    """Fit weights w (m,), none below 0, that minimise Σ(y - P·w)² over `predictions` P (n, m) and y (n,).

    All are 0 if no prediction helps. With `sum_to_one`, w is the minimum among weights that sum to 1.
    """
    from scipy.optimize import nnls

    if not sum_to_one:
        weights: Float = nnls(predictions, y)[0]
        return weights
    # If w sums to 1, y - P·w = R·w with R = y - P. Write w = s·v, where v sums to 1. The minimum over s of
    # |R·w|² + (Σw - 1)² is |R·v|²/(1 + |R·v|²), which increases in |R·v|². So the unconstrained minimum gives v.
    residuals = np.vstack([y[:, None] - predictions, np.ones(predictions.shape[1])])
    weights = nnls(residuals, np.append(np.zeros(len(y)), 1.0))[0]
    return weights / weights.sum()


def _name_member_file(stem: Path, member: int) -> Path:
    return stem.with_name(f"{stem.name}_{member:02d}")


def build(config: BlendModel, task: Task) -> Blend:
    """Build the unfitted model of `config`."""
    return Blend(config, task)


MODEL = Kind(BlendModel, ("regression", "classification"), build)
