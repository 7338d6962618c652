"""From rows of AlgoSeek's TAQ to events; the package's docstring states the rules."""

from collections.abc import Iterator, Sequence

import polars as pl

from ofiml.data.checks import Check, Checker
from ofiml.data.feed import (
    Blob,
    Feed,
    split_by_symbol,
    unpack_file,
)
from ofiml.data.formats import csv as text
from ofiml.data.formats import timestamps as wall_clock
from ofiml.data.readers.algoseek import AlgoseekDataset
from ofiml.data.schema import (
    ACTION,
    F_LAST,
    F_SNAPSHOT,
    NO_PRICE,
    SIDE,
)
from ofiml.errors import DataError

_NEEDED = ["Date", "Timestamp", "EventType", "Ticker", "Price", "Quantity", "Exchange", "Conditions"]
_ZONE = "America/New_York"
_BID, _ASK, _BEST_BID, _BEST_ASK, _TRADE, _CANCELLED = range(6)
_TYPES = {
    "QUOTE BID": _BID,
    "QUOTE ASK": _ASK,
    "QUOTE BID NB": _BEST_BID,
    "QUOTE ASK NB": _BEST_ASK,
    "TRADE": _TRADE,
    "TRADE NB": _TRADE,
    "TRADE CANCELLED": _CANCELLED,
}
_BAND = 1 << 18 | 1 << 19  # of a quote's conditions: a limit-up limit-down price band, and its repetition
_OFFICIAL = 1 << 24 | 1 << 26  # of a trade's: the official close and open
_REFUSED = {
    "OrderNumber": "full depth, which is not supported: its documentation states neither its event types nor "
    "whether the size of a fill or cancel is the amount removed or the amount that remains",
    "TypeMask": "futures, which are not supported: their documentation does not list all type masks, nor which of them "
    "belong to implied quotes",
    "UTCDate": "futures, which are not supported: their layouts differ by year, and their documentation does not list "
    "all type masks",
    "OptionDetail": "options, which are not supported",
}


def read_feeds(files: Sequence[Blob], dataset: AlgoseekDataset) -> Iterator[Feed]:
    """Yield each symbol's quotes and trades in file order.

    Raises DataError for depth, futures and options, a missing column, quotes of ambiguous size, a venue without quotes,
    and rows that the policy refuses.
    """
    (blob,) = (unpack_file(f) for f in files)
    _check_header(blob, dataset.levels)
    checker = Checker(blob.name, dataset.policy)
    table = _add_times(text.read_csv(blob, _COLUMNS, checker), checker)
    table = _convert_to_lots(table, dataset, checker)
    for symbol, rows, its_checker in split_by_symbol(table, blob.name, dataset.symbols, checker):
        events = _make_events(rows, dataset.venue, blob.name)
        yield Feed(symbol, events, 1, rows.height + sum(its_checker.dropped.values()), its_checker)


def _check_header(blob: Blob, levels: int | None) -> None:
    header = text.read_header(blob)
    for column, what in _REFUSED.items():
        if column in header:
            raise DataError(f"{blob.name} looks like AlgoSeek's {what}. Give US Equity TAQ.")
    absent = [c for c in _NEEDED if c not in header]
    if absent == ["Date"]:
        raise DataError(f"{blob.name}, line 1: the column Date is missing, as in old files: add it (YYYYMMDD).")
    if absent:
        raise DataError(
            f"{blob.name}, line 1: the column {absent[0]} is missing; US Equity TAQ has {', '.join(_NEEDED)}."
        )
    if levels not in (None, 1):
        raise DataError(f"{blob.name}: TAQ has one level, not dataset.levels={levels}.")


def _parse_date(x: pl.Expr) -> pl.Expr:
    known = pl.when(x.str.contains(r"^(19[7-9]|20\d|21\d)\d{5}$")).then(x)
    return known.str.to_date("%Y%m%d", strict=False)


def _parse_time(x: pl.Expr) -> pl.Expr:
    known = pl.when(x.str.contains(r"^\d\d:\d\d:[0-5]\d(\.\d{1,9})?$")).then(x)
    return known.str.to_time("%H:%M:%S%.f", strict=False)


def _parse_mask(x: pl.Expr) -> pl.Expr:
    known = pl.when(x.str.contains(r"^[0-9A-Fa-f]{1,8}$")).then(x)
    return known.str.to_integer(base=16, dtype=pl.Int64, strict=False)


_COLUMNS = {
    "Date": text.Column(pl.String(), _parse_date),
    "Timestamp": text.Column(pl.String(), _parse_time),
    "EventType": text.mapped(_TYPES, pl.UInt8()),
    "Ticker": text.word(),
    "Price": text.price(),
    "Quantity": text.integer(),
    "Exchange": text.word(),
    "Conditions": text.Column(pl.String(), _parse_mask),
}


def _add_times(table: pl.DataFrame, checker: Checker) -> pl.DataFrame:
    stamp = wall_clock.to_utc(pl.col("Date").dt.combine(pl.col("Timestamp"), "ns"), _ZONE)
    table = table.with_columns(stamp.alias("stamp"), pl.col("Ticker").alias("symbol"))
    what = "{Date} {Timestamp} does not exist in New York, or exists twice"
    return checker.apply(table, [Check("unreadable", "Timestamp", pl.col("stamp").is_null(), what)])


def _convert_to_lots(table: pl.DataFrame, config: AlgoseekDataset, checker: Checker) -> pl.DataFrame:
    """Add `size` in lots. Raises DataError if quote sizes may be in shares or in round lots."""
    quote = pl.col("EventType") <= _BEST_ASK
    if config.quote_lot is None:
        odd = table.filter(quote & (pl.col("Quantity") % 100 != 0))
        if odd.height:
            raise DataError(
                f"{checker.source}, line {odd['line'][0]}: the quote's size is {odd['Quantity'][0]}, and the guide "
                "does not state whether quote sizes are shares or round lots: set dataset.quote_lot=1 or 100."
            )
    shares = pl.col("Quantity") * pl.when(quote).then(config.quote_lot or 1.0).otherwise(1.0)
    lots = shares / config.size_unit
    what = f"the size {{Quantity}} is not a multiple of dataset.size_unit={config.size_unit:g}"
    whole = (lots - lots.round()).abs() < 1e-6
    table = checker.apply(table, [Check("unreadable", "Quantity", ~whole, what)])
    return table.with_columns(lots.round().cast(pl.Int64).alias("size"))


def _make_events(rows: pl.DataFrame, venue: str | None, source: str) -> pl.DataFrame:
    kind = pl.col("EventType")
    if venue is None:
        bid, ask = kind == _BEST_BID, kind == _BEST_ASK
        trade = kind == _TRADE
    else:
        at_venue = pl.col("Exchange") == venue
        bid, ask = (at_venue & kind.is_in(pair) for pair in ([_BID, _BEST_BID], [_ASK, _BEST_ASK]))
        trade = at_venue & (kind == _TRADE)
    quote = (bid | ask) & (pl.col("Conditions") & _BAND == 0)
    trade &= (pl.col("Conditions") & _OFFICIAL == 0) & (pl.col("Quantity") > 0)
    events = rows.select("line", "stamp", "Price", "size", bid=quote & bid, ask=quote & ask, trade=trade)
    events = events.filter(pl.col("bid") | pl.col("ask") | pl.col("trade"))
    if not events["bid"].any() and not events["ask"].any():
        exchanges = ", ".join(rows["Exchange"].unique().sort().to_list()[:20])
        book = "the national best (QUOTE … NB)" if venue is None else f"dataset.venue={venue}"
        raise DataError(f"{source} contains no quote of {book}; its exchanges are {exchanges}. See dataset.venue.")
    exists = pl.col("Price").ne(0) & pl.col("size").ne(0)
    states = [
        pl.when(side).then(pl.when(exists).then(value).otherwise(missing)).forward_fill().alias(f"{side}_{q}_00")
        for side in ("bid", "ask")
        for q, value, missing in (("px", "Price", NO_PRICE), ("sz", "size", 0))
    ]
    # In a run of alternating bids and asks at one time, every second one belongs to the one before it.
    follows = (pl.col("stamp") == pl.col("stamp").shift(1)) & ~pl.col("trade") & ~pl.col("trade").shift(1)
    follows = (follows & (pl.col("bid") != pl.col("bid").shift(1))).fill_null(False)
    events = events.with_columns(*states, run=(~follows).cum_sum())
    second = pl.int_range(pl.len()).over("run") % 2 == 1
    events = events.with_columns(second=second).filter(~pl.col("second").shift(-1, fill_value=False))
    known = pl.col("bid_px_00").is_not_null() & pl.col("ask_px_00").is_not_null()
    # The first state of each side is a reference for flow, not flow itself.
    first = ~known.shift(1, fill_value=False)
    return events.select(
        "line",
        pl.col("stamp").alias("ts_event"),
        pl.col("stamp").alias("ts_recv"),
        pl.when("trade").then(pl.lit("T")).otherwise(pl.lit("M")).cast(ACTION).alias("action"),
        pl.lit("N", SIDE).alias("side"),
        pl.when("trade").then("Price").alias("price"),
        pl.when("trade").then("size").otherwise(0).alias("size"),
        pl.when(first).then(F_LAST | F_SNAPSHOT).otherwise(F_LAST).cast(pl.UInt8).alias("flags"),
        pl.col("line").cast(pl.Int64).alias("sequence"),
        *(pl.col(f"{side}_px_00").fill_null(NO_PRICE) for side in ("bid", "ask")),
        *(pl.col(f"{side}_sz_00").fill_null(0) for side in ("bid", "ask")),
        *(pl.lit(None, pl.UInt32).alias(f"{side}_ct_00") for side in ("bid", "ask")),
    )
