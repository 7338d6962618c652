"""The schemas of data: recorded and simulated markets."""

import datetime as dt
import difflib
import re
from dataclasses import dataclass, field
from typing import Any, Literal

from ofiml.config.checks import require, require_one_of, require_seed
from ofiml.config.folders import FOLDERS, SYNTHETIC
from ofiml.config.instrument import (
    CALENDAR_ALWAYS,
    CALENDAR_AUTO,
    Instrument,
    check_instruments,
    check_size_unit,
    check_tick,
    collect_keys,
    find_instrument,
)
from ofiml.config.paths import describe_missing_path, files
from ofiml.config.policy import Policy
from ofiml.config.registry import Registry, Schemas
from ofiml.errors import ConfigError
from ofiml.units import SECOND, parse_duration

MOST_DAYS = 50_000  # later days are reserved for simulations outside any study


@dataclass(slots=True)
class SyntheticDataset:
    """A simulated market; docs/market.md explains the keys. `impact` is Λ in ticks per lot, one row per symbol."""

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
    instruments: dict[str, Any] = field(default_factory=dict, kw_only=True)
    news_move: float = field(default=0.0, kw_only=True)
    news_decay: str = field(default="10s", kw_only=True)
    quote_reaction: float = field(default=0.0, kw_only=True)
    permanent_impact: float = field(default=1.0, kw_only=True)
    impact_decay: str = field(default="10s", kw_only=True)

    @property
    def label(self) -> str:
        """The name of the market in titles; a market whose price cannot be foreseen ends in `_null`."""
        passing = self.permanent_impact < 1 and any(any(row) for row in self.impact)
        nothing = not passing and not self.informed_probability * (self.informed_orders + self.news_move)
        return f"{self.name}_null" if nothing and not self.name.endswith("_null") else self.name

    @property
    def symbols(self) -> list[str]:
        """The names of the simulated symbols."""
        return ["SYN"] if len(self.impact) == 1 else [f"SYN{k + 1}" for k in range(len(self.impact))]

    @property
    def periods(self) -> int:
        """Number of periods in a session; the last one may be shorter."""
        return -(-parse_duration(self.session_length) // parse_duration(self.period))

    @property
    def events_expected(self) -> float:
        """Approximate number of rows in a session: each limit order ends in a cancel or a trade."""
        orders = 2 * self.uninformed_orders / (1 - self.excitation) + self.informed_orders
        quotes = 2.5 * self.limit_rate * parse_duration(self.session_length) / SECOND
        return len(self.impact) * (quotes + orders * self.periods)

    def find_instrument(self, symbol: str) -> Instrument:
        """Return what belongs to a symbol, by `instruments`; a lot is one unit, and the tick is the market's."""
        return find_instrument(symbol, self.instruments, tick=self.tick, size_unit=1.0, calendar="")

    def __post_init__(self) -> None:
        _check_limits(self.max_sessions, self.max_events)
        check_instruments(self.instruments, _check_calendar)
        require(1 <= self.sessions <= MOST_DAYS, f"dataset.sessions must lie between 1 and {MOST_DAYS}.")
        require(1 <= self.levels <= 10, "dataset.levels must lie between 1 and 10.")
        require_seed("dataset.seed", self.seed)
        require(1e-9 <= self.tick <= 1e6, "dataset.tick must lie between 1e-9 and 1e6.")
        require(
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
            ("news_move", 0.0, 1000.0),
            ("quote_reaction", 0.0, 1.0),
            ("permanent_impact", 0.0, 1.0),
            ("session_variation", 0.0, 0.9),
        ):
            require(low <= getattr(self, key) <= high, f"dataset.{key} must lie between {low:g} and {high:g}.")
        spans = ("session_length", "clustering_decay", "period", "excitation_decay", "informed_decay", "news_decay")
        for key in (*spans, "impact_decay"):
            require(parse_duration(getattr(self, key), f"dataset.{key}") > 0, f"dataset.{key} must be longer than 0.")
        require(parse_duration(self.session_length) <= 86_400 * SECOND, "dataset.session_length must be at most 24h.")
        require(self.periods <= 100_000, "dataset.period is too short: a session has at most 100000 periods.")
        require(
            self.excitation * (1 + self.state_dependence) <= 0.95,
            "dataset.excitation times (1 + dataset.state_dependence) must be at most 0.95: the book raises the rate "
            "of market orders by up to that factor, and their excitation must die out.",
        )
        require(
            self.clustering + self.stirring <= 0.98,
            "dataset.clustering and dataset.stirring must sum to at most 0.98: the rest is the base rate of quotes.",
        )
        square = all(len(row) == len(self.impact) for row in self.impact) and 1 <= len(self.impact) <= 32
        require(square, "dataset.impact must be a square matrix of 1 to 32 symbols, as in [[0.02]].")
        slopes = [slope for row in self.impact for slope in row]
        require(all(abs(s) <= 1e3 for s in slopes), "dataset.impact: each slope must lie between -1000 and 1000.")
        for symbol in self.symbols:
            for key in {"tick", "size_unit"} & set(collect_keys(symbol, self.instruments)):
                remedy = "set dataset.tick" if key == "tick" else "a simulated lot is one unit"
                raise ConfigError(f"dataset.instruments has a {key} of {symbol}, which is simulated: {remedy}.")


AUTO = CALENDAR_AUTO
CALENDARS = (CALENDAR_ALWAYS, "XNYS", "XNAS")  # known without exchange_calendars, which is slow to import


@dataclass(slots=True)
class FileDataset:
    """A recorded market. `path` is a file, a folder or a glob; all its files are read, in the order of their names.

    `bad_files` says what happens to an input that cannot be read: `raise` stops the run, `skip` leaves it out, and the
    report names it.
    """

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
    implausible: Literal["raise", "warn"] = field(default="raise", kw_only=True)
    instruments: dict[str, Any] = field(default_factory=dict, kw_only=True)
    bad_files: Literal["raise", "skip"] = field(default="raise", kw_only=True)

    @property
    def label(self) -> str:
        """The name of the source in titles."""
        return self.name

    def find_instrument(self, symbol: str) -> Instrument:
        """Return what belongs to a symbol, by `instruments`, else by the dataset."""
        return find_instrument(
            symbol, self.instruments, tick=self.tick, size_unit=self.size_unit, calendar=self.calendar
        )

    def __post_init__(self) -> None:
        _check_limits(self.max_sessions, self.max_events)
        require(bool(self.path), f"dataset.path is missing: give the {self.name} file, as in dataset.path=data/file.")
        if not files(self.path):
            raise ConfigError(describe_missing_path(self.path))
        require_one_of("dataset.bad_files", self.bad_files, ("raise", "skip"))
        require_one_of("dataset.implausible", self.implausible, ("raise", "warn"))
        check_tick("dataset.tick", self.tick)
        check_size_unit("dataset.size_unit", self.size_unit)
        _check_calendar("dataset.calendar", self.calendar)
        check_instruments(self.instruments, _check_calendar)
        require(
            self.levels is None or 1 <= self.levels <= 100, "dataset.levels must lie between 1 and 100, or be null."
        )
        _check_hours(self.hours)
        for key in ("first_date", "last_date"):
            date = getattr(self, key)
            require(date is None or _is_date(date), f"dataset.{key}={date} is not a date: write 2024-10-21, or null.")
        require(
            not (self.first_date and self.last_date) or str(self.first_date) <= str(self.last_date),
            "dataset.first_date must not be later than dataset.last_date.",
        )


def _check_calendar(key: str, name: str) -> None:
    if name in (AUTO, *CALENDARS):
        return
    from exchange_calendars import get_calendar_names  # takes a second to load

    names = get_calendar_names()
    close = difflib.get_close_matches(name, names, n=3)
    hint = f"; did you mean {', '.join(close)}?" if close else ", such as XNYS, CMES or 24/7."
    require(name in names, f"{key}={name} is not a calendar of exchange_calendars{hint}")


def _check_hours(hours: Any) -> None:
    if hours in ("regular", "all"):
        return
    ok = isinstance(hours, list) and len(hours) == 2
    ok = ok and all(isinstance(h, str) and re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d", h) for h in hours)
    require(
        ok and hours[0] < hours[1],
        "dataset.hours must be regular, all, or two exchange-local times in order, as in "
        "dataset.hours=['09:30','16:00'].",
    )


def _is_date(text: str) -> bool:
    try:
        return dt.date.fromisoformat(text).isoformat() == text  # dates are compared as text
    except ValueError:
        return False


def _check_limits(max_sessions: int | None, max_events: int | None) -> None:
    for key, limit in (("max_sessions", max_sessions), ("max_events", max_events)):
        require(limit is None or limit >= 1, f"dataset.{key} must be at least 1, or null.")
        require(limit is None or limit < 1 << 62, f"dataset.{key} must be below 2^62; null takes all.")


@dataclass(frozen=True, slots=True)
class Source:
    """What the config knows of a source: the name of a reader's record and the schema of its YAML (`data.readers`)."""

    name: str
    config: type[FileDataset]


SOURCES: Registry[Source] = Registry(FOLDERS["dataset"], Source)

DATASETS: Schemas[SyntheticDataset | FileDataset] = Schemas(SOURCES, dict.fromkeys(SYNTHETIC, SyntheticDataset))
