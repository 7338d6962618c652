"""Best bid and offer as CSV with any column names: `dataset.columns` maps them.

Each row states the quotes of both sides and is one message with action M, side N (a quote is not an order), no price
and size 0. A side without price and size, or with a price or size of 0, is missing. The file's order is kept.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from ofiml.config import FileDataset
from ofiml.config.checks import require_one_of
from ofiml.data.readers import Reader
from ofiml.data.readers.quotes.recognition import recognise_quotes
from ofiml.errors import ConfigError

if TYPE_CHECKING:
    from ofiml.data.feed import Blob, Feed


@dataclass(slots=True)
class QuotesDataset(FileDataset):
    """Settings of best bid and offer as CSV.

    `columns` maps roles to the file's column names; `time_zone` is the file's; `sizes` says whether the file's sizes
    count lots of `size_unit` or units.
    """

    columns: dict[str, str]
    time_zone: str
    sizes: str

    def __post_init__(self) -> None:
        FileDataset.__post_init__(self)  # super() does not work in slots dataclasses before 3.14
        require_one_of("dataset.sizes", self.sizes, ("lots", "units"))
        needed, optional = {"time", "bid", "ask", "bid_size", "ask_size"}, {"received", "symbol"}
        for key in sorted(needed - set(self.columns)):
            raise ConfigError(f"dataset.columns.{key} is missing: give the file's name of this column.")
        for key in sorted(set(self.columns) - needed - optional):
            raise ConfigError(f"dataset.columns.{key} is not one of {', '.join(sorted(needed | optional))}.")
        try:
            ZoneInfo(self.time_zone)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise ConfigError(
                f"dataset.time_zone={self.time_zone} is not a time zone; write America/New_York."
            ) from error


def read_feeds(files: Sequence["Blob"], dataset: QuotesDataset) -> Iterator["Feed"]:
    """Yield each symbol's quotes; see `rows.read_feeds`."""
    from ofiml.data.readers.quotes import rows

    return rows.read_feeds(files, dataset)


READER = Reader(
    name="quotes",
    config=QuotesDataset,
    read_feeds=read_feeds,
    description="best bid and offer as CSV, with any column names",
    recognise=recognise_quotes,
)
