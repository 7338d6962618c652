"""The schemas of data: recorded and simulated markets, and the policy for irregular rows."""

import datetime as dt
import difflib
import fnmatch
import importlib
import re
from dataclasses import dataclass, field, fields
from typing import Any, Literal

from ofiml.config.checks import require, require_one_of, require_seed
from ofiml.config.paths import describe_missing_path, files
from ofiml.config.registry import Schemas
from ofiml.errors import ConfigError
from ofiml.units import SECOND, parse_duration


@dataclass(slots=True)
class Policy:
    """The policy for irregular rows, by cause: `raise` stops the run, `drop` drops and counts them, `keep` counts them.

    A cause has only the choices that make sense for it: a row that cannot be read cannot be kept.
    """

    unreadable: str = "raise"  # a missing cell, or one that cannot be read
    negative_size: str = "raise"
    zero_size: str = "raise"  # a level with a price but no size
    sentinel: str = "keep"  # a number that stands for no price; if kept, the level is missing
    crossed: str = "raise"  # the best bid above the best ask
    locked: str = "keep"  # the best bid equal to the best ask
    one_sided: str = "keep"  # no bid, or no ask
    order: str = "raise"  # levels out of order, or with a gap
    clock: str = "raise"  # an event over a second later than its receipt; if kept, both clocks stay as they are
    time_reversal: str = "raise"  # receipts that run back; if kept, a neighbouring row's receipt replaces them
    sequence: str = "keep"  # sequence numbers that run back
    duplicate: str = "keep"  # a resting-order row equal to the row before it, sequence number included
    gap: str = "keep"  # missing sequence numbers; if kept, no flow is measured across the gap
    no_effect: str = "keep"  # an order event that does not change the shown book
    halt: str = "keep"  # if kept, no flow is measured across it
    unknown_order: str = "keep"  # a message about an order or level that is not in the book
    excess_size: str = "keep"  # a cancel or trade of more than the order's remaining size
    order_twice: str = "keep"  # a new order with the id of a resting order
    swept_level: str = "keep"  # a level that a later message proves to be gone
    no_snapshot: str = "drop"  # updates and trades while the book is unknown

    def choices(self, cause: str) -> tuple[str, ...]:
        """List the possible policies of a cause."""
        if cause in ("unreadable", "negative_size"):
            return "raise", "drop"
        if cause in ("gap", "halt", "unknown_order", "excess_size", "order_twice", "swept_level"):
            return "raise", "keep"
        return "raise", "drop", "keep"

    def __post_init__(self) -> None:
        for f in fields(self):
            require_one_of(f"dataset.policy.{f.name}", getattr(self, f.name), self.choices(f.name))


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

    @property
    def label(self) -> str:
        """The name of the market in titles; a market without information ends in `_null`."""
        nothing = not self.informed_probability * self.informed_orders
        return f"{self.name}_null" if nothing and not self.name.endswith("_null") else self.name

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

    def __post_init__(self) -> None:
        _check_limits(self.max_sessions, self.max_events)
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
            ("session_variation", 0.0, 0.9),
        ):
            require(low <= getattr(self, key) <= high, f"dataset.{key} must lie between {low:g} and {high:g}.")
        for key in ("session_length", "clustering_decay", "period", "excitation_decay", "informed_decay"):
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


AUTO = "auto"  # the calendar of the exchange that the source states
CALENDARS = ("24/7", "XNYS", "XNAS")  # known without exchange_calendars, which is slow to import


@dataclass(frozen=True, slots=True)
class Instrument:
    """What belongs to one symbol: its `tick` in currency, the size of its lot, and its calendar."""

    tick: float
    size_unit: float
    calendar: str


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
        """Return what belongs to a symbol: by the first matching pattern of `instruments`, else the dataset's."""
        own: dict[str, Any] = next(
            (v for pattern, v in self.instruments.items() if fnmatch.fnmatchcase(symbol, pattern)), {}
        )
        return Instrument(
            float(own.get("tick", self.tick)),
            float(own.get("size_unit", self.size_unit)),
            str(own.get("calendar", self.calendar)),
        )

    def __post_init__(self) -> None:
        _check_limits(self.max_sessions, self.max_events)
        require(bool(self.path), f"dataset.path is missing: give the {self.name} file, as in dataset.path=data/file.")
        if not files(self.path):
            raise ConfigError(describe_missing_path(self.path))
        require_one_of("dataset.bad_files", self.bad_files, ("raise", "skip"))
        require_one_of("dataset.implausible", self.implausible, ("raise", "warn"))
        _check_instrument("dataset", Instrument(self.tick, self.size_unit, self.calendar))
        for pattern, own in self.instruments.items():
            _check_own_instrument(f"dataset.instruments.{pattern}", own)
            _check_instrument(f"dataset.instruments.{pattern}", self.find_instrument(pattern))
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


def _check_own_instrument(path: str, own: Any) -> None:
    """Raise ConfigError for anything but a mapping of numbers and a calendar."""
    kinds = {"tick": (int, float), "size_unit": (int, float), "calendar": (str,)}
    require(isinstance(own, dict), f"{path} must be a mapping of {', '.join(kinds)}, such as {{tick: 0.25}}.")
    for key, value in own.items():
        require(key in kinds, f"Unknown key {path}.{key}: an instrument has {', '.join(kinds)}.")
        sound = isinstance(value, kinds[key]) and not isinstance(value, bool)
        require(sound, f"{path}.{key}={value!r} is not {'a calendar' if key == 'calendar' else 'a number'}.")


def _check_instrument(path: str, instrument: Instrument) -> None:
    _check_calendar(f"{path}.calendar", instrument.calendar)
    require(1e-9 <= instrument.tick <= 1e6, f"{path}.tick must lie between 1e-9 and 1e6.")
    require(1e-12 <= instrument.size_unit <= 1e9, f"{path}.size_unit must lie between 1e-12 and 1e9.")


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
    require(max_sessions is None or max_sessions >= 1, "dataset.max_sessions must be at least 1, or null.")
    require(max_events is None or max_events >= 1, "dataset.max_events must be at least 1, or null.")


SYNTHETIC = ("synthetic", "synthetic_null", "synthetic_basket", "synthetic_large_tick", "synthetic_small_tick")


DATASETS: Schemas[SyntheticDataset | FileDataset] = Schemas(
    lambda: importlib.import_module("ofiml.data.readers").READERS, dict.fromkeys(SYNTHETIC, SyntheticDataset)
)
