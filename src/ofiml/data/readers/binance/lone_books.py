"""Full books in files of their own beside the files of a stream: their symbols, and their places among the updates.

Such a file has one REST response, which names no symbol and perhaps no time. Its place is that of its id: it is the
state after the update `lastUpdateId`, whatever the names of the files and the clock of the response say.
"""

import re
from collections.abc import Mapping

import numpy as np
import polars as pl

from ofiml.data.formats.level_rows import LevelRows
from ofiml.data.readers.binance.messages import NO_SYMBOL, Messages
from ofiml.errors import DataError


def assign_full_books(messages: Messages, files: Mapping[int, str], name: str) -> LevelRows:
    """Return the depth messages, with full books without a symbol assigned to a symbol with depth updates.

    `files` has the names of the files that are a full book alone, by the place of their message. Such a book is of the
    symbol in its file's name; any other, and one whose file names none, of the only symbol. Raises DataError if several
    symbols have depth updates.
    """
    depth = messages.depth
    nameless = (depth.rows["symbol"] == NO_SYMBOL).to_numpy()
    if not nameless.any() or not messages.depth_of:
        return depth
    symbols = depth.rows["symbol"].to_numpy().copy()
    places = depth.rows["place"].to_numpy()
    for i in np.flatnonzero(nameless).tolist():
        file = files.get(int(places[i]), "")
        words = {word.upper() for word in re.split(r"[^A-Za-z0-9]+", file)}
        own = [symbol for symbol in messages.depth_of if symbol.upper() in words] or list(messages.depth_of)
        if len(own) > 1:
            remedy = "name its file after the symbol" if file else "record each symbol in its own file"
            raise DataError(
                f"{file or name}, line {depth.rows['line'][i]}: a full book without a symbol, in a stream with depth "
                f"updates of several ({', '.join(sorted(messages.depth_of)[:5])}): {remedy}."
            )
        if own[0] in messages.symbols:
            symbols[i] = messages.symbols.index(own[0])
    return LevelRows(depth.rows.with_columns(symbol=pl.Series(symbols)), depth.pairs, depth.prices, depth.sizes)


def place_lone_books(depth: LevelRows, files: Mapping[int, str]) -> tuple[LevelRows, list[str]]:
    """Put one symbol's full books that are files of their own before the first update that they do not contain.

    Their times then lie between those of the updates around them. A book that is newer than all updates is left out.
    Return notes about these.
    """
    rows = depth.rows
    full, last, place = (rows[c].to_numpy() for c in ("full", "last", "place"))
    lone = np.flatnonzero((full == 1) & np.isin(place, list(files))).tolist()
    if not lone:
        return depth, []
    clocks = {c: rows[c].to_numpy().copy() for c in ("recv", "event", "place")}
    updates = np.flatnonzero(full == 0)
    position, kept, notes = 2 * np.arange(len(full)) + 1, np.ones(len(full), bool), []
    for i in lone:
        newer = updates[last[updates] > last[i]]
        if not len(newer):
            kept[i] = False
            notes.append(f"{files[int(place[i])]} is a full book newer than all updates, so it is left out")
            continue
        position[i], clocks["place"][i] = 2 * newer[0], place[newer[0]]
        older = updates[updates < newer[0]][-1:]
        for clock in (clocks["recv"], clocks["event"]):
            clock[i] = max([min(clock[i], clock[newer[0]]), *clock[older]])
    moved = LevelRows(
        rows.with_columns(**{c: pl.Series(v) for c, v in clocks.items()}), depth.pairs, depth.prices, depth.sizes
    )
    order = np.argsort(position, kind="stable")
    return moved.take(order[kept[order]]), notes
