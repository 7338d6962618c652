"""The samples of one session."""

from dataclasses import dataclass

import polars as pl

from ofiml.data.quality import Quality
from ofiml.data.truth import Truth

SessionKey = tuple[str, str]


@dataclass(slots=True)
class SessionSamples:
    """One session: its rows, one per bar (book, flow, features, labels), and its metadata.

    `key` is (symbol, date). `open` and `close` are UTC ns. `scheduled_close` is the expected end
    if the data end earlier, else None. `calendar` is
    its calendar and `home` that of the exchange which the source states, None if not known. `planted` is the
    truth of a simulated session, None for a real one.
    """

    key: SessionKey
    rows: pl.DataFrame
    levels: int
    flow_levels: int
    size_unit: float
    open: int
    close: int
    scheduled_close: int | None
    source: str
    digest: str
    events: int
    quality: Quality
    planted: Truth | None
    calendar: str | None = None
    home: str | None = None
    origin: int = -1  # the index of its source; not cached
    input_name: str | None = None  # the hash of its source, None if the caches are off; not cached
