"""The instruments of a backtest: what the config states, what may be assumed, and what must be stated.

US shares and the embedded market have usual fees. Any other symbol must state its own, because a wrong instrument turns
any forecast into any profit: a coin is not a share, and a point of a future is not a dollar.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from ofiml.config import Fees, FileDataset, Instrument, SyntheticDataset
from ofiml.config.dataset import AUTO
from ofiml.config.instrument import list_unfitting_patterns
from ofiml.errors import ConfigError

EMBEDDED = Fees(per_unit=0.001)  # of the embedded market, whose money has no name
# conf/instrument/us_equities.yaml explains them.
US_EQUITIES = Fees(per_unit=0.005)
US_SALES = Fees(per_unit=0.000195, bps=0.206)
_US_CALENDARS = {"XNYS", "XNAS", "NYSE", "NASDAQ", "AMEX", "ARCX", "BATS"}

_LONG_QUOTES = "USDT|USDC|BUSD|FDUSD|TUSD"
# A US ticker has at most five letters, so a longer name that ends in a currency is a pair (not GBTC, a fund).
_PAIR = re.compile(
    rf"XBT\w*|[A-Z0-9]{{2,}}({_LONG_QUOTES})|[A-Z0-9]{{3,}}(BTC|ETH|BNB|USD|EUR|JPY|KRW)"
    rf"|.*[-_/:](PERP|PERPETUAL|SWAP|{_LONG_QUOTES}|BTC|ETH|USD|EUR|JPY|KRW)([-_:].*)?|(KRW|USDT|BTC)-[A-Z0-9]+"
)
_INVERSE = re.compile(r"XBTUSD|XBT[FGHJKMNQUVXZ]\d+|[A-Z0-9]+[-_/]?USD([-_:].*|[FGHJKMNQUVXZ]?\d*)")
_FUTURE = re.compile(
    r"(ES|MES|NQ|MNQ|RTY|M2K|YM|MYM|CL|MCL|QM|BZ|NG|RB|HO|GC|MGC|SI|HG|PL|PA|Z[BNFTQCSWML]|UB|TN|SR3|GE|6[ABCEJMNS]|M6E"
    r"|HE|LE|GF|BTC|MBT|ETH|MET|NKD|VX)([FGHJKMNQUVXZ]\d{1,2}|\.(FUT|[CNV]\.\d+))(-.*)?"
)
_INVERSE_PRESETS = ("bitmex_xbtusd", "bybit_inverse", "binance_coinm")
_CME = {"ES": "cme_es", "NQ": "cme_nq", "CL": "cme_cl", "6E": "cme_6e"}


@dataclass(frozen=True, slots=True)
class Listing:
    """A symbol of the data: its `calendar`, that of the exchange which the source states (`home`), and the source."""

    symbol: str
    calendar: str | None
    home: str | None
    source: str


@dataclass(frozen=True, slots=True)
class AssignedInstrument:
    """The instrument of a symbol, and what was `assumed` about its fees; None if the config states them."""

    symbol: str
    instrument: Instrument
    assumed: str | None


def assign_instruments(
    listings: Iterable[Listing], dataset: SyntheticDataset | FileDataset
) -> dict[str, AssignedInstrument]:
    """Assign its instrument to each symbol.

    Raises ConfigError, with the presets that fit, for a symbol whose fees are neither stated nor usual, and for symbols
    that are settled in several currencies, because their money cannot be added.
    """
    assigned: dict[str, AssignedInstrument] = {}
    for listing in listings:
        if listing.symbol not in assigned:
            assigned[listing.symbol] = _assign(listing, dataset)
    currencies: dict[str, str] = {}
    for symbol, one in assigned.items():
        currencies.setdefault(one.instrument.currency, symbol)
    if len(currencies) > 1:
        named = ", ".join(f"{symbol} in {currency}" for currency, symbol in currencies.items())
        raise ConfigError(
            f"The backtest adds the money of all symbols, but they are settled in several currencies ({named}): choose "
            "those of one currency with dataset.symbols=[…], or use backtest=off."
        )
    return assigned


def describe_unfitting_patterns(dataset: SyntheticDataset | FileDataset, symbols: Iterable[str]) -> list[str]:
    """Describe the patterns of `dataset.instruments` that match no symbol of the data, without a full stop.

    They are no error, because several datasets may share one table of instruments; but a mistyped one hides fees.
    """
    known = dataset.symbols if isinstance(dataset, SyntheticDataset) else sorted(set(symbols))
    unfitting = list_unfitting_patterns(dataset.instruments, known)
    if not unfitting or not known:
        return []
    return [f"dataset.instruments has {', '.join(unfitting)}, but the symbols that were read are {_list_some(known)}"]


def _list_some(names: list[str], most: int = 5) -> str:
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} others"


def describe_instrument(instrument: Instrument) -> str:
    """Describe contract, money and fees, without a full stop."""
    i = instrument
    contract = f"{i.contract}, multiplier {i.multiplier:.10g}, " if i.contract == "inverse" or i.multiplier != 1 else ""
    makers = "the same" if i.maker == i.taker else describe_fees(i.maker, i.currency)
    sellers = f", sellers {describe_fees(i.seller, i.currency)} more" if i.seller != Fees() else ""
    return (
        f"{contract}settled in {i.currency}, {i.trading_days} days a year; takers pay "
        f"{describe_fees(i.taker, i.currency)}, makers {makers}{sellers}"
    )


def describe_fees(fees: Fees, currency: str) -> str:
    """Describe the fees of a trade.

    >>> describe_fees(Fees(per_unit=0.0035, minimum=0.35), "USD")
    '0.0035 USD a unit, at least 0.35 USD an order'
    """
    parts = [
        *([f"{fees.per_unit:.10g} {currency} a unit"] if fees.per_unit else []),
        *([f"{fees.per_contract:.10g} {currency} a contract"] if fees.per_contract else []),
        *([f"{fees.bps:.10g} bps"] if fees.bps else []),
    ]
    least = f", at least {fees.minimum:.10g} {currency} an order" if fees.minimum else ""
    return (" and ".join(parts) or "nothing") + least


def suggest_presets(symbol: str, source: str) -> list[str]:
    """List the presets of conf/instrument that fit a symbol; `source` (a file, a dataset) may name the exchange."""
    name, where = symbol.upper(), source.lower()
    future = _FUTURE.fullmatch(name)
    if future or name in _CME:
        preset = _CME.get(future[1] if future else name)
        return [preset] if preset else []
    if not _PAIR.fullmatch(name):
        return []
    venues = [venue for venue in ("binance", "bybit", "bitmex") if venue in where]
    if _INVERSE.fullmatch(name):  # the same name may be a coin against dollars, for example on Coinbase
        if name.startswith("XBT") and venues in ([], ["bitmex"]):
            return ["bitmex_xbtusd"]
        found = ["bybit_inverse", "binance_coinm"] if venues or "PERP" in name else []
    else:
        found = ["binance_usdm", "binance_spot", "bybit_linear"] if re.search("USD[TC]", name) else []
    return [preset for preset in found if not venues or preset.startswith(tuple(venues))]


def _assign(listing: Listing, dataset: SyntheticDataset | FileDataset) -> AssignedInstrument:
    symbol = listing.symbol
    instrument = dataset.find_instrument(symbol)
    if instrument.calendar == AUTO and listing.calendar is not None:
        instrument = instrument.with_calendar(listing.calendar)
    if instrument.stated:
        return AssignedInstrument(symbol, instrument, None)
    has_money = bool(instrument.settlement or instrument.contract == "inverse" or instrument.multiplier != 1)
    if isinstance(dataset, SyntheticDataset):
        return AssignedInstrument(symbol, instrument.with_fees("", EMBEDDED), "the embedded market's")
    if not has_money and instrument.quote in ("", "USD") and _is_us_share(listing, instrument):
        return AssignedInstrument(symbol, instrument.with_fees("USD", US_EQUITIES, US_SALES), "us_equities")
    raise ConfigError(_explain_missing(listing, dataset))


def _is_us_share(listing: Listing, instrument: Instrument) -> bool:
    """Return whether nothing speaks against a US share: calendar, exchange and name."""
    name = listing.symbol.upper()
    calendars = {instrument.calendar, *([] if listing.home is None else [listing.home])}
    return calendars <= _US_CALENDARS and not _PAIR.fullmatch(name) and not _FUTURE.fullmatch(name)


def _explain_missing(listing: Listing, dataset: FileDataset) -> str:
    """Explain that fees are missing, and how to state them."""
    symbol = listing.symbol
    presets = suggest_presets(symbol, f"{dataset.name} {listing.source} {listing.home or ''}")
    patterns = [pattern for pattern, own in dataset.instruments.items() if "taker" in own]
    hint = f" No pattern with fees in dataset.instruments ({', '.join(patterns)}) matches it." if patterns else ""
    named = " or ".join(f"instrument={preset}" for preset in presets)
    choice = f"choose {named or 'its instrument, if ofiml run --help lists it'}, or "
    key = symbol if re.fullmatch(r"[\w.-]+", symbol) else "*"
    own = "taker: {bps: 5}, quote: USD"
    if any(preset in _INVERSE_PRESETS for preset in presets):
        own = "contract: inverse, settlement: BTC, taker: {bps: 5}"
    elif _FUTURE.fullmatch(symbol.upper()):
        own = "multiplier: 50, quote: USD, taker: {per_contract: 2.5}"
    return (
        f"The fees and the currency of {symbol} are unknown, and it is not recognised as a US share: {choice}write its "
        f"own, as in 'dataset.instruments={{{key}: {{{own}}}}}', or use backtest=off (docs/instruments.md).{hint}"
    )
