"""The schemas: one slots dataclass per choice of a Hydra group, checked when built, and the cross-field checks."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ofiml.config.checks import one_of, require, seed
from ofiml.config.dataset import DATASETS, FileDataset, SyntheticDataset
from ofiml.config.evaluation import Evaluation
from ofiml.config.model import MODELS, Model
from ofiml.config.split import Combinatorial, Split, WalkForward
from ofiml.config.target import Horizon, Target
from ofiml.units import duration

# --- bars, flow, features --------------------------------------------------------------------------------------------


@dataclass(slots=True)
class TimeBars:
    name: str
    step: str
    per: str

    def __post_init__(self) -> None:
        require(self.step_ns > 0, "bars.step must be longer than 0.")
        one_of("bars.per", self.per, ("message", "row"))

    @property
    def step_ns(self) -> int:
        return duration(self.step, "bars.step")

    @property
    def label(self) -> str:
        return self.step


@dataclass(slots=True)
class ActivityBars:
    """Bars that close each time so much has happened: `size` in units traded, currency traded, trades or events."""

    name: str
    size: float
    per: str

    def __post_init__(self) -> None:
        require(0 < self.size <= 1e18, "bars.size must be positive.")
        one_of("bars.per", self.per, ("message", "row"))

    @property
    def step_ns(self) -> int | None:
        """How long a bar lasts is not known before."""
        return None

    @property
    def label(self) -> str:
        return f"{self.size:g}-{self.name}"


PARTS = {"net": ("ofi",), "sides": ("bid", "ask"), "types": ("adds", "cancels", "trades")}


@dataclass(slots=True)
class Ofi:
    """`levels` of the book (null for all), in `parts`, over each of `windows`: `bar`, or a look-back like 30s."""

    name: str
    levels: int | None
    normalise: str
    parts: str
    windows: list[str]

    def __post_init__(self) -> None:
        one_of("ofi.normalise", self.normalise, ("none", "depth"))
        one_of("ofi.parts", self.parts, tuple(PARTS))
        require(self.levels is None or 1 <= self.levels <= 100, "ofi.levels must lie between 1 and 100, or be null.")
        require(bool(self.windows), "ofi.windows is empty: write [bar], or look-backs like [bar,1s,30s,5m].")
        lengths = [w if w == "bar" else duration(w, "ofi.windows") for w in self.windows]
        require(0 not in lengths, "ofi.windows must be longer than 0.")
        require(len(set(lengths)) == len(lengths), f"ofi.windows names one twice: {', '.join(self.windows)}.")
        require(len(lengths) <= 20, "ofi.windows names more than 20 look-backs.")

    @property
    def look_backs(self) -> list[int]:
        """The windows besides the bar, ns, ascending."""
        return sorted(duration(w, "ofi.windows") for w in self.windows if w != "bar")


@dataclass(slots=True)
class DecayOfi(Ofi):
    rate: float

    def __post_init__(self) -> None:
        Ofi.__post_init__(self)  # super() does not work in slots dataclasses before 3.14
        require(self.rate > 0, "ofi.rate must be positive.")


@dataclass(slots=True)
class RidgeOfi(Ofi):
    log10_alpha_low: float
    log10_alpha_high: float
    alphas: int

    def __post_init__(self) -> None:
        Ofi.__post_init__(self)
        require(self.alphas >= 1, "ofi.alphas must be at least 1.")
        require(
            self.log10_alpha_low <= self.log10_alpha_high, "ofi.log10_alpha_low must not exceed ofi.log10_alpha_high."
        )


@dataclass(slots=True)
class Features:
    """`columns` of the catalogue, which takes `trade_size` and `vpin_bucket` in units (shares, contracts, coins).

    `cross` are symbols whose last bar's OFI is a feature too, as far as it closed `cross_delay` before and is not older
    than `cross_oldest`. Rows of bars with features are kept in the folder `store`.
    """

    name: str
    columns: list[str]
    trade_size: float
    vpin_bucket: float
    cross: list[str]
    cross_delay: str
    cross_oldest: str
    store: str | None

    def __post_init__(self) -> None:
        for key in ("trade_size", "vpin_bucket"):
            require(0 < getattr(self, key) <= 1e12, f"features.{key} must be positive.")
        require(len(set(self.cross)) == len(self.cross), "features.cross names a symbol twice.")
        require(
            duration(self.cross_oldest, "features.cross_oldest") >= duration(self.cross_delay, "features.cross_delay"),
            "features.cross_oldest must not be shorter than features.cross_delay.",
        )


# --- tuning, backtest, tracking --------------------------------------------------------------------------------------


@dataclass(slots=True)
class Tuning:
    """`generation` trials learn from the same earlier ones, so that as many may run at once. `chosen` are model
    parameters of each fold, which stand in for those of `model` where nothing is tuned.
    """

    enabled: bool
    trials: int
    inner_folds: int
    pruning: str
    generation: int
    storage: str
    chosen: list[Any]  # of mappings, whose values the model's own schema checks

    def __post_init__(self) -> None:
        one_of("tuning.pruning", self.pruning, ("median", "off"))
        require(1 <= self.generation <= 1000, "tuning.generation must lie between 1 and 1000.")
        mappings = all(isinstance(values, dict) for values in self.chosen)
        require(mappings, "tuning.chosen is a list of mappings, one a fold: write tuning.chosen=[{parameter: value}].")
        require(not (self.enabled and self.chosen), "tuning.chosen is what was tuned before: use it with tuning=off.")
        require(1 <= self.trials <= 100_000, "tuning.trials must be at least 1; tuning=off switches tuning off.")
        require(self.inner_folds >= 1, "tuning.inner_folds must be at least 1.")


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
        require(self.max_position >= 1, "backtest.max_position must be at least 1 lot.")
        require(self.edge_multiple >= 0, "backtest.edge_multiple must not be negative.")
        require(self.fee_per_unit >= 0 and self.fee_bps >= 0, "backtest fees must not be negative.")
        require(self.days_per_year >= 1, "backtest.days_per_year must be at least 1.")
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
        require(bool(self.experiment.strip()), "tracking.experiment must not be empty.")


# --- the whole -------------------------------------------------------------------------------------------------------

SCHEMAS: dict[str, type | Mapping[str, type]] = {
    "dataset": DATASETS,
    "bars": {"time": TimeBars, **dict.fromkeys(("volume", "dollar", "trades", "events"), ActivityBars)},
    "ofi": {
        "best_level": Ofi,
        "mlofi": Ofi,
        "mlofi_sum": Ofi,
        "mlofi_weighted": Ofi,
        "mlofi_decay": DecayOfi,
        "mlofi_ridge": RidgeOfi,
        "mlofi_powell": Ofi,
        "pca": Ofi,
    },
    "features": Features,
    "horizon": Horizon,
    "target": Target,
    "split": {"expanding": WalkForward, "rolling": WalkForward, "cpcv": Combinatorial, "session_out": Split},
    "model": MODELS,
    "tuning": Tuning,
    "evaluation": Evaluation,
    "backtest": Backtest,
    "tracking": Tracking,
}


@dataclass(slots=True)
class Config:
    """One study. `seed` feeds every random choice; with `seeds`, each fold's model is fitted with each of them too;
    `threads` is how many folds or sessions run side by side.
    """

    seed: int
    threads: int
    seeds: list[int]
    dataset: SyntheticDataset | FileDataset
    bars: TimeBars | ActivityBars
    ofi: Ofi
    features: Features
    horizon: Horizon
    target: Target
    split: Split
    model: Model
    tuning: Tuning
    evaluation: Evaluation
    backtest: Backtest
    tracking: Tracking = field(repr=False)  # its uri may hold a password

    def __post_init__(self) -> None:
        require(1 <= self.threads <= 1024, "threads must lie between 1 and 1024.")
        seed("seed", self.seed)
        for number in self.seeds:
            seed("seeds", number)
        require(len(set(self.seeds)) == len(self.seeds), "seeds names one twice.")
        quantile = self.model.of_quantile
        for values in self.tuning.chosen:
            same = self.model.having(values).of_quantile == quantile
            require(same, "tuning.chosen: quantile says what is asked, and is not tuned.")
        if self.backtest.enabled and self.target.kind == "forecast":
            require(
                quantile in (None, 0.5),
                f"The model forecasts the {quantile}-quantile, which is no expectation to trade on: use backtest=off, "
                "or a quantile of 0.5.",
            )
        step = self.bars.step_ns
        length = self.horizon.length_ns
        ahead = None if length is None else length + self.horizon.delay_ns
        span = step if self.target.kind == "impact" else ahead
        require(
            self.evaluation.block_ns is None or span is None or self.evaluation.block_ns >= span,
            f"evaluation.block={self.evaluation.block} is shorter than a label: overlapping labels would count as "
            "independent; lengthen it, or leave it null.",
        )
        if self.target.kind == "forecast" and isinstance(self.bars, ActivityBars):
            require(
                self.horizon.clock != self.bars.name or self.horizon.amount >= self.bars.size,
                f"horizon.size={self.horizon.amount:g} is less than bars.size={self.bars.size:g}: raise it, or lower "
                "bars.size.",
            )
        if self.target.kind == "forecast" and step is not None:
            require(
                length is None or length >= step,
                f"horizon.length={self.horizon.length} is shorter than bars.step={self.bars.label}: "
                f"lengthen the horizon (horizon=…) or shorten the bars (bars.step=…).",
            )
            follows = self.backtest.latency == self.horizon.delay
            typed = "horizon.delay" if follows else "backtest.latency"
            require(
                self.backtest.latency_ns <= step,
                f"{typed}={self.backtest.latency}{', which backtest.latency follows,' * follows} is longer than "
                f"bars.step={self.bars.label}: an order would be filled after the next decision; shorten {typed}, or "
                "lengthen the bars.",
            )
            require(
                self.target.look_back is None or self.target.look_back_ns >= step,
                f"target.look_back={self.target.look_back} is shorter than bars.step={self.bars.label}: lengthen it.",
            )
        if self.target.kind == "impact":
            require(
                self.horizon.clock == "time",
                f"horizon={self.horizon.clock} is of a later move: target=impact explains the same bar; use bars=… to "
                "cut bars of events or volume.",
            )
            require(
                self.ofi.windows == ["bar"],
                f"ofi.windows=[{','.join(self.ofi.windows)}] looks back beyond the bar that target=impact explains: "
                "lagged flow is another study; use ofi.windows=[bar].",
            )
            require(
                not self.features.columns and not self.features.cross,
                f"features={self.features.name} holds values of the bar that target=impact explains: "
                "use features=ofi_only.",
            )
        why = self.model.forbids(self.target.form)
        if why is not None:
            others = ", ".join(MODELS.of(self.target.form))
            require(
                self.target.form == "direction",
                f"{why} a classifier, but the target is a return: use target=direction, or a regression model "
                f"({others}).",
            )
            require(
                self.target.form == "return",
                f"{why} a regression, but the target is a direction: use target=forecast, or a classifier ({others}).",
            )
