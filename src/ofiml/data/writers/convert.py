"""Conversion of sessions to files: Parquet in the event schema, Databento's DBN, LOBSTER's pair of CSV files."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import polars as pl

from ofiml.atomic import write_atomically
from ofiml.data import cache as store
from ofiml.data.schema import F_LAST, Session
from ofiml.data.writers import vendors as writers
from ofiml.errors import DataError

_MILLISECOND = 1_000_000
FORMATS = ("parquet", "dbn", "lobster")


def write_session(session: Session, folder: Path, to: str, calendar: str) -> list[Path]:
    """Write the session into the folder in the format `to`; return the files.

    LOBSTER has one clock, no counts and one message per row. So the receipt becomes the time, counts are dropped, each
    row becomes a message, and hours are rounded outwards to milliseconds. The truth of a simulated session is written
    beside it as Parquet. Files appear whole or not at all. Raises DataError for events that the format cannot express.
    """
    # A symbol comes from the input, so it could contain a path.
    session = replace(session, symbol=re.sub(r"[^A-Za-z0-9-]", "_", session.symbol))
    name = f"{session.symbol}_{session.date}"
    if to == "parquet":
        files: dict[str, Callable[[Path], object]] = {f"{name}.parquet": lambda path: store.write_events(session, path)}
    elif to == "dbn":
        dbn = writers.to_dbn(session)
        files = {f"{name}.dbn": lambda path: path.write_bytes(dbn)}
    else:
        adapted = _adapt_to_lobster(session)
        message, book = writers.to_lobster(adapted, calendar)
        lobster = writers.make_lobster_name(adapted, calendar)
        files = {
            lobster: lambda path: path.write_bytes(message),
            lobster.replace("_message_", "_orderbook_"): lambda path: path.write_bytes(book),
        }
    truth = session.truth
    if truth is not None:
        files[f"{name}_truth.parquet"] = truth.write_parquet
    folder.mkdir(parents=True, exist_ok=True)
    for file, write in files.items():
        if (folder / file).exists():
            raise DataError(f"{folder / file} already exists: choose another folder, or move it away.")
        write_atomically(folder / file, write)
    return [folder / file for file in files]


def _adapt_to_lobster(session: Session) -> Session:
    """Remove what LOBSTER cannot express: the event clock, counts, messages of several rows, fractions of a ms."""
    counts = [f"{side}_ct_{m:02d}" for m in range(session.levels) for side in ("bid", "ask")]
    events = session.events.with_columns(
        pl.col("ts_recv").alias("ts_event"),
        (pl.col("flags") | F_LAST).alias("flags"),
        *(pl.lit(None, pl.UInt32).alias(c) for c in counts),
    )
    open_, close = session.open // _MILLISECOND * _MILLISECOND, -(-session.close // _MILLISECOND) * _MILLISECOND
    return replace(session, events=events, open=open_, close=close)
