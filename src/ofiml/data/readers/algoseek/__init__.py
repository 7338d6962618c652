"""AlgoSeek US Equity TAQ as CSV (https://www.algoseek.com/data-sets/docs/eq_taq): best quotes and trades.

A row states one side of a quote, or a trade. Times are in New York time; rows are in the order of receipt, the only
clock. The book is the national best (rows QUOTE … NB), or the quotes of one exchange (`dataset.venue`): its rows with
and without NB. The guide does not state whether a quote that sets the national best is repeated without the mark; a
repeated quote changes nothing. Adjacent bid and ask rows with the same time are one event. A price or size of 0 is a
missing side. Limit-up and limit-down bands are not quotes; official opening and closing prices and trades of size 0
are not trades; cancelled trades make no event. No trade has an aggressor.

Full depth and futures are refused, because their public documentation is incomplete.
"""

from dataclasses import dataclass

from ofiml.config import FileDataset
from ofiml.config.checks import require
from ofiml.data.file_head import FileHead, Recognition
from ofiml.data.readers import Deferred, Reader

__all__ = ["READER", "AlgoseekDataset", "recognise"]


@dataclass(slots=True)
class AlgoseekDataset(FileDataset):
    """Settings of AlgoSeek TAQ: quotes of one `venue`, or the national best (null), in sizes of `quote_lot` shares."""

    venue: str | None
    quote_lot: float | None

    def __post_init__(self) -> None:
        FileDataset.__post_init__(self)
        require(self.quote_lot is None or self.quote_lot >= 1, "dataset.quote_lot must be at least 1 share, or null.")


def recognise(head: FileHead) -> Recognition | None:
    """Recognise equity TAQ of AlgoSeek by its columns, and name its files that are not supported."""
    columns = set(head.header)
    if columns >= {"Timestamp", "EventType", "Ticker", "Price", "Quantity", "Exchange"}:
        remedy = "" if "Date" in columns else "its column Date is missing, as in old files: add it (YYYYMMDD)"
        return Recognition(f"AlgoSeek's US Equity TAQ ({head.form})", remedy=remedy)
    if columns >= {"UTCDate", "UTCTime", "LocalDate"}:
        return Recognition(f"AlgoSeek's futures ({head.form})", remedy="only its equity TAQ is supported")
    return None


READER = Reader(
    name="algoseek",
    config=AlgoseekDataset,
    read_feeds=Deferred("ofiml.data.readers.algoseek.taq", "read_feeds"),
    description="AlgoSeek US Equity TAQ as CSV: best quotes and trades",
    recognise=recognise,
)
