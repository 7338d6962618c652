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

from dataclasses import dataclass, field

import numpy as np
import polars as pl

from ofiml.backtest.account import FILL_SCHEMA, Account, Fill
from ofiml.backtest.summary import Costs, Summary
from ofiml.config import Backtest
from ofiml.metrics.sharpe import sharpe
from ofiml.units import PRICE_SCALE


@dataclass(frozen=True, slots=True)
class BacktestResult:
    """The summary; as tables `fills`, `equity` (`gross`, `net` up to each bar, currency), `gains` (the same of each bar
    and symbol alone) and `decided` (a row a traded bar of a symbol: `net`, gained from its mark to the next, the costs
    of its own decision included). `annual` makes a bar's Sharpe ratio a year's.
    """

    summary: Summary
    fills: pl.DataFrame
    equity: pl.DataFrame
    gains: pl.DataFrame
    decided: pl.DataFrame
    annual: float


@dataclass(frozen=True, slots=True)
class _Session:
    """One traded session: `marks` are (gross, net) at each bar and at the close, in integer money; `unfilled` lots were
    not done, `beyond_shown` lots closed beyond the size shown.
    """

    account: Account
    marks: list[tuple[int, int]]
    fills: list[Fill]
    unfilled: int
    beyond_shown: int


def backtest(
    rows: pl.DataFrame,
    closing: dict[tuple[str, str], dict[str, int]],
    config: Backtest,
    *,
    bar: str,
    size_unit: float,
) -> BacktestResult:
    """Trade the forecasts `edge_ticks` of `rows`, session by session.

    `rows` has a row per predicted bar: symbol, session, bar_close, bid, ask, mid, spread_ticks, edge_ticks, tick,
    hold_until and the columns of `execution_table`; `closing` has each session's `closing_quotes`. `hold_until` (ns) is
    how long a signal stands, null for until the session ends; of each row it is only asked whether it has come. An edge
    of NaN is no signal. `bar` names the bars, for annualising. Currency amounts are for lots of `size_unit` units.
    """
    sessions: list[_Session] = []
    gains: list[pl.DataFrame] = []
    decided: list[pl.DataFrame] = []
    for (symbol, session), day in rows.group_by("symbol", "session", maintain_order=True):
        key = str(symbol), str(session)
        traded = _Trader(config, size_unit, key).trade(day, closing[key])
        sessions.append(traded)
        times = [*day["bar_close"].to_list(), closing[key].get("time", day["bar_close"][-1])]
        gross, net = (np.diff(np.array([m[i] for m in traded.marks], np.int64), prepend=0) for i in (0, 1))
        named = {"symbol": [key[0]] * len(times), "session": [key[1]] * len(times), "bar_close": times}
        gains.append(pl.DataFrame(named | {"gross": gross, "net": net}))
        # Before the first bar's decision there is nothing to gain.
        decided.append(day.select("symbol", "session", "bar_close").with_columns(pl.Series("net", net[1:])))
    unit = 2.0 * PRICE_SCALE / size_unit
    # Symbols that trade at the same time gain together.
    each = pl.concat(gains).group_by("symbol", "session", "bar_close", maintain_order=True)
    by_symbol = each.agg(pl.col("gross", "net").sum())
    together = by_symbol.group_by("bar_close", maintain_order=True)
    summed = together.agg(pl.col("session").first(), pl.col("gross", "net").sum()).sort("bar_close")
    equity = summed.with_columns(pl.col("gross", "net").cum_sum() / unit)
    annual = float(np.sqrt(config.days_per_year * _bars_a_day(equity)))
    fills = [fill for session in sessions for fill in session.fills]
    return BacktestResult(
        summary=_summarise(sessions, fills, summed, equity, unit, bar, config.days_per_year),
        fills=pl.DataFrame(fills, schema=FILL_SCHEMA, orient="row"),
        equity=equity,
        gains=by_symbol.with_columns(pl.col("gross", "net") / unit).sort("bar_close", maintain_order=True),
        decided=pl.concat(decided).with_columns(pl.col("net") / unit),
        annual=annual,
    )


def _summarise(
    sessions: list[_Session],
    fills: list[Fill],
    summed: pl.DataFrame,
    equity: pl.DataFrame,
    unit: float,
    bar: str,
    days_per_year: int,
) -> Summary:
    spread, commission = (sum(getattr(s.account, kind) for s in sessions) for kind in ("spread", "commission"))
    net = equity["net"].to_numpy()
    peak = np.maximum.accumulate(np.concatenate([[0.0], net]))[1:]
    bars_a_day = _bars_a_day(equity)
    return Summary(
        gross_pnl=int(summed["gross"].sum()) / unit,
        net_pnl=int(summed["net"].sum()) / unit,
        costs=(spread + commission) / unit,
        costs_by_kind=Costs(spread=spread / unit, commission=commission / unit),
        fills=len(fills),
        traded=sum(fill.size for fill in fills),
        unfilled=sum(s.unfilled for s in sessions),
        beyond_shown=sum(s.beyond_shown for s in sessions),
        sharpe_net=float(np.sqrt(days_per_year * bars_a_day)) * sharpe(np.diff(net, prepend=0.0)),
        sharpe_unit=f"per tested {bar} bar, annualised by sqrt({days_per_year} x {bars_a_day:.0f})",
        max_drawdown=float((peak - net).max()) if len(net) else 0.0,
    )


def _bars_a_day(equity: pl.DataFrame) -> float:
    return equity.height / max(1, equity["session"].n_unique())


@dataclass(slots=True)
class _Trader:
    """Trades one symbol's session; `key` names it."""

    config: Backtest
    size_unit: float
    key: tuple[str, str]
    account: Account = field(default_factory=Account)
    fills: list[Fill] = field(default_factory=list)
    marks: list[tuple[int, int]] = field(default_factory=list)

    def trade(self, day: pl.DataFrame, closing: dict[str, int]) -> _Session:
        """Decide at each bar's close, fill one latency later, and close what is left at the session's end."""
        account, unfilled, beyond = self.account, 0, 0
        expires, last_quote, on_its_way = None, (0, 0), 0
        for row in day.iter_rows(named=True):
            if row["bid"] is not None and row["ask"] is not None:
                last_quote = row["bid"], row["ask"]
            self._mark(last_quote)  # before this bar's decision: its fill comes later
            if row["bar_close"] < on_its_way:
                continue
            edge, wanted, reason = row["edge_ticks"], account.position, "signal"
            if abs(edge) > self.config.edge_multiple * self._cost_ticks(row["mid"], row["spread_ticks"], row["tick"]):
                wanted = self.config.max_position if edge > 0 else -self.config.max_position
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
            unfilled += abs(lots) - abs(done)
            if done:
                self._book(row["bar_close"], row["fill_time"], done, bid, ask, reason)
                last_quote = bid, ask
        if account.position and closing:
            shown = closing["bid_sz"] if account.position > 0 else closing["ask_sz"]
            beyond = max(0, abs(account.position) - shown)
            last_quote = closing["bid"], closing["ask"]
            self._book(closing["time"], closing["time"], -account.position, *last_quote, "close")
        self._mark(last_quote)
        return _Session(account, self.marks, self.fills, unfilled, beyond)

    def _cost_ticks(self, mid: float | None, spread_ticks: float, tick: int) -> float:
        """What a trade costs: half the spread and the fee; NaN without a mid."""
        price = mid * tick if mid is not None else np.nan
        fee = self.config.fee_per_unit * PRICE_SCALE + self.config.fee_bps * 1e-4 * price
        return spread_ticks / 2 + fee / tick

    def _mark(self, quote: tuple[int, int]) -> None:
        gross = self.account.gross(*quote)
        self.marks.append((gross, gross - self.account.spread - self.account.commission))

    def _book(self, decided: int, filled: int, lots: int, bid: int, ask: int, reason: str) -> None:
        spread, commission = self.account.fill(lots, bid, ask, self.config.fee_per_unit, self.config.fee_bps)
        money = 2.0 * PRICE_SCALE / self.size_unit
        self.fills.append(
            Fill(
                *self.key,
                decided,
                filled,
                side="buy" if lots > 0 else "sell",
                size=abs(lots),
                price=(ask if lots > 0 else bid) / PRICE_SCALE,
                mid=(bid + ask) / (2 * PRICE_SCALE),
                spread_cost=spread / money,
                commission=commission / money,
                position=self.account.position,
                reason=reason,
            )
        )
