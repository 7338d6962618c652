"""Instruments: what a lot of a symbol is, in which currency it is settled, and what a trade costs.

`dataset.instruments` maps patterns of symbols to some of the keys below. For each key the first matching pattern that
has it counts. A name without wildcards comes before all patterns, and `*` after them, wherever they stand.
"""

import fnmatch
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Literal, Self

from ofiml.config.checks import require

CALENDAR_AUTO = "auto"  # the calendar of the exchange that the source states
CALENDAR_ALWAYS = "24/7"  # UTC days, every day of the year

Contract = Literal["linear", "inverse"]
CONTRACTS: tuple[Contract, ...] = ("linear", "inverse")
_NUMBERS = (int, float)
_MAX_FEE = 1e9


@dataclass(frozen=True, slots=True)
class Fees:
    """The fees of a trade, in the settlement currency; a negative one is a rebate.

    `per_unit` is of one unit of the underlying (a share, a coin), `per_contract` of one contract, and `bps` of the
    absolute value traded. `minimum` is the least commission of an order that trades, 0 for none.
    """

    per_unit: float = 0.0
    per_contract: float = 0.0
    bps: float = 0.0
    minimum: float = 0.0


@dataclass(frozen=True, slots=True)
class Instrument:
    """What belongs to one symbol.

    `tick` is in the quote currency and `size_unit` is the lot in contracts (shares or coins, if the contract is one).
    `multiplier` is the money of a contract. A `linear` contract at price P is worth `multiplier` P in the settlement
    currency, an `inverse` one `multiplier` / P. What a `seller` pays is added to each sale, of takers and makers, and
    has no minimum. `days_per_year` is None where the calendar decides. `stated` is whether `dataset.instruments` has
    fees of the symbol.
    """

    tick: float
    size_unit: float
    calendar: str
    contract: Contract = "linear"
    multiplier: float = 1.0
    quote: str = ""
    settlement: str = ""
    taker: Fees = Fees()
    maker: Fees = Fees()
    seller: Fees = Fees()
    days_per_year: int | None = None
    stated: bool = False

    @property
    def currency(self) -> str:
        """The name of the settlement currency; "currency" if nothing states it."""
        return self.settlement or (self.quote if self.contract == "linear" else "") or "currency"

    @property
    def trading_days(self) -> int:
        """Number of trading days a year: 365 on a calendar without holidays, else 252, unless stated."""
        return self.days_per_year or (365 if self.calendar == CALENDAR_ALWAYS else 252)

    def with_calendar(self, calendar: str) -> Self:
        """Return the instrument with the calendar that `auto` stands for."""
        return replace(self, calendar=calendar)

    def with_fees(self, quote: str, fees: Fees, seller: Fees = Fees()) -> Self:
        """Return the instrument with fees, of makers and takers and of sellers, that its config does not state."""
        return replace(self, quote=self.quote or quote, taker=fees, maker=fees, seller=seller)


def find_instrument(
    symbol: str, instruments: Mapping[str, Any], *, tick: float, size_unit: float, calendar: str
) -> Instrument:
    """Find what belongs to a symbol; `tick`, `size_unit` and `calendar` are those of the dataset.

    Makers pay what takers pay unless their fees are stated, and sellers then pay no more than buyers. Raises
    ConfigError for keys that do not go together.
    """
    keys = collect_keys(symbol, instruments)
    taker = keys.get("taker")
    maker = keys.get("maker", taker)
    instrument = Instrument(
        tick=float(keys.get("tick", tick)),
        size_unit=float(keys.get("size_unit", size_unit)),
        calendar=str(keys.get("calendar", calendar)),
        contract=keys.get("contract", "linear"),
        multiplier=float(keys.get("multiplier", 1.0)),
        quote=keys.get("quote", ""),
        settlement=keys.get("settlement", ""),
        taker=_build_fees(taker or {}),
        maker=_build_fees(maker or {}),
        seller=_build_fees(keys.get("seller", {})),
        days_per_year=keys.get("days_per_year"),
        stated=taker is not None,
    )
    require(
        taker is not None or not {"maker", "seller"} & keys.keys(),
        f"dataset.instruments of {symbol}: fees of makers or sellers without taker fees; give taker, too.",
    )
    _check_combination(symbol, instrument)
    return instrument


def collect_keys(symbol: str, instruments: Mapping[str, Any]) -> dict[str, Any]:
    """Collect the keys of a symbol from all patterns that match it; fees are collected key by key, too."""
    matching = [pattern for pattern in instruments if _matches(symbol, pattern)]
    keys: dict[str, Any] = {}
    for pattern in sorted(matching, key=lambda pattern: (pattern != symbol, pattern == "*")):  # a stable sort
        for key, value in instruments[pattern].items():
            keys[key] = value | keys.get(key, {}) if isinstance(value, dict) else keys.get(key, value)
    return keys


def list_unfitting_patterns(instruments: Mapping[str, Any], symbols: Iterable[str]) -> list[str]:
    """List the patterns of `dataset.instruments` that match none of the symbols.

    >>> list_unfitting_patterns({"*": {}, "BTC*": {}, "ETHUSD": {}}, ["BTCUSDT", "ETHUSDT"])
    ['ETHUSD']
    """
    known = set(symbols)
    return [pattern for pattern in instruments if not any(_matches(symbol, pattern) for symbol in known)]


def _matches(symbol: str, pattern: str) -> bool:
    return symbol == pattern or fnmatch.fnmatchcase(symbol, pattern)


def find_sector(symbol: str, instruments: Mapping[str, Any]) -> str:
    """Find the sector of a symbol; "" if nothing states it."""
    return str(collect_keys(symbol, instruments).get("sector", ""))


def check_instruments(instruments: Mapping[str, Any], check_calendar: Callable[[str, str], None]) -> None:
    """Check the keys and values of each pattern of `dataset.instruments`. Raises ConfigError.

    `check_calendar(key, name)` raises ConfigError for a calendar that does not exist.
    """
    for pattern, own in instruments.items():
        path = f"dataset.instruments.{pattern}"
        require(
            isinstance(own, dict), f"{path} must be a mapping of {', '.join(_CHECKS)}, such as {{taker: {{bps: 5}}}}."
        )
        for key, value in own.items():
            require(key in _CHECKS, f"Unknown key {path}.{key}: an instrument has {', '.join(_CHECKS)}.")
            _CHECKS[key](f"{path}.{key}", value)
        if "calendar" in own:
            check_calendar(f"{path}.calendar", own["calendar"])


def check_tick(key: str, value: Any) -> None:
    """Require a number from 1e-9 to 1e6, or raise ConfigError."""
    _check_number(key, value, 1e-9, 1e6)


def check_size_unit(key: str, value: Any) -> None:
    """Require a number from 1e-12 to 1e9, or raise ConfigError."""
    _check_number(key, value, 1e-12, 1e9)


def _check_number(key: str, value: Any, low: float, high: float) -> None:
    require(isinstance(value, _NUMBERS) and not isinstance(value, bool), f"{key}={value!r} is not a number.")
    require(low <= value <= high, f"{key} must lie between {low:g} and {high:g}.")


def _check_text(key: str, value: Any) -> None:
    require(isinstance(value, str) and value != "", f"{key}={value!r} is not a name.")


def _check_days(key: str, value: Any) -> None:
    whole = isinstance(value, int) and not isinstance(value, bool)
    require(whole and 1 <= value <= 366, f"{key}={value!r} must be a whole number from 1 to 366.")


def _check_fees(path: str, own: Any) -> None:
    names = [f.name for f in fields(Fees)]
    require(isinstance(own, dict), f"{path} must be a mapping of {', '.join(names)}, such as {{bps: 5}}.")
    for key, value in own.items():
        require(key in names, f"Unknown key {path}.{key}: fees are {', '.join(names)}.")
        _check_number(f"{path}.{key}", value, 0.0 if key == "minimum" else -_MAX_FEE, _MAX_FEE)


def _check_seller(path: str, own: Any) -> None:
    _check_fees(path, own)
    require("minimum" not in own, f"{path}.minimum: what sellers pay has no minimum of its own; leave it out.")


def _check_contract(key: str, value: Any) -> None:
    require(value in CONTRACTS, f"{key}={value} is not one of {', '.join(CONTRACTS)}.")


_CHECKS: dict[str, Callable[[str, Any], None]] = {
    "tick": check_tick,
    "size_unit": check_size_unit,
    "calendar": _check_text,
    "contract": _check_contract,
    "multiplier": lambda key, value: _check_number(key, value, 1e-12, 1e12),
    "quote": _check_text,
    "settlement": _check_text,
    "taker": _check_fees,
    "maker": _check_fees,
    "seller": _check_seller,
    "days_per_year": _check_days,
    "sector": _check_text,
}


def _check_combination(symbol: str, instrument: Instrument) -> None:
    """Raise ConfigError for an inverse contract without settlement or with a fee per coin."""
    path = f"dataset.instruments of {symbol}"
    if instrument.contract == "linear":
        return
    require(
        instrument.settlement != "",
        f"{path}: an inverse contract is settled in its coin, so settlement is needed, as in settlement: BTC.",
    )
    require(
        all(fees.per_unit == 0 for fees in (instrument.taker, instrument.maker, instrument.seller)),
        f"{path}: an inverse contract has no fee per unit; use bps or per_contract.",
    )


def _build_fees(keys: Mapping[str, Any]) -> Fees:
    return Fees(**{key: float(value) for key, value in keys.items()})
