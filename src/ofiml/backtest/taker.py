"""A strategy that crosses the spread: buys at the ask and sells at the bid, one latency after it decides.

At each bar's close it compares the forecast move with what a trade costs: half the spread as it then stands, plus the
fee. If the move exceeds `edge_multiple` times that, it wants `max_position` lots in that direction; if the last such
signal's horizon is over (`hold_until` has come), it wants to be flat; else it orders nothing, nor while an order is on
its way (bars of activity may be shorter than the latency). An order takes at most the size that is displayed at the
touch; the rest is not done, and not ordered again until a new signal, or, once the signal has expired, until flat. What
is left at the session's close is closed there, whole, at its last two-sided quote; the lots beyond the size shown there
are counted as `beyond_shown`: their price is kinder than the market would have been.

Money is in 1e-9 currency units times lots, as integers (mids doubled), so that gross less costs is net to the last
digit before commission, which alone is rounded: to 1e-9 per fill.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from ofiml.config import Backtest
from ofiml.metrics.sharpe import sharpe
from ofiml.units import PRICE_SCALE

FILL_SCHEMA: dict[str, pl.DataType] = {
    "symbol": pl.String(),
    "session": pl.String(),
    "decided": pl.Datetime("ns", "UTC"),
    "filled": pl.Datetime("ns", "UTC"),
    "side": pl.String(),
    "size": pl.Int64(),
    "price": pl.Float64(),
    "mid": pl.Float64(),
    "spread_cost": pl.Float64(),
    "commission": pl.Float64(),
    "position": pl.Int64(),
    "reason": pl.String(),
}


@dataclass(slots=True)
class Account:
    """Cash flows in integer money: `at_mid` what fills would have paid at the mid, `spread` and `commission` what they
    cost beyond it.
    """

    position: int = 0
    at_mid: int = 0
    spread: int = 0
    commission: int = 0

    def fill(self, lots: int, bid: int, ask: int, fee_per_unit: float, fee_bps: float) -> tuple[int, int]:
        """Trades `lots` (negative: sells) at the touch; returns spread cost and commission. All money is doubled."""
        price = ask if lots > 0 else bid
        spread = abs(lots) * (ask - bid)
        fee = abs(lots) * (fee_per_unit * PRICE_SCALE + fee_bps * 1e-4 * price)
        commission = 2 * round(fee)
        self.position += lots
        self.at_mid -= lots * (bid + ask)
        self.spread += spread
        self.commission += commission
        return spread, commission

    def gross(self, bid: int, ask: int) -> int:
        """Profit at the mid, before costs, with the position marked at the mid of this quote."""
        return self.at_mid + self.position * (bid + ask)


@dataclass(frozen=True, slots=True)
class Result:
    """`summary` as in report.json; as tables `fills`, `equity` (`gross`, `net` up to each bar, currency), `gains` (the
    same of each bar and symbol alone) and `decided` (a row a traded bar of a symbol: `net`, gained from its mark to the
    next, the costs of its own decision included). `annual` makes a bar's Sharpe ratio a year's.
    """

    summary: dict[str, Any]
    fills: pl.DataFrame
    equity: pl.DataFrame
    gains: pl.DataFrame
    decided: pl.DataFrame
    annual: float


def backtest(
    rows: pl.DataFrame,
    closing: dict[tuple[str, str], dict[str, int]],
    config: Backtest,
    *,
    bar: str,
    size_unit: float,
) -> Result:
    """Trades the forecasts `edge_ticks` of `rows`, session by session.

    `rows` has a row per predicted bar: symbol, session, bar_close, bid, ask, mid, spread_ticks, edge_ticks, tick,
    hold_until and the columns of `execution_table`; `closing` has each session's `closing_quotes`. `hold_until` (ns) is
    how long a signal stands, null for until the session ends; of each row it is only asked whether it has come. An edge
    of NaN is no signal. `bar` names the bars, for annualising. Currency amounts are for lots of `size_unit` units.
    """
    fills: list[dict[str, Any]] = []
    gains: list[pl.DataFrame] = []
    decided: list[pl.DataFrame] = []
    totals = {"spread": 0, "commission": 0, "unfilled": 0, "beyond_shown": 0}
    for (symbol, session), day in rows.group_by("symbol", "session", maintain_order=True):
        key = str(symbol), str(session)
        account, marks, missed, beyond = _trade_session(day, closing[key], config, size_unit, key, fills)
        times = [*day["bar_close"].to_list(), closing[key].get("time", day["bar_close"][-1])]
        gross, net = (np.diff(np.array([m[i] for m in marks], np.int64), prepend=0) for i in (0, 1))
        named = {"symbol": [key[0]] * len(times), "session": [key[1]] * len(times), "bar_close": times}
        gains.append(pl.DataFrame(named | {"gross": gross, "net": net}))
        # Before the first bar's decision there is nothing to gain.
        decided.append(day.select("symbol", "session", "bar_close").with_columns(pl.Series("net", net[1:])))
        for name, value in zip(totals, (account.spread, account.commission, missed, beyond), strict=True):
            totals[name] += value
    unit = 2.0 * PRICE_SCALE / size_unit
    # Symbols that trade at the same time gain together.
    each = pl.concat(gains).group_by("symbol", "session", "bar_close", maintain_order=True)
    by_symbol = each.agg(pl.col("gross", "net").sum())
    together = by_symbol.group_by("bar_close", maintain_order=True)
    summed = together.agg(pl.col("session").first(), pl.col("gross", "net").sum()).sort("bar_close")
    equity = summed.with_columns(pl.col("gross", "net").cum_sum() / unit)
    annual = _annual(equity, config.days_per_year)
    costs = {k: totals[k] / unit for k in ("spread", "commission")}
    summary = {
        "gross_pnl": int(summed["gross"].sum()) / unit,
        "net_pnl": int(summed["net"].sum()) / unit,
        "costs": (totals["spread"] + totals["commission"]) / unit,
        "costs_by_kind": costs,
        "fills": len(fills),
        "traded": sum(f["size"] for f in fills),
        "unfilled": totals["unfilled"],
        "beyond_shown": totals["beyond_shown"],
        **_ratios(equity, bar, config.days_per_year, annual),
    }
    money = by_symbol.with_columns(pl.col("gross", "net") / unit).sort("bar_close", maintain_order=True)
    by_decision = pl.concat(decided).with_columns(pl.col("net") / unit)
    return Result(summary, pl.DataFrame(fills, schema=FILL_SCHEMA), equity, money, by_decision, annual)


def _trade_session(
    day: pl.DataFrame,
    closing: dict[str, int],
    config: Backtest,
    size_unit: float,
    key: tuple[str, str],
    fills: list[dict[str, Any]],
) -> tuple[Account, list[tuple[int, int]], int, int]:
    """The account, (gross, net) at each bar and at the close, lots not done, and lots closed beyond the size shown."""
    account, marks, missed, beyond = Account(), [], 0, 0
    expires, last_quote, on_its_way = None, (0, 0), 0

    def book(decided: int, filled: int, lots: int, bid: int, ask: int, reason: str) -> None:
        spread, commission = account.fill(lots, bid, ask, config.fee_per_unit, config.fee_bps)
        money = 2.0 * PRICE_SCALE / size_unit
        fills.append(
            {
                "symbol": key[0],
                "session": key[1],
                "decided": decided,
                "filled": filled,
                "side": "buy" if lots > 0 else "sell",
                "size": abs(lots),
                "price": (ask if lots > 0 else bid) / PRICE_SCALE,
                "mid": (bid + ask) / (2 * PRICE_SCALE),
                "spread_cost": spread / money,
                "commission": commission / money,
                "position": account.position,
                "reason": reason,
            }
        )

    for row in day.iter_rows(named=True):
        if row["bid"] is not None and row["ask"] is not None:
            last_quote = row["bid"], row["ask"]
        # Marked before this bar's decision: its fill comes later.
        gross = account.gross(*last_quote)
        marks.append((gross, gross - account.spread - account.commission))
        if row["bar_close"] < on_its_way:
            continue
        edge, wanted, reason = row["edge_ticks"], account.position, "signal"
        price = row["mid"] * row["tick"] if row["mid"] is not None else np.nan
        cost = (
            row["spread_ticks"] / 2 + (config.fee_per_unit * PRICE_SCALE + config.fee_bps * 1e-4 * price) / row["tick"]
        )
        if abs(edge) > config.edge_multiple * cost:
            wanted = config.max_position if edge > 0 else -config.max_position
            expires = row["hold_until"]
        elif account.position and expires is not None and row["bar_close"] >= expires:
            wanted, reason = 0, "expired"
        lots = wanted - account.position
        if lots == 0:
            continue
        on_its_way = row["fill_time"] if row["fill_time"] is not None else 0
        bid, ask = row["fill_bid"], row["fill_ask"]
        shown = 0 if bid is None or ask is None else row["fill_ask_sz"] if lots > 0 else row["fill_bid_sz"]
        done = int(np.sign(lots)) * min(abs(lots), shown)
        missed += abs(lots) - abs(done)
        if done:
            book(row["bar_close"], row["fill_time"], done, bid, ask, reason)
            last_quote = bid, ask
    if account.position and closing:
        shown = closing["bid_sz"] if account.position > 0 else closing["ask_sz"]
        beyond = max(0, abs(account.position) - shown)
        book(closing["time"], closing["time"], -account.position, closing["bid"], closing["ask"], "close")
        last_quote = closing["bid"], closing["ask"]
    gross = account.gross(*last_quote)
    marks.append((gross, gross - account.spread - account.commission))
    return account, marks, missed, beyond


def _bars_a_day(equity: pl.DataFrame) -> float:
    return equity.height / max(1, equity["session"].n_unique())


def _annual(equity: pl.DataFrame, days_per_year: int) -> float:
    return float(np.sqrt(days_per_year * _bars_a_day(equity)))


def _ratios(equity: pl.DataFrame, bar: str, days_per_year: int, annual: float) -> dict[str, Any]:
    net = equity["net"].to_numpy()
    peak = np.maximum.accumulate(np.concatenate([[0.0], net]))[1:]
    return {
        "sharpe_net": annual * sharpe(np.diff(net, prepend=0.0)),
        "sharpe_unit": f"per tested {bar} bar, annualised by sqrt({days_per_year} x {_bars_a_day(equity):.0f})",
        "max_drawdown": float((peak - net).max()) if len(net) else 0.0,
    }
