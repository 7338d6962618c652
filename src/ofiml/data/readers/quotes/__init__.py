"""Quotes and wide tables of any source, as CSV or Parquet: `dataset.columns` maps their columns.

Each row states the book, the best quotes or several levels, and is one message with action M, side N (a quote is not
an order), no price and size 0. A level without price and size, or with a size of 0, is missing; so is one with a price
of 0, unless `dataset.zero_price=quote`. Rows keep the file's order, unless they are not in order of time and the file
numbers them (`dataset.columns.sequence`). With `dataset.blank=unchanged` a blank repeats the value before it, also that
of the file before.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from ofiml.config import FileDataset
from ofiml.config.checks import require, require_one_of
from ofiml.data.readers import Chain, Deferred, Reader
from ofiml.data.readers.quotes.recognition import recognise_quotes
from ofiml.errors import ConfigError

if TYPE_CHECKING:
    from ofiml.data.feed import Blob

__all__ = ["ALL_EXCHANGES", "LEVEL", "NEEDED", "OPTIONAL", "READER", "QuotesDataset"]

NEEDED = ("time", "bid", "ask", "bid_size", "ask_size")
OPTIONAL = ("date", "received", "symbol", "suffix", "exchange", "sequence")
LEVEL = "{level}"  # in the name of a column: the number of the level, from 0 or 1
ALL_EXCHANGES = "all"
_SEPARATORS = ("comma", "semicolon", "tab", "pipe", "space")


@dataclass(slots=True)
class QuotesDataset(FileDataset):
    """Settings of quotes and wide tables; conf/dataset/quotes.yaml explains the keys.

    `columns` maps roles to the file's column names, null for none; `sizes` says whether the file's sizes count lots of
    `size_unit` or units; `price_unit` is what 1 stands for in the file's prices. `zero_price` says whether a
    price of 0 with a size is `missing` or a `quote`.
    """

    columns: dict[str, Any]
    time_zone: str
    sizes: str
    zero_price: str = "missing"
    time_format: str | None = None
    date_format: str | None = None
    blank: str | None = None
    exchange: str | None = None
    price_unit: float = 1.0
    header: list[str] | None = None
    separator: str | None = None
    decimal: str = "point"
    file_name: str | None = None

    def __post_init__(self) -> None:
        FileDataset.__post_init__(self)  # super() does not work in slots dataclasses before 3.14
        require_one_of("dataset.sizes", self.sizes, ("lots", "units"))
        require_one_of("dataset.zero_price", self.zero_price, ("missing", "quote"))
        require_one_of("dataset.decimal", self.decimal, ("point", "comma"))
        if self.blank is not None:
            require_one_of("dataset.blank", self.blank, ("missing", "unchanged"))
        if self.separator is not None:
            require_one_of("dataset.separator", self.separator, _SEPARATORS)
        self.columns = {role: str(name) for role, name in self.columns.items() if name is not None}
        for key in sorted(set(NEEDED) - set(self.columns)):
            raise ConfigError(f"dataset.columns.{key} is missing: give the file's name of this column.")
        for key in sorted(set(self.columns) - set(NEEDED) - set(OPTIONAL)):
            raise ConfigError(f"dataset.columns.{key} is not one of {', '.join(sorted({*NEEDED, *OPTIONAL}))}.")
        numbered = [role for role in NEEDED[1:] if LEVEL in self.columns[role]]
        require(
            len(numbered) in (0, 4),
            f"dataset.columns: all of bid, ask, bid_size and ask_size have {LEVEL} in their names, or none.",
        )
        require(
            not numbered or all(self.columns[role].count(LEVEL) == 1 for role in numbered),
            f"dataset.columns: a name has {LEVEL} once.",
        )
        require(
            "suffix" not in self.columns or "symbol" in self.columns,
            "dataset.columns.suffix belongs to a symbol: set dataset.columns.symbol.",
        )
        require(
            self.exchange in (None, ALL_EXCHANGES) or "exchange" in self.columns,
            f"dataset.exchange={self.exchange} needs the column of the exchange: set dataset.columns.exchange.",
        )
        units = self.price_unit * 1e9
        require(
            1 <= units <= 1e15 and abs(units - round(units)) < 1e-6,
            "dataset.price_unit must be a multiple of 1e-9, up to 1e6.",
        )
        require(
            self.header is None or len(set(self.header)) == len(self.header) > 1,
            "dataset.header names the columns of the file in order, each once.",
        )
        require(
            self.file_name is None or self.file_name.count("{symbol}") == 1,
            "dataset.file_name must contain {symbol} once, as in '{symbol}-bookTicker-*'.",
        )
        self._check_times()

    def _check_times(self) -> None:
        try:
            ZoneInfo(self.time_zone)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise ConfigError(
                f"dataset.time_zone={self.time_zone} is not a time zone; write America/New_York."
            ) from error
        for key in ("time_format", "date_format"):
            form = getattr(self, key)
            if form is None or (key == "time_format" and form in ("s", "ms", "us", "ns")):
                continue
            from ofiml.data.formats.time_formats import check_format  # loads polars

            fault = check_format(form)
            require(fault is None, f"dataset.{key}={form}: {fault}.")
        require(
            self.date_format is None or "date" in self.columns,
            "dataset.date_format needs a column with the date: set dataset.columns.date.",
        )


def _begins_anew(_: Sequence["Blob"], dataset: QuotesDataset) -> bool:
    """Return whether each row states all quotes, so that a file needs no value of the one before."""
    return dataset.blank != "unchanged"


READER = Reader(
    name="quotes",
    config=QuotesDataset,
    read_feeds=Deferred("ofiml.data.readers.quotes.rows", "read_feeds"),
    description="best quotes or several levels as CSV or Parquet, in any columns (presets: wide, taq, taq_nbbo …)",
    recognise=recognise_quotes,
    chain=Chain(Deferred("ofiml.data.readers.quotes.rows", "read_chain"), _begins_anew),
)
