"""The schemas: one slots dataclass per choice of a Hydra group, checked when built, and the cross-field checks."""

from dataclasses import dataclass, field, fields

from ofiml.config.checks import one_of as _one_of
from ofiml.config.checks import require as _require
from ofiml.config.checks import seed as _seed
from ofiml.config.dataset import AlgoseekDataset, FileDataset, QuotesDataset, SyntheticDataset
from ofiml.units import duration

# --- bars, flow, features, labels ------------------------------------------------------------------------------------


@dataclass(slots=True)
class TimeBars:
    name: str
    step: str
    per: str

    def __post_init__(self) -> None:
        _require(self.step_ns > 0, "bars.step must be longer than 0.")
        _one_of("bars.per", self.per, ("message", "row"))

    @property
    def step_ns(self) -> int:
        return duration(self.step, "bars.step")


@dataclass(slots=True)
class Ofi:
    name: str
    normalise: str

    def __post_init__(self) -> None:
        _one_of("ofi.normalise", self.normalise, ("none", "depth"))


@dataclass(slots=True)
class DecayOfi(Ofi):
    rate: float

    def __post_init__(self) -> None:
        Ofi.__post_init__(self)  # super() does not work in slots dataclasses before 3.14
        _require(self.rate > 0, "ofi.rate must be positive.")


@dataclass(slots=True)
class RidgeOfi(Ofi):
    log10_alpha_low: float
    log10_alpha_high: float
    alphas: int

    def __post_init__(self) -> None:
        Ofi.__post_init__(self)
        _require(self.alphas >= 1, "ofi.alphas must be at least 1.")
        _require(
            self.log10_alpha_low <= self.log10_alpha_high, "ofi.log10_alpha_low must not exceed ofi.log10_alpha_high."
        )


@dataclass(slots=True)
class Features:
    name: str
    columns: list[str]


@dataclass(slots=True)
class Horizon:
    length: str
    delay: str

    def __post_init__(self) -> None:
        _require(self.length_ns > 0, "horizon.length must be longer than 0.")

    @property
    def length_ns(self) -> int:
        return duration(self.length, "horizon.length")

    @property
    def delay_ns(self) -> int:
        return duration(self.delay, "horizon.delay")


@dataclass(slots=True)
class Target:
    kind: str
    form: str
    unit: str

    def __post_init__(self) -> None:
        _one_of("target.kind", self.kind, ("forecast", "impact"))
        _one_of("target.form", self.form, ("return", "direction"))
        _one_of("target.unit", self.unit, ("ticks", "bps"))
        _require(self.form == "return" or self.unit == "ticks", "target.unit: a direction has no unit; leave it ticks.")


# --- splits, models, tuning ------------------------------------------------------------------------------------------


@dataclass(slots=True)
class WalkForward:
    name: str
    folds: int
    first_train: float
    embargo: str
    window: float | None

    def __post_init__(self) -> None:
        _require(self.folds >= 1, "split.folds must be at least 1.")
        _require(0 < self.first_train < 1, "split.first_train must lie in (0, 1): the share of rows before fold 0.")
        duration(self.embargo, "split.embargo")
        _require(self.name == "rolling" or self.window is None, "split.window belongs to split=rolling: leave it null.")
        if self.name == "rolling":
            ok = self.window is not None and 0 < self.window <= self.first_train
            _require(ok, "split.window must lie in (0, split.first_train]: the share of all rows in a rolling window.")

    @property
    def embargo_ns(self) -> int:
        return duration(self.embargo, "split.embargo")


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
            _require(key in types, f"model.space.{key} is not a number of model {self.name}.")
            _require(r.low <= r.high, f"model.space.{key}: low must not exceed high.")
            _require(not r.log or r.low > 0, f"model.space.{key}: a log range needs low > 0.")
            whole = r.low == int(r.low) and r.high == int(r.high)
            _require(types[key] is float or whole, f"model.space.{key}: {key} is an integer, so low and high must be.")
            for end in (r.low, r.high):  # what the model itself refuses is no range to search
                value = int(end) if types[key] is int else end
                type(self)(**{f.name: getattr(self, f.name) for f in fields(self)} | {"space": {}, key: value})


@dataclass(slots=True)
class RidgeModel(Model):
    alpha: float

    def __post_init__(self) -> None:
        Model.__post_init__(self)
        _require(self.alpha >= 0, "model.alpha must not be negative.")


@dataclass(slots=True)
class LogisticModel(Model):
    c: float

    def __post_init__(self) -> None:
        Model.__post_init__(self)
        _require(self.c > 0, "model.c must be positive.")


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
        _require(self.n_estimators >= 1, "model.n_estimators must be at least 1.")
        _require(2 <= self.num_leaves <= 131_072, "model.num_leaves must lie between 2 and 131072.")
        _require(self.min_child_samples >= 0, "model.min_child_samples must not be negative.")
        _require(self.reg_lambda >= 0, "model.reg_lambda must not be negative.")
        _require(0 < self.learning_rate <= 10, "model.learning_rate must lie in (0, 10].")
        _require(0 < self.feature_fraction <= 1, "model.feature_fraction must lie in (0, 1].")
        _require(0 < self.bagging_fraction <= 1, "model.bagging_fraction must lie in (0, 1].")


@dataclass(slots=True)
class Tuning:
    enabled: bool
    trials: int
    inner_folds: int
    storage: str

    def __post_init__(self) -> None:
        _require(1 <= self.trials <= 100_000, "tuning.trials must be at least 1; tuning=off switches tuning off.")
        _require(self.inner_folds >= 1, "tuning.inner_folds must be at least 1.")


# --- evaluation, backtest, tracking ----------------------------------------------------------------------------------


@dataclass(slots=True)
class Evaluation:
    bootstrap: int
    level: float
    block: str | None
    importance_rows: int

    def __post_init__(self) -> None:
        _require(50 <= self.bootstrap <= 1_000_000, "evaluation.bootstrap must be at least 50: fewer make no interval.")
        _require(0 < self.level < 1, "evaluation.level must lie in (0, 1).")
        _require(self.importance_rows >= 1, "evaluation.importance_rows must be at least 1.")
        if self.block is not None:
            _require(duration(self.block, "evaluation.block") > 0, "evaluation.block must be longer than 0.")

    @property
    def block_ns(self) -> int | None:
        return None if self.block is None else duration(self.block, "evaluation.block")


@dataclass(slots=True)
class Backtest:
    enabled: bool
    latency: str
    max_position: int
    edge_multiple: float
    fee_per_unit: float
    fee_bps: float
    days_per_year: int

    def __post_init__(self) -> None:
        _require(self.max_position >= 1, "backtest.max_position must be at least 1 lot.")
        _require(self.edge_multiple >= 0, "backtest.edge_multiple must not be negative.")
        _require(self.fee_per_unit >= 0 and self.fee_bps >= 0, "backtest fees must not be negative.")
        _require(self.days_per_year >= 1, "backtest.days_per_year must be at least 1.")
        duration(self.latency, "backtest.latency")

    @property
    def latency_ns(self) -> int:
        return duration(self.latency, "backtest.latency")


@dataclass(slots=True)
class Tracking:
    enabled: bool
    uri: str
    experiment: str

    def __post_init__(self) -> None:
        _require(bool(self.experiment.strip()), "tracking.experiment must not be empty.")


# --- the whole -------------------------------------------------------------------------------------------------------

_MARKETS = ("synthetic", "synthetic_null", "synthetic_basket", "synthetic_large_tick", "synthetic_small_tick")

SCHEMAS: dict[str, type | dict[str, type]] = {
    "dataset": {
        **dict.fromkeys(_MARKETS, SyntheticDataset),
        "databento": FileDataset,
        "databento_mbo": FileDataset,
        "lobster": FileDataset,
        "itch": FileDataset,
        "binance": FileDataset,
        "tardis": FileDataset,
        "algoseek": AlgoseekDataset,
        "quotes": QuotesDataset,
        "parquet": FileDataset,
    },
    "bars": {"time": TimeBars},
    "ofi": {
        "best_level": Ofi,
        "mlofi": Ofi,
        "mlofi_sum": Ofi,
        "mlofi_weighted": Ofi,
        "mlofi_decay": DecayOfi,
        "mlofi_ridge": RidgeOfi,
        "pca": Ofi,
    },
    "features": Features,
    "horizon": Horizon,
    "target": Target,
    "split": {"expanding": WalkForward, "rolling": WalkForward},
    "model": {"zero": Model, "ols": Model, "ridge": RidgeModel, "logistic": LogisticModel, "lgbm": LgbmModel},
    "tuning": Tuning,
    "evaluation": Evaluation,
    "backtest": Backtest,
    "tracking": Tracking,
}

CLASSIFIERS, REGRESSORS = ("logistic",), ("ols", "ridge")


@dataclass(slots=True)
class Config:
    """One study. `seed` feeds every random choice; `threads` is how many folds or sessions run side by side."""

    seed: int
    threads: int
    dataset: SyntheticDataset | FileDataset
    bars: TimeBars
    ofi: Ofi
    features: Features
    horizon: Horizon
    target: Target
    split: WalkForward
    model: Model
    tuning: Tuning
    evaluation: Evaluation
    backtest: Backtest
    tracking: Tracking = field(repr=False)  # its uri may hold a password

    def __post_init__(self) -> None:
        _require(1 <= self.threads <= 1024, "threads must lie between 1 and 1024.")
        _seed("seed", self.seed)
        span = self.bars.step_ns if self.target.kind == "impact" else self.horizon.length_ns + self.horizon.delay_ns
        _require(
            self.evaluation.block_ns is None or self.evaluation.block_ns >= span,
            f"evaluation.block={self.evaluation.block} is shorter than a label: overlapping labels would count as "
            "independent; lengthen it, or leave it null.",
        )
        if self.target.kind == "forecast":
            _require(
                self.horizon.length_ns >= self.bars.step_ns,
                f"horizon.length={self.horizon.length} is shorter than bars.step={self.bars.step}: "
                f"lengthen the horizon (horizon=…) or shorten the bars (bars.step=…).",
            )
            _require(
                self.backtest.latency_ns <= self.bars.step_ns,
                f"backtest.latency={self.backtest.latency} is longer than bars.step={self.bars.step}: an order would "
                "be filled after the next decision; shorten the latency or lengthen the bars.",
            )
        if self.target.kind == "impact":
            _require(
                not self.features.columns,
                f"features={self.features.name} holds values of the bar that target=impact explains: "
                "use features=ofi_only.",
            )
        if self.model.name in CLASSIFIERS:
            _require(
                self.target.form == "direction",
                f"model={self.model.name} is a classifier, but the target is a return: use target=direction, "
                "or a regression model (ols, ridge, lgbm).",
            )
        if self.model.name in REGRESSORS:
            _require(
                self.target.form == "return",
                f"model={self.model.name} is a regression, but the target is a direction: use target=forecast, "
                "or a classifier (logistic, lgbm).",
            )
