"""The report of a study: the verdict's numbers and what is needed to trust them, typed down to the last one.

Terminal, MLflow page, figures and leaderboard read nothing else. In report.json (`study.json_border`) the keys are the
names below, and a value that is not defined, here NaN or None, is null.
"""

import hashlib
from dataclasses import dataclass, field
from typing import Literal

import polars as pl

from ofiml.data.quality import Quality
from ofiml.evaluation.decay import HorizonScore
from ofiml.evaluation.explanation import FeatureUse
from ofiml.evaluation.impact import ImpactScore
from ofiml.evaluation.profit import Performance
from ofiml.evaluation.reliability import Event, ReliabilityCurve
from ofiml.evaluation.scores import Scores
from ofiml.evaluation.seeds import SeedVariation
from ofiml.evaluation.shap_values import FeatureImportance
from ofiml.evaluation.strata import StratumScore
from ofiml.ofi.reduce import Learned
from ofiml.study.json_border import read_json, write_json
from ofiml.tuning import TrialResult
from ofiml.validation.controls import Control, ControlName
from ofiml.validation.leak_check import LeakCheck


@dataclass(frozen=True, slots=True)
class SessionReport:
    """A session that was used: its date, its number of events, the digest of its input, `tick` and `size_unit` as in
    the config, and what was dropped or noticed when it was read.
    """

    symbol: str
    session: str
    events: int
    digest: str
    tick: float
    size_unit: float
    quality: Quality


@dataclass(frozen=True, slots=True)
class DatasetReport:
    """The data of all sessions: events, what was `dropped`, noticed and `kept` by cause, and the book's `levels`."""

    name: str
    digest: str
    events: int
    dropped: dict[str, int]
    kept: dict[str, int]
    notes: list[str]
    sessions: list[SessionReport]
    sources: list[str]
    levels: int


@dataclass(frozen=True, slots=True)
class RowCounts:
    """Bars, those of them that were `used` (with a label), why others were `dropped`, and the features that have no
    value in any row.
    """

    bars: int
    used: int
    dropped: dict[str, int]
    never_known: list[str]


@dataclass(frozen=True, slots=True)
class OfiReport:
    """The reduction over levels and, where it learns, the weights and the share explained of each fold, or of each
    group of flow and fold; else None.
    """

    name: str
    normalise: str
    weights: Learned | None
    explained: Learned | None


@dataclass(frozen=True, slots=True)
class ModelReport:
    """The model, its features, and the form and unit of its target."""

    name: str
    features: list[str]
    target: str
    unit: str


@dataclass(frozen=True, slots=True)
class SpanReport:
    """Bars that close in [start, until), UTC, were tested, in which path if there are several; so many of them have a
    label.
    """

    start: str = field(metadata={"key": "from"})
    until: str
    path: int | None
    rows: int


@dataclass(frozen=True, slots=True)
class FoldReport:
    """A fold: its numbers of rows, its first and last times (UTC), the `spans` that it tested, and its dead band in
    ticks, None without one.
    """

    fold: int
    train_rows: int
    purged: int
    embargoed: int
    test_rows: int
    train_from: str
    train_to: str
    test_from: str
    test_to: str
    spans: list[SpanReport]
    dead_band_ticks: float | None


@dataclass(frozen=True, slots=True)
class PredictionsDigest:
    """`predictions_sha256`, and how many labelled rows were predicted."""

    sha256: str
    rows: int


@dataclass(frozen=True, slots=True)
class TuningReport:
    """A tuned fold: the `best` parameters, each one's `importance` (its share of the score's variance, None where there
    is none to share out), and all trials.
    """

    fold: int
    best: dict[str, int | float]
    importance: dict[str, float] | None
    trials: list[TrialResult]


@dataclass(frozen=True, slots=True)
class Runtime:
    """Seconds by stage."""

    seconds: dict[str, float]


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that a study found.

    `impact` is of target=impact alone, `backtest` and `decay` of forecasts, `reliability` of directions, `seeds` of
    studies with `seeds`, `tuning` of tuned folds; `controls` and `leak_check` are None where switched off.
    """

    kind: Literal["forecast", "impact"]
    dataset: DatasetReport
    rows: RowCounts
    ofi: OfiReport
    model: ModelReport
    folds: list[FoldReport]
    predictions: PredictionsDigest
    metrics: Scores
    impact: ImpactScore | None
    strata: list[StratumScore]
    decay: list[HorizonScore] | None
    reliability: dict[Event, ReliabilityCurve] | None
    importance: list[FeatureImportance]
    importance_stability: float
    explained: FeatureUse
    seeds: SeedVariation | None
    tuning: list[TuningReport]
    backtest: Performance | None
    controls: dict[ControlName, Control] | None
    leak_check: LeakCheck | None
    runtime: Runtime

    def to_json(self) -> str:
        """Write the report as JSON."""
        return write_json(self)


def read_report(text: str) -> Report:
    """Read a report.json, which may be a stranger's. Raises ConfigError for what no study of this version writes."""
    return read_json(Report, text, "report")


def predictions_sha256(predictions: pl.DataFrame) -> str:
    """Compute the SHA-256 of `symbol`, `bar_close`, `fold`, `y`, `y_hat`, and `path` where there are paths, in row
    order: of the values, not of a file's encoding.
    """
    digest = hashlib.sha256()
    for symbol in predictions["symbol"]:
        digest.update(symbol.encode() + b"\0")
    for column, dtype in (("bar_close", "<i8"), ("fold", "<i4"), ("y", "<f8"), ("y_hat", "<f8"), ("path", "<i4")):
        if column == "path" and column not in predictions.columns:
            continue
        digest.update(predictions[column].to_physical().to_numpy().astype(dtype).tobytes())
    return digest.hexdigest()
