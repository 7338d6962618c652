"""The two clocks of Binance's messages, from the exchange's times `E`, `T` and the recorder's."""

import numpy as np
import polars as pl

from ofiml.data.formats.level_rows import NO_ID, LevelRows

_NAMES = {"U": "first", "u": "last", "pu": "before", "t": "id", "a": "id", "m": "buyer_is_maker"}


def set_times(depth: LevelRows, *others: LevelRows) -> list[LevelRows]:
    """Return the tables with `recv` and `event` (ns) instead of `recv`, `E`, `T`, and with columns of full names.

    `event` is the transaction time `T`, or else the sending time `E`. If one clock is missing, the other replaces it:
    without a recorded time both are `E`. A full book without any time gets that of the last message before it, or
    NO_ID if there is none.
    """
    tables = [_choose_times(table) for table in (depth, *others)]
    depth = tables[0]
    recv = depth.rows["recv"].to_numpy().copy()
    timeless = recv == NO_ID
    if timeless.any():
        columns = [pl.concat([t.rows[c] for t in tables]).to_numpy() for c in ("place", "recv")]
        place, times = (column[np.argsort(columns[0])] for column in columns)
        latest = np.append(NO_ID, np.maximum.accumulate(times))
        recv[timeless] = latest[np.searchsorted(place, depth.rows["place"].to_numpy()[timeless])]
        event = np.where(timeless, recv, depth.rows["event"].to_numpy())
        depth.rows = depth.rows.with_columns(recv=pl.Series(recv), event=pl.Series(event))
    return tables


def _choose_times(table: LevelRows) -> LevelRows:
    recv, sent, happened = (table.rows[c].to_numpy() for c in ("recv", "E", "T"))
    happened = np.where(happened == NO_ID, sent, happened)
    exchange = np.where(sent == NO_ID, happened, sent)
    event = np.where(recv == NO_ID, exchange, np.where(happened == NO_ID, recv, happened))
    recv = np.where(recv == NO_ID, exchange, recv)
    rows = table.rows.drop("E", "T").with_columns(recv=pl.Series(recv), event=pl.Series(event))
    return LevelRows(rows.rename(_NAMES, strict=False), table.pairs, table.prices, table.sizes)
