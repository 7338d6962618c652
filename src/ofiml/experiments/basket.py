"""The bars of several symbols side by side: moves, flow on all levels, and trades."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from ofiml._typing import Float, Int64
from ofiml.bars import cut_bars
from ofiml.bars.time import select_states
from ofiml.config import TimeBars
from ofiml.config.instrument import find_sector
from ofiml.data.schema import Session
from ofiml.data.trades import list_trades
from ofiml.data.truth import Truth
from ofiml.errors import DataError
from ofiml.experiments.bench import Bench, Market
from ofiml.experiments.flow_bars import compute_moves
from ofiml.ofi.flow import build_flow_matrix, compute_bar_flow
from ofiml.splits.rows import Hours

#: The parts of a session, of equal length.
PARTS = ("open", "midday", "close")


@dataclass(frozen=True, slots=True)
class Basket:
    """The n bars that all K symbols have, in time order.

    `table` has `session`, `bar_open`, `bar_close` (ns) and `part`, the index in PARTS. `move` (n, K) is the mid's
    change in the bar, ticks; `flow` has for each symbol the net flow by level relative to depth, (n, levels); `trades`
    (n, K) is what buyers less what sellers took, lots. `sectors` are those of the config, "" without one. `hours` has
    (date, open, close) of each session. `known` is the planted Λ (K, K) of a simulated market, ticks per lot, else
    None. `bars_left_out` counts bars that some symbol lacks or has without a mid; `dates_left_out` names the dates that
    some symbol lacks.
    """

    symbols: list[str]
    sectors: list[str]
    table: pl.DataFrame
    move: Float
    flow: list[Float]
    trades: Float
    hours: list[tuple[str, int, int]]
    known: Float | None
    bars_left_out: int
    dates_left_out: list[str]


def read_basket(bench: Bench, market: Market, *overrides: str) -> Basket:
    """Read the bars of a market's symbols, one session in memory at a time.

    Raises DataError for bars of activity, which symbols do not share, and as `join_bars` does.
    """
    config = bench.configure(market, *overrides)
    if not isinstance(config.bars, TimeBars):
        raise DataError(f"{market.name}: symbols do not share bars of {config.bars.name}: use bars=time.")
    dates: dict[str, dict[str, pl.DataFrame]] = {}
    hours: list[tuple[str, int, int]] = []
    planted: Truth | None = None
    for session in bench.read_sessions(market, *overrides):
        dates.setdefault(session.date, {})[session.symbol] = tabulate_bars(session, config.bars)
        hours.append((session.date, session.open, session.close))
        planted = session.planted or planted
    return join_bars(market.name, dates, hours, config.dataset.instruments, planted)


def tabulate_bars(session: Session, config: TimeBars) -> pl.DataFrame:
    """Tabulate the bars of a session: `session`, `bar_open`, `bar_close` (ns), `move` of the mid (ticks, NaN where a
    mid is missing), `trades` (lots bought less lots sold), and the net flow by level relative to depth, `flow_00` ….

    Everything is of the bar itself and known at its close.
    """
    book = select_states(session, config.per)
    bars = cut_bars(session, book, config)
    flow = build_flow_matrix(compute_bar_flow(session, config.per, bars), session.levels, "depth")
    return pl.DataFrame(
        {
            "session": [session.date] * len(bars.open),
            "bar_open": bars.open,
            "bar_close": bars.close,
            "move": compute_moves(book, bars, session.tick),
            "trades": sum_signed_lots(session, bars.edges),
        }
        | {f"flow_{m:02d}": np.nan_to_num(flow[:, m]) for m in range(flow.shape[1])}
    )


def sum_signed_lots(session: Session, edges: Int64) -> Int64:
    """Sum what buyers took less what sellers took, lots, in each interval (edges[k], edges[k + 1]] of `ts_recv`."""
    trades = list_trades(session)
    signed = np.concatenate([[0], np.cumsum(trades["size"].to_numpy() * trades["sign"].to_numpy())])
    return np.diff(signed[np.searchsorted(trades["ts_recv"].to_numpy(), edges, side="right")])


def join_bars(
    name: str,
    dates: Mapping[str, Mapping[str, pl.DataFrame]],
    hours: Sequence[tuple[str, int, int]],
    instruments: Mapping[str, Any],
    planted: Truth | None = None,
) -> Basket:
    """Join the bars of the symbols of each date, tables of `tabulate_bars`, to those that all of them have.

    Raises DataError for fewer than two symbols, and for symbols without a common bar.
    """
    symbols = list(dict.fromkeys(symbol for tables in dates.values() for symbol in tables))
    if len(symbols) < 2:
        raise DataError(f"{name}: cross-impact needs two or more symbols, and the data have {', '.join(symbols)}.")
    parts, bars, left_out = [], 0, []
    for date, tables in dates.items():
        if len(tables) < len(symbols):
            left_out.append(date)
            continue
        joined = tables[symbols[0]].select("session", "bar_open", "bar_close")
        for symbol in symbols:
            own = tables[symbol].drop("session")
            own = own.rename({c: f"{c} {symbol}" for c in own.columns if c not in _KEYS})
            joined = joined.join(own, on=_KEYS, how="inner", maintain_order="left")
        bars += max(table.height for table in tables.values())
        parts.append(joined.filter(pl.all_horizontal(pl.col(f"move {symbol}").is_finite() for symbol in symbols)))
    if not sum(part.height for part in parts):
        raise DataError(f"{name}: {', '.join(symbols)} have no bar in common: read the same hours of the same dates.")
    whole = pl.concat(parts, how="diagonal")
    bounds = [(date, open_, close) for date, open_, close in hours if date not in left_out]
    return Basket(
        symbols=symbols,
        sectors=[find_sector(symbol, instruments) for symbol in symbols],
        table=whole.select("session", *_KEYS).with_columns(_find_part(whole, bounds)),
        move=whole.select(f"move {symbol}" for symbol in symbols).to_numpy(),
        flow=[_read_flow(whole, symbol) for symbol in symbols],
        trades=whole.select(f"trades {symbol}" for symbol in symbols).to_numpy().astype(np.float64),
        hours=bounds,
        known=_order_impact(planted, symbols),
        bars_left_out=bars - whole.height,
        dates_left_out=left_out,
    )


_KEYS = ["bar_open", "bar_close"]


def _read_flow(whole: pl.DataFrame, symbol: str) -> Float:
    """Read the flow of a symbol by level, (n, levels); levels that a session does not show are left out."""
    names = [c for c in whole.columns if c.startswith("flow_") and c.endswith(f" {symbol}")]
    return whole.select(c for c in names if whole[c].null_count() == 0).to_numpy()


def _find_part(whole: pl.DataFrame, hours: Sequence[tuple[str, int, int]]) -> pl.Series:
    """Find in which of PARTS of its date a bar closes."""
    bounds = Hours.of(hours)
    day = bounds.find_date(whole["bar_close"].to_numpy())
    elapsed = whole["bar_close"].to_numpy() - bounds.open[day] - 1
    part = elapsed * len(PARTS) // (bounds.close - bounds.open)[day]
    return pl.Series("part", np.clip(part, 0, len(PARTS) - 1))


def _order_impact(planted: Truth | None, symbols: Sequence[str]) -> Float | None:
    if planted is None:
        return None
    at = [planted.symbols.index(symbol) for symbol in symbols]
    return np.array(planted.impact)[np.ix_(at, at)]


def find_next(table: pl.DataFrame) -> Int64:
    """Find the rows (m,) whose next row is the next bar of the same date."""
    follows = (table["bar_open"].to_numpy()[1:] == table["bar_close"].to_numpy()[:-1]) & (
        table["session"].to_numpy()[1:] == table["session"].to_numpy()[:-1]
    )
    return np.flatnonzero(follows)


def sum_bars(values: Float, table: pl.DataFrame, count: int) -> tuple[Float, Int64]:
    """Sum `values` (n, k) over each `count` bars that follow each other in a date; return the sums and their closes.

    Groups start at a date's first bar or after a gap; those that a gap or the end of the date cuts short are omitted.
    """
    starts = np.setdiff1d(np.arange(len(values)), find_next(table) + 1)
    ends = np.append(starts[1:], len(values))
    whole = np.concatenate([np.arange(a, b - count + 1, count) for a, b in zip(starts, ends, strict=True)])
    whole = whole.astype(np.int64)
    total = np.concatenate([np.zeros((1, values.shape[1])), np.cumsum(values, axis=0)])
    return total[whole + count] - total[whole], table["bar_close"].to_numpy()[whole + count - 1]
