"""The reduction over levels and the model on top of it, fitted together on one fold's train rows."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from ofiml._typing import Float, TaskType
from ofiml.atomic import write_text_atomically
from ofiml.config import Model as ModelConfig
from ofiml.config import Ofi
from ofiml.errors import DataError
from ofiml.models.base import Model
from ofiml.models.linear import Linear
from ofiml.models.registry import build_model
from ofiml.ofi.reduce import GroupedReducer, Reducer, build_reducer
from ofiml.splits.inner import Inner


class Pipeline:
    """A reduction of flow and a model. The model's features are the reduced flow, then the other columns unchanged."""

    def __init__(self, ofi: Ofi, model: ModelConfig, *, task: TaskType, seed: int, columns: list[str]) -> None:
        self.ofi, self.columns = ofi, columns
        self.config, self.task, self.seed = model, task, seed
        self.reducer: Reducer
        self.model: Model

    @property
    def feature_names(self) -> list[str]:
        """The names of the model's features, in the order of their columns. Known after `fit` or `load`."""
        return [*self.reducer.columns, *self.columns]

    def fit(self, flow: Float, others: Float, y: Float, inner: Inner, *, in_place: bool = False) -> "Pipeline":
        """Fit on flow (n, levels), other features (n, k) and labels (n,) of the rows that `inner` describes. With
        `in_place` the flow is not needed afterwards: the model may use its memory, and its values are lost.
        """
        self._build_parts(flow.shape[1])
        self.reducer.fit(flow, y)
        x = self.build_features(flow, others)
        if isinstance(self.model, Linear) and (in_place or not np.may_share_memory(x, flow)):
            self.model.fit_in_place(x, y)
        else:
            self.model.fit(x, y, inner)
        return self

    def fit_each(self, flow: Float, others: Float, labels: Sequence[Float], inner: Inner) -> "list[Pipeline | None]":
        """Fit a pipeline like this one to each of several `labels` (n,) of the same rows; None where they cannot be
        learned from. Each equals that of `fit`, to the bit; what does not depend on the labels is done once. The values
        of the flow are lost, as with `in_place`.
        """
        pipelines = [
            Pipeline(self.ofi, self.config, task=self.task, seed=self.seed, columns=self.columns) for _ in labels
        ]
        for pipeline in pipelines:
            pipeline._build_parts(flow.shape[1])
        first = pipelines[0]
        if isinstance(first.model, Linear) and not (first.model.classify or first.reducer.fitted):
            x = first.build_features(flow, others)
            del flow, others  # rows that were selected for this call need not outlive it
            models = first.model.fit_each(x, labels)
            for pipeline, model in zip(pipelines, models, strict=True):
                pipeline.model = model
            return list(pipelines)
        fitted: list[Pipeline | None] = []
        for pipeline, y in zip(pipelines, labels, strict=True):
            try:
                fitted.append(pipeline.fit(flow, others, y, inner))
            except DataError:
                fitted.append(None)
        return fitted

    def _build_parts(self, flow_width: int) -> None:
        """Build the unfitted reduction, then the model, which may need the names of its features."""
        self.reducer = build_reducer(self.ofi, flow_width)
        self.model = build_model(self.config, task=self.task, seed=self.seed, features=self.feature_names)

    def predict(self, flow: Float, others: Float) -> Float:
        """Predict the label (n,) from flow (n, levels) and other features (n, k), as `models.base.Model` does."""
        return self.model.predict(self.build_features(flow, others))

    def probabilities(self, flow: Float, others: Float) -> Float | None:
        """Compute P(down), P(flat), P(up), (n, 3), of a direction; None for a return."""
        return self.model.probabilities(self.build_features(flow, others))

    def contributions(self, flow: Float, others: Float) -> Float:
        """Compute SHAP values (n, len(feature_names)) of the raw score, relative to the train rows."""
        return self.model.contributions(self.build_features(flow, others))

    def save(self, stem: Path) -> None:
        """Write the model and the weights of the reduction, in two files."""
        parts = self.reducer.reducers if isinstance(self.reducer, GroupedReducer) else [self.reducer]
        weights = [None if r.weights is None else r.weights.tolist() for r in parts]
        content = {"ofi": asdict(self.ofi), "weights": weights, "features": self.feature_names}
        write_text_atomically(stem.with_name(stem.name + "_features.json"), json.dumps(content, indent=1))
        self.model.save(stem)

    def load(self, stem: Path, flow_width: int) -> "Pipeline":
        """Read the files of `save`, for flow of `flow_width` columns. Raises DataError for any other content."""
        path = stem.with_name(stem.name + "_features.json")
        self._build_parts(flow_width)
        parts = self.reducer.reducers if isinstance(self.reducer, GroupedReducer) else [self.reducer]
        try:
            content = json.loads(path.read_text())
            names, weights = content["features"], content["weights"]
            for part, values in zip(parts, weights, strict=True):
                if part.fitted:
                    part.weights = np.array(values, np.float64)
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise DataError(
                f"{path.name} is not a feature list written by a study: restore the logged file."
            ) from error
        levels = flow_width // len(parts)
        if names != self.feature_names or any(
            p.fitted and (p.weights is None or p.weights.shape != (levels,)) for p in parts
        ):
            raise DataError(f"{path.name} does not match the features of the run's config: restore the file.")
        self.model.load(stem, len(names))
        return self

    def build_features(self, flow: Float, others: Float) -> Float:
        """Build the model's input (n, len(feature_names)) from flow (n, levels) and other features (n, k); it may be a
        view of the flow.
        """
        reduced = self.reducer.transform(flow)
        return np.ascontiguousarray(np.concatenate((reduced, others), axis=1) if others.shape[1] else reduced)
