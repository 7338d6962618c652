"""The schemas of data: recorded and simulated markets."""

import datetime as dt
import difflib
import re
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Literal

from ofiml.config.bounds import SEED, Schema, between, longer_than_0
from ofiml.config.checks import require
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


def _a_limit(key: str, value: int) -> None:
    """Require at least 1, or null for all."""
    require(value >= 1, f"{key} must be at least 1, or null.")
    require(value < 1 << 62, f"{key} must be below 2^62; null takes all.")


@dataclass(slots=True)
class SyntheticDataset(Schema):
    """A simulated market; docs/market.md explains the keys. `impact` is Λ in ticks per lot, one row per symbol."""

    GROUP: ClassVar[str] = "dataset"

    name: str
    seed: Annotated[int, SEED]
    sessions: Annotated[int, between(1, MOST_DAYS)]
    session_length: Annotated[str, longer_than_0]
    levels: Annotated[int, between(1, 10)]
    tick: Annotated[float, between(1e-9, 1e6)]
    start_price: float
    limit_rate: Annotated[float, between(1e-3, 1e5)]
    cancel_rate: Annotated[float, between(1e-4, 1e3)]
    resilience: Annotated[float, between(0, 1e4)]
    half_spread: Annotated[float, between(0, 1000)]
    placement: Annotated[float, between(0, 1000)]
    crowd: Annotated[float, between(1e-3, 1e6)]
    size_scale: Annotated[float, between(0.01, 1e6)]
    large_limit_orders: Annotated[float, between(0, 1)]
    large_market_orders: Annotated[float, between(0, 1)]
    volatility: Annotated[float, between(0, 1000)]
    u_shape: Annotated[float, between(0, 0.99)]
    clustering: Annotated[float, between(0, 0.95)]
    clustering_decay: Annotated[str, longer_than_0]
    stirring: Annotated[float, between(0, 0.95)]
    period: Annotated[str, longer_than_0]
    uninformed_orders: Annotated[float, between(0, 1e7)]
    excitation: Annotated[float, between(0, 0.95)]
    excitation_cross: Annotated[float, between(0, 1)]
    excitation_decay: Annotated[str, longer_than_0]
    state_dependence: Annotated[float, between(0, 1)]
    usual_spread: Annotated[float, between(1, 1e4)]
    usual_queue: Annotated[float, between(1, 1e9)]
    informed_probability: Annotated[float, between(0, 1)]
    informed_orders: Annotated[float, between(0, 1e7)]
    informed_decay: Annotated[str, longer_than_0]
    session_variation: Annotated[float, between(0, 0.9)]
    impact: list[list[float]]
    max_sessions: Annotated[int | None, _a_limit]
    max_events: Annotated[int | None, _a_limit]
    instruments: dict[str, Any] = field(default_factory=dict, kw_only=True)
    news_move: Annotated[float, between(0, 1000)] = field(default=0.0, kw_only=True)
    news_decay: Annotated[str, longer_than_0] = field(default="10s", kw_only=True)
    quote_reaction: Annotated[float, between(0, 1)] = field(default=0.0, kw_only=True)
    permanent_impact: Annotated[float, between(0, 1)] = field(default=1.0, kw_only=True)
    impact_decay: Annotated[str, longer_than_0] = field(default="10s", kw_only=True)

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
        Schema.__post_init__(self)
        check_instruments(self.instruments, _check_calendar)
        require(
            1000 * self.tick <= self.start_price <= 1e6,
            "dataset.start_price must lie between 1000 ticks, so that no bid falls to 0, and 1e6.",
        )
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
        square = all(len(row) == len(self.impact) for row in self.impact) and 1 <= len(self.impact) <= 64
        require(square, "dataset.impact must be a square matrix of 1 to 64 symbols, as in [[0.02]].")
        slopes = [slope for row in self.impact for slope in row]
        require(all(abs(s) <= 1e3 for s in slopes), "dataset.impact: each slope must lie between -1000 and 1000.")
        for symbol in self.symbols:
            for key in {"tick", "size_unit"} & set(collect_keys(symbol, self.instruments)):
                remedy = "set dataset.tick" if key == "tick" else "a simulated lot is one unit"
                raise ConfigError(f"dataset.instruments has a {key} of {symbol}, which is simulated: {remedy}.")


AUTO = CALENDAR_AUTO
CALENDARS = (CALENDAR_ALWAYS, "XNYS", "XNAS")  # known without exchange_calendars, which is slow to import


@dataclass(slots=True)
class FileDataset(Schema):
    """A recorded market. `path` is a file, a folder or a glob; all its files are read, in the order of their names.

    `bad_files` says what happens to an input that cannot be read: `raise` stops the run, `skip` leaves it out, and the
    report names it.
    """

    GROUP: ClassVar[str] = "dataset"

    name: str
    path: str
    symbols: list[str] | None
    calendar: str
    hours: Any
    first_date: str | None
    last_date: str | None
    tick: Annotated[float, check_tick]
    size_unit: Annotated[float, check_size_unit]
    levels: Annotated[int | None, between(1, 100, ", or be null")]
    policy: Policy
    store: str | None
    max_sessions: Annotated[int | None, _a_limit]
    max_events: Annotated[int | None, _a_limit]
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
        require(bool(self.path), f"dataset.path is missing: give the {self.name} file, as in dataset.path=data/file.")
        if not files(self.path):
            raise ConfigError(describe_missing_path(self.path))
        Schema.__post_init__(self)
        _check_calendar("dataset.calendar", self.calendar)
        check_instruments(self.instruments, _check_calendar)
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


@dataclass(frozen=True, slots=True)
class Source:
    """What the config knows of a source: the name of a reader's record and the schema of its YAML (`data.readers`)."""

    name: str
    config: type[FileDataset]


SOURCES: Registry[Source] = Registry(FOLDERS["dataset"], Source)

DATASETS: Schemas[SyntheticDataset | FileDataset] = Schemas(SOURCES, dict.fromkeys(SYNTHETIC, SyntheticDataset))
