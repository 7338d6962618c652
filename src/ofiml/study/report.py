"""The typed report of a study: the numbers of the verdict and the evidence for them.

Terminal, MLflow page and figures show these numbers and no others. The keys of report.json are the names of the fields
below (`study.json_border`). An undefined value is NaN or None here and null there.
"""

import hashlib
from dataclasses import dataclass, field
from typing import Literal

import polars as pl

from ofiml.backtest.instruments import AssignedInstrument
from ofiml.data.quality import BadFile, Quality
from ofiml.evaluation.decay import HorizonScore
from ofiml.evaluation.explanation import FeatureUse
from ofiml.evaluation.impact import EarlierImpact, ImpactScore
from ofiml.evaluation.profit import Performance
from ofiml.evaluation.reliability import Event, ReliabilityCurve
from ofiml.evaluation.scores import Scores
from ofiml.evaluation.seeds import SeedVariation
from ofiml.evaluation.shap_values import FeatureImportance
from ofiml.evaluation.strata import StratumScore
from ofiml.ofi.reduce import LearnedValues
from ofiml.provenance import Provenance
from ofiml.study.earlier_backtest import EarlierBacktest
from ofiml.study.json_border import read_json, write_json
from ofiml.tuning import TrialResult
from ofiml.validation.controls import Control, ControlName
from ofiml.validation.leak_check import LeakCheck


@dataclass(frozen=True, slots=True)
class SessionReport:
    """A session: its symbol, date, number of events and input digest; `tick` and `size_unit` of its symbol.

    `quality` has the numbers of rows dropped and kept, by cause.
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
    """The data of all sessions: number of `events`, rows `dropped` and `kept` by cause, and `levels` of the book.

    `warnings` are what is implausible about the data, each once for a symbol.
    `instruments` are those of the backtest, one per symbol; empty without a backtest.
    `bad_files` has the inputs that could not be read and were left out (`dataset.bad_files=skip`).
    """

    name: str
    digest: str
    events: int
    dropped: dict[str, int]
    kept: dict[str, int]
    notes: list[str]
    sessions: list[SessionReport]
    sources: list[str]
    levels: int
    warnings: list[str] = field(default_factory=list)
    bad_files: list[BadFile] = field(default_factory=list)
    instruments: list[AssignedInstrument] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class RowCounts:
    """Numbers of `bars`, of bars `used` (with a label) and of bars `dropped` by cause.

    `never_known` lists the features without a value in any row.
    """

    bars: int
    used: int
    dropped: dict[str, int]
    never_known: list[str]


@dataclass(frozen=True, slots=True)
class OfiReport:
    """The reduction over levels.

    If it learns, `weights` and `explained` (a share) have one entry per fold, or per group of flow and fold; otherwise
    they are None.
    """

    name: str
    normalise: str
    weights: LearnedValues | None
    explained: LearnedValues | None


@dataclass(frozen=True, slots=True)
class ModelReport:
    """The model, its features, and the form and unit of its target."""

    name: str
    features: list[str]
    target: str
    unit: str


@dataclass(frozen=True, slots=True)
class SpanReport:
    """A tested span: bars that close in [start, until), UTC, and the number of labelled `rows` among them.

    `path` is None unless the split has paths.
    """

    start: str = field(metadata={"key": "from"})
    until: str
    path: int | None
    rows: int


@dataclass(frozen=True, slots=True)
class FoldReport:
    """A fold: numbers of rows, first and last times (UTC), tested `spans`, and the dead band, or None."""

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
    """The digest of the predictions (`predictions_sha256`), and the number of predicted rows with a label."""

    sha256: str
    rows: int


@dataclass(frozen=True, slots=True)
class TuningReport:
    """A tuned fold: its `best` parameters and all its trials.

    `importance` is each parameter's share of the variance of the score; None if the score does not vary.
    """

    fold: int
    best: dict[str, int | float]
    importance: dict[str, float] | None
    trials: list[TrialResult]


@dataclass(frozen=True, slots=True)
class Runtime:
    """Seconds spent in each stage. The figures, which are drawn from the report, are added before it is written."""

    seconds: dict[str, float]

    def add_stage(self, name: str, seconds: float) -> None:
        """Add a stage that comes after the study."""
        self.seconds[name] = round(seconds, 3)


@dataclass(frozen=True, slots=True)
class Report:
    """All results of a study.

    `impact` exists only for target=impact, `backtest` and `decay` for forecasts, `reliability` for directions, `seeds`
    for studies with `seeds`; `tuning` is empty without tuning. `controls` and `leak_check` are None if switched off.
    `provenance` is None in reports of earlier versions.
    """

    kind: Literal["forecast", "impact"]
    dataset: DatasetReport
    rows: RowCounts
    ofi: OfiReport
    model: ModelReport
    folds: list[FoldReport]
    predictions: PredictionsDigest
    metrics: Scores
    impact: ImpactScore | EarlierImpact | None
    strata: list[StratumScore]
    decay: list[HorizonScore] | None
    reliability: dict[Event, ReliabilityCurve] | None
    importance: list[FeatureImportance]
    importance_stability: float
    explained: FeatureUse
    seeds: SeedVariation | None
    tuning: list[TuningReport]
    backtest: Performance | EarlierBacktest | None
    controls: dict[ControlName, Control] | None
    leak_check: LeakCheck | None
    runtime: Runtime
    provenance: Provenance | None = None

    @property
    def performance(self) -> Performance | None:
        """The backtest; None without one, and for that of an earlier version."""
        return self.backtest if isinstance(self.backtest, Performance) else None

    def to_json(self) -> str:
        """Write the report as JSON."""
        return write_json(self)


def read_report(text: str) -> Report:
    """Read the text of a report.json, which may come from a stranger.

    Raises ConfigError for text that a study of this version does not write.
    """
    return read_json(Report, text, "report")


def predictions_sha256(predictions: pl.DataFrame) -> str:
    """Compute the SHA-256 of the values of `symbol`, `bar_close`, `fold`, `y`, `y_hat` and, with several paths, `path`.

    The digest depends on the order of the rows, not on the encoding of a file.
    """
    digest = hashlib.sha256()
    for symbol in predictions["symbol"]:
        digest.update(symbol.encode() + b"\0")
    for column, dtype in (("bar_close", "<i8"), ("fold", "<i4"), ("y", "<f8"), ("y_hat", "<f8"), ("path", "<i4")):
        if column == "path" and column not in predictions.columns:
            continue
        digest.update(predictions[column].to_physical().to_numpy().astype(dtype).tobytes())
    return digest.hexdigest()
