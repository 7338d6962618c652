"""The schemas: one slots dataclass per choice of a Hydra group, checked when built, and the cross-field checks."""

import datetime as dt
import difflib
import glob
import re
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from ofiml.errors import ConfigError
from ofiml.units import SECOND, duration


def _require(condition: bool, sentence: str) -> None:
    if not condition:
        raise ConfigError(sentence)


def _one_of(key: str, value: str, choices: tuple[str, ...]) -> None:
    _require(value in choices, f"{key}={value} is not one of {', '.join(choices)}.")


# --- dataset ---------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Policy:
    """What happens to rows of each cause: `raise` ends the run with an error, `drop` drops and counts, `keep` counts.

    A cause has only the choices that make sense for it: what cannot be read cannot be kept.
    """

    unreadable: str = "raise"  # a cell that cannot be read, or is missing
    negative_size: str = "raise"
    zero_size: str = "raise"  # a level with a price and no size
    sentinel: str = "keep"  # a number that stands for no price; kept, it is a missing level
    crossed: str = "raise"  # the best bid above the best ask
    locked: str = "keep"  # the best bid at the best ask
    one_sided: str = "keep"  # no bid, or no ask
    order: str = "raise"  # levels out of order, or with a gap
    clock: str = "raise"  # an event later than its receipt, by more than a second; kept, both clocks stay as they are
    time_reversal: str = "raise"  # receipts that run back; kept, they become that of the row before, or after if late
    sequence: str = "keep"  # sequence numbers that run back
    duplicate: str = "keep"  # a resting-order row that repeats the one before it, sequence number and all
    gap: str = "keep"  # a sequence that skips some of the feed; kept, no flow is measured across it
    no_effect: str = "keep"  # an order event that leaves the shown book as it was
    halt: str = "keep"  # kept, no flow is measured across it
    unknown_order: str = "keep"  # a message about an order or level that is not in the book
    excess_size: str = "keep"  # more taken off an order than was left of it
    order_twice: str = "keep"  # a new order with the id of one that rests
    swept_level: str = "keep"  # a level that a later message proves gone
    no_snapshot: str = "drop"  # differences before the first full book

    def choices(self, cause: str) -> tuple[str, ...]:
        """What the policy of a cause may be."""
        if cause in ("unreadable", "negative_size"):
            return "raise", "drop"
        if cause in ("gap", "halt", "unknown_order", "excess_size", "order_twice", "swept_level"):
            return "raise", "keep"
        return "raise", "drop", "keep"

    def __post_init__(self) -> None:
        for f in fields(self):
            _one_of(f"dataset.policy.{f.name}", getattr(self, f.name), self.choices(f.name))


MOST_DAYS = 50_000  # a later day is for what must not be one of a study's


@dataclass(slots=True)
class SyntheticDataset:
    """A simulated market; docs/market.md says what each key does. `impact` is Λ in ticks a lot, a row a symbol."""

    name: str
    seed: int
    sessions: int
    session_length: str
    levels: int
    tick: float
    start_price: float
    limit_rate: float
    cancel_rate: float
    resilience: float
    half_spread: float
    placement: float
    crowd: float
    size_scale: float
    large_limit_orders: float
    large_market_orders: float
    volatility: float
    u_shape: float
    clustering: float
    clustering_decay: str
    stirring: float
    period: str
    uninformed_orders: float
    excitation: float
    excitation_cross: float
    excitation_decay: str
    state_dependence: float
    usual_spread: float
    usual_queue: float
    informed_probability: float
    informed_orders: float
    informed_decay: str
    session_variation: float
    impact: list[list[float]]
    max_sessions: int | None
    max_events: int | None

    @property
    def label(self) -> str:
        nothing = not self.informed_probability * self.informed_orders
        return f"{self.name}_null" if nothing and not self.name.endswith("_null") else self.name

    @property
    def periods(self) -> int:
        """Periods of a session, the last one possibly cut short."""
        return -(-duration(self.session_length) // duration(self.period))

    @property
    def events_expected(self) -> float:
        """Roughly the rows of a session: each limit order ends in a cancel or a trade."""
        orders = 2 * self.uninformed_orders / (1 - self.excitation) + self.informed_orders
        quotes = 2.5 * self.limit_rate * duration(self.session_length) / SECOND
        return len(self.impact) * (quotes + orders * self.periods)

    def __post_init__(self) -> None:
        _check_limits(self.max_sessions, self.max_events)
        _require(1 <= self.sessions <= MOST_DAYS, f"dataset.sessions must lie between 1 and {MOST_DAYS}.")
        _require(1 <= self.levels <= 10, "dataset.levels must be between 1 and 10.")
        _seed("dataset.seed", self.seed)
        _require(1e-9 <= self.tick <= 1e6, "dataset.tick must lie between 1e-9 and 1e6.")
        _require(
            1000 * self.tick <= self.start_price <= 1e6,
            "dataset.start_price must lie between 1000 ticks, so that no bid falls to 0, and 1e6.",
        )
        for key, low, high in (
            ("limit_rate", 1e-3, 1e5),
            ("cancel_rate", 1e-4, 1e3),
            ("resilience", 0.0, 1e4),
            ("half_spread", 0.0, 1000.0),
            ("placement", 0.0, 1000.0),
            ("crowd", 1e-3, 1e6),
            ("size_scale", 0.01, 1e6),
            ("large_limit_orders", 0.0, 1.0),
            ("large_market_orders", 0.0, 1.0),
            ("volatility", 0.0, 1000.0),
            ("u_shape", 0.0, 0.99),
            ("clustering", 0.0, 0.95),
            ("stirring", 0.0, 0.95),
            ("uninformed_orders", 0.0, 1e7),
            ("excitation", 0.0, 0.95),
            ("excitation_cross", 0.0, 1.0),
            ("state_dependence", 0.0, 1.0),
            ("usual_spread", 1.0, 1e4),
            ("usual_queue", 1.0, 1e9),
            ("informed_probability", 0.0, 1.0),
            ("informed_orders", 0.0, 1e7),
            ("session_variation", 0.0, 0.9),
        ):
            _require(low <= getattr(self, key) <= high, f"dataset.{key} must lie between {low:g} and {high:g}.")
        for key in ("session_length", "clustering_decay", "period", "excitation_decay", "informed_decay"):
            _require(duration(getattr(self, key), f"dataset.{key}") > 0, f"dataset.{key} must be longer than 0.")
        _require(duration(self.session_length) <= 86_400 * SECOND, "dataset.session_length must be at most 24h.")
        _require(self.periods <= 100_000, "dataset.period is too short: a session has at most 100000 of them.")
        _require(
            self.excitation * (1 + self.state_dependence) <= 0.95,
            "dataset.excitation times (1 + dataset.state_dependence) must be at most 0.95: market orders that like "
            "the book come that much oftener, and their excitation must die out.",
        )
        _require(
            self.clustering + self.stirring <= 0.98,
            "dataset.clustering and dataset.stirring must sum to at most 0.98: the rest is what quotes do unprompted.",
        )
        square = all(len(row) == len(self.impact) for row in self.impact) and 1 <= len(self.impact) <= 32
        _require(square, "dataset.impact must be a square matrix of 1 to 32 symbols, as in [[0.02]].")
        slopes = [slope for row in self.impact for slope in row]
        _require(all(abs(s) <= 1e3 for s in slopes), "dataset.impact: each slope must lie between -1000 and 1000.")


CALENDARS = ("24/7", "XNYS", "XNAS")  # what needs no look-up; exchange_calendars knows a hundred


def files(path: str) -> list[Path]:
    """The files that a path stands for, sorted: itself, those in the folder, or what the glob matches."""
    found = Path(path).glob("[!.]*") if Path(path).is_dir() else map(Path, glob.glob(path))
    return sorted(p for p in found if p.is_file())


@dataclass(slots=True)
class FileDataset:
    """A recorded market: `path` is a file, a folder or a glob; every file is read, in the order of their names."""

    name: str
    path: str
    symbols: list[str] | None
    calendar: str
    hours: Any
    first_date: str | None
    last_date: str | None
    tick: float
    size_unit: float
    levels: int | None
    policy: Policy
    store: str | None
    max_sessions: int | None
    max_events: int | None

    @property
    def label(self) -> str:
        return self.name

    def __post_init__(self) -> None:
        _check_limits(self.max_sessions, self.max_events)
        _require(bool(self.path), f"dataset.path is missing: give the {self.name} file, as in dataset.path=data/file.")
        _require(bool(files(self.path)), f"dataset.path={self.path} matches no file.")
        _calendar(self.calendar)
        _require(1e-9 <= self.tick <= 1e6, "dataset.tick must lie between 1e-9 and 1e6.")
        _require(1e-12 <= self.size_unit <= 1e9, "dataset.size_unit must lie between 1e-12 and 1e9.")
        _require(
            self.levels is None or 1 <= self.levels <= 100, "dataset.levels must lie between 1 and 100, or be null."
        )
        _hours(self.hours)
        for key in ("first_date", "last_date"):
            date = getattr(self, key)
            _require(date is None or _is_date(date), f"dataset.{key}={date} is not a date: write 2024-10-21, or null.")
        _require(
            not (self.first_date and self.last_date) or str(self.first_date) <= str(self.last_date),
            "dataset.first_date must not be later than dataset.last_date.",
        )


@dataclass(slots=True)
class QuotesDataset(FileDataset):
    """Best bid and offer as CSV; `columns` maps what is needed to the file's names, `time_zone` is of its clock.

    The file's `sizes` count lots of `size_unit`, or units.
    """

    columns: dict[str, str]
    time_zone: str
    sizes: str

    def __post_init__(self) -> None:
        FileDataset.__post_init__(self)  # super() does not work in slots dataclasses before 3.14
        _one_of("dataset.sizes", self.sizes, ("lots", "units"))
        needed, known = {"time", "bid", "ask", "bid_size", "ask_size"}, {"received", "symbol"}
        for key in sorted(needed - set(self.columns)):
            raise ConfigError(f"dataset.columns.{key} is missing: give the file's name of it.")
        for key in sorted(set(self.columns) - needed - known):
            raise ConfigError(f"dataset.columns.{key} is not one of {', '.join(sorted(needed | known))}.")
        try:
            ZoneInfo(self.time_zone)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise ConfigError(f"dataset.time_zone={self.time_zone} is no time zone; write America/New_York.") from error


@dataclass(slots=True)
class AlgoseekDataset(FileDataset):
    """AlgoSeek TAQ: quotes of one `venue`, or the national best (null), in sizes of `quote_lot` shares."""

    venue: str | None
    quote_lot: float | None

    def __post_init__(self) -> None:
        FileDataset.__post_init__(self)
        _require(self.quote_lot is None or self.quote_lot >= 1, "dataset.quote_lot must be at least 1 share, or null.")


def _calendar(name: str) -> None:
    if name in CALENDARS:
        return
    from exchange_calendars import get_calendar_names  # takes a second to load

    names = get_calendar_names()
    close = difflib.get_close_matches(name, names, n=3)
    hint = f"; did you mean {', '.join(close)}?" if close else ", as XNYS, CMES or 24/7."
    _require(name in names, f"dataset.calendar={name} is no calendar of exchange_calendars{hint}")


def _hours(hours: Any) -> None:
    if hours in ("regular", "all"):
        return
    ok = isinstance(hours, list) and len(hours) == 2
    ok = ok and all(isinstance(h, str) and re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d", h) for h in hours)
    _require(
        ok and hours[0] < hours[1],
        "dataset.hours must be regular, all, or two exchange-local times in order, as in "
        "dataset.hours=['09:30','16:00'].",
    )


def _is_date(text: str) -> bool:
    try:
        return dt.date.fromisoformat(text).isoformat() == text  # dates are compared as text
    except ValueError:
        return False


def _seed(key: str, value: int) -> None:
    _require(0 <= value < 2**31, f"{key} must lie in [0, 2^31).")


def _check_limits(max_sessions: int | None, max_events: int | None) -> None:
    _require(max_sessions is None or max_sessions >= 1, "dataset.max_sessions must be at least 1, or null.")
    _require(max_events is None or max_events >= 1, "dataset.max_events must be at least 1, or null.")


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
        _require(0 < self.size <= 1e18, "bars.size must be positive.")
        _one_of("bars.per", self.per, ("message", "row"))

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
        _one_of("ofi.normalise", self.normalise, ("none", "depth"))
        _one_of("ofi.parts", self.parts, tuple(PARTS))
        _require(self.levels is None or 1 <= self.levels <= 100, "ofi.levels must lie between 1 and 100, or be null.")
        _require(bool(self.windows), "ofi.windows is empty: write [bar], or look-backs like [bar,1s,30s,5m].")
        lengths = [w if w == "bar" else duration(w, "ofi.windows") for w in self.windows]
        _require(0 not in lengths, "ofi.windows must be longer than 0.")
        _require(len(set(lengths)) == len(lengths), f"ofi.windows names one twice: {', '.join(self.windows)}.")
        _require(len(lengths) <= 20, "ofi.windows names more than 20 look-backs.")

    @property
    def look_backs(self) -> list[int]:
        """The windows besides the bar, ns, ascending."""
        return sorted(duration(w, "ofi.windows") for w in self.windows if w != "bar")


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
    """`columns` of the catalogue, which takes `trade_size` and `vpin_bucket` in units (shares, contracts, coins).

    `cross` are symbols whose last bar's OFI is a feature too, as far as it closed `cross_delay` before and is not older
    than `cross_oldest`.
    """

    name: str
    columns: list[str]
    trade_size: float
    vpin_bucket: float
    cross: list[str]
    cross_delay: str
    cross_oldest: str

    def __post_init__(self) -> None:
        for key in ("trade_size", "vpin_bucket"):
            _require(0 < getattr(self, key) <= 1e12, f"features.{key} must be positive.")
        _require(len(set(self.cross)) == len(self.cross), "features.cross names a symbol twice.")
        _require(
            duration(self.cross_oldest, "features.cross_oldest") >= duration(self.cross_delay, "features.cross_delay"),
            "features.cross_oldest must not be shorter than features.cross_delay.",
        )


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
    bars: TimeBars | ActivityBars
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
        step = self.bars.step_ns
        span = step if self.target.kind == "impact" else self.horizon.length_ns + self.horizon.delay_ns
        _require(
            self.evaluation.block_ns is None or span is None or self.evaluation.block_ns >= span,
            f"evaluation.block={self.evaluation.block} is shorter than a label: overlapping labels would count as "
            "independent; lengthen it, or leave it null.",
        )
        if self.target.kind == "forecast" and step is not None:
            _require(
                self.horizon.length_ns >= step,
                f"horizon.length={self.horizon.length} is shorter than bars.step={self.bars.label}: "
                f"lengthen the horizon (horizon=…) or shorten the bars (bars.step=…).",
            )
            _require(
                self.backtest.latency_ns <= step,
                f"backtest.latency={self.backtest.latency} is longer than bars.step={self.bars.label}: an order would "
                "be filled after the next decision; shorten the latency or lengthen the bars.",
            )
        if self.target.kind == "impact":
            _require(
                not self.features.columns and not self.features.cross,
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
