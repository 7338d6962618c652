"""A strategy that crosses the spread: it buys at the ask and sells at the bid, one latency after its decision.

At each bar's close it compares the forecast move with the cost of a trade, half the current spread plus the fee. If the
move exceeds `edge_multiple` times the cost, the target is `max_position` lots in its direction. Otherwise, if the
horizon of the last signal is over (`hold_until` has passed), the target is flat. Otherwise there is no order. There is
also no order while another is in flight, as bars of activity may be shorter than the latency.

An order fills at most the size displayed at the touch. The rest is cancelled; the strategy orders it again at a new
signal, or, after the signal has expired, until it is flat. The position at the session's close is closed there whole,
at the last two-sided quote. Lots beyond the size displayed there are counted as `beyond_shown`; a real market would
have filled them at a worse price.

Money is in integers of 1e-9 currency units times lots (mids doubled), so net equals gross less costs exactly. Only the
commission is rounded, to 1e-9 per fill.
"""

from dataclasses import dataclass, field, replace

import numpy as np
import polars as pl

from ofiml.backtest.account import FILL_SCHEMA, Account, Fill
from ofiml.backtest.summary import Costs, Summary
from ofiml.config import Backtest, Strategy
from ofiml.errors import ConfigError
from ofiml.metrics.sharpe import sharpe
from ofiml.strategy.rules.threshold import ThresholdStrategy
from ofiml.units import PRICE_SCALE


@dataclass(frozen=True, slots=True)
class BacktestResult:
    """The result of a backtest: the summary and tables, in currency.

    `equity` has cumulative `gross` and `net` at each bar; `gains` has the gain of each bar and symbol. `decided` has
    one row per traded bar of a symbol: `net` is the gain from its mark to the next, with the costs of its own decision.
    `annual` is the factor that annualises the Sharpe ratio of a bar.
    """

    summary: Summary
    fills: pl.DataFrame
    equity: pl.DataFrame
    gains: pl.DataFrame
    decided: pl.DataFrame
    annual: float


@dataclass(frozen=True, slots=True)
class _Session:
    """One traded session: `marks` are (gross, net) at each bar and at the close, in integer money; `unfilled` and
    `beyond_shown` are in lots.
    """

    account: Account
    marks: list[tuple[int, int]]
    fills: list[Fill]
    unfilled: int
    beyond_shown: int


def require_taker_rule(strategy: Strategy) -> ThresholdStrategy:
    """Return the strategy if this trader can follow it. Raises ConfigError for any other."""
    if isinstance(strategy, ThresholdStrategy):
        plain = replace(
            strategy, entry="take", sizing="fixed", lots=None, hold=None, stop_ticks=None, take_profit_ticks=None,
            flat_before_close="0s", loss_limit=None, threshold="cost",
        )  # fmt: skip
        if plain == strategy:
            return strategy
    raise ConfigError(
        f"backtest=taker follows strategy=threshold with marketable orders of strategy.max_position lots: leave the "
        f"other keys of strategy={strategy.name} out, or use backtest=off."
    )


def backtest(
    rows: pl.DataFrame,
    closing: dict[tuple[str, str], dict[str, int]],
    config: Backtest,
    strategy: ThresholdStrategy,
    *,
    bar: str,
    size_unit: float,
) -> BacktestResult:
    """Backtest the forecasts `edge_ticks` of `rows`, session by session.

    `rows` has one row per predicted bar: symbol, session, bar_close, bid, ask, mid, spread_ticks, edge_ticks, tick,
    hold_until and the columns of `build_execution_table`. `closing` has the `find_closing_quotes` of each session.
    `hold_until` (ns) is the end of the signal, null for the end of the session; the strategy only tests whether it has
    passed. A NaN edge is no signal. `bar` names the bars in `sharpe_unit`. Currency amounts are for lots of `size_unit`
    units.
    """
    sessions: list[_Session] = []
    gains: list[pl.DataFrame] = []
    decided: list[pl.DataFrame] = []
    for (symbol, session), day in rows.group_by("symbol", "session", maintain_order=True):
        key = str(symbol), str(session)
        result = _Trader(config, strategy, size_unit, key).trade(day, closing[key])
        sessions.append(result)
        times = [*day["bar_close"].to_list(), closing[key].get("time", day["bar_close"][-1])]
        gross, net = (np.diff(np.array([m[i] for m in result.marks], np.int64), prepend=0) for i in (0, 1))
        index = {"symbol": [key[0]] * len(times), "session": [key[1]] * len(times), "bar_close": times}
        gains.append(pl.DataFrame(index | {"gross": gross, "net": net}))
        # The first mark precedes every decision, so it has no gain.
        decided.append(day.select("symbol", "session", "bar_close").with_columns(pl.Series("net", net[1:])))
    unit = 2.0 * PRICE_SCALE / size_unit
    by_symbol = (
        pl.concat(gains)
        .group_by("symbol", "session", "bar_close", maintain_order=True)
        .agg(pl.col("gross", "net").sum())
    )
    # One observation per time: the gains of all symbols at that time are added.
    by_time = by_symbol.group_by("bar_close", maintain_order=True)
    total = by_time.agg(pl.col("session").first(), pl.col("gross", "net").sum()).sort("bar_close")
    equity = total.with_columns(pl.col("gross", "net").cum_sum() / unit)
    annual = float(np.sqrt(config.days_per_year * _count_bars_per_day(equity)))
    fills = [fill for session in sessions for fill in session.fills]
    return BacktestResult(
        summary=_summarise(sessions, fills, total, equity, unit, bar, config.days_per_year),
        fills=pl.DataFrame(fills, schema=FILL_SCHEMA, orient="row"),
        equity=equity,
        gains=by_symbol.with_columns(pl.col("gross", "net") / unit).sort("bar_close", maintain_order=True),
        decided=pl.concat(decided).with_columns(pl.col("net") / unit),
        annual=annual,
    )


def _summarise(
    sessions: list[_Session],
    fills: list[Fill],
    total: pl.DataFrame,
    equity: pl.DataFrame,
    unit: float,
    bar: str,
    days_per_year: int,
) -> Summary:
    spread, commission = (sum(getattr(s.account, kind) for s in sessions) for kind in ("spread", "commission"))
    net = equity["net"].to_numpy()
    peak = np.maximum.accumulate(np.concatenate([[0.0], net]))[1:]
    bars_per_day = _count_bars_per_day(equity)
    return Summary(
        gross_pnl=int(total["gross"].sum()) / unit,
        net_pnl=int(total["net"].sum()) / unit,
        costs=(spread + commission) / unit,
        costs_by_kind=Costs(spread=spread / unit, commission=commission / unit),
        fills=len(fills),
        traded=sum(fill.size for fill in fills),
        unfilled=sum(s.unfilled for s in sessions),
        beyond_shown=sum(s.beyond_shown for s in sessions),
        sharpe_net=float(np.sqrt(days_per_year * bars_per_day)) * sharpe(np.diff(net, prepend=0.0)),
        sharpe_unit=f"per tested {bar} bar, annualised by sqrt({days_per_year} x {bars_per_day:.0f})",
        max_drawdown=float((peak - net).max()) if len(net) else 0.0,
    )


def _count_bars_per_day(equity: pl.DataFrame) -> float:
    return equity.height / max(1, equity["session"].n_unique())


@dataclass(slots=True)
class _Trader:
    """The trader of one session; `key` is its symbol and date."""

    config: Backtest
    strategy: ThresholdStrategy
    size_unit: float
    key: tuple[str, str]
    account: Account = field(default_factory=Account)
    fills: list[Fill] = field(default_factory=list)
    marks: list[tuple[int, int]] = field(default_factory=list)

    def trade(self, day: pl.DataFrame, closing: dict[str, int]) -> _Session:
        """Decide at each bar's close, fill one latency later, and close the position at the session's end."""
        account, unfilled, beyond = self.account, 0, 0
        expiry, last_quote, in_flight_until = None, (0, 0), 0
        for row in day.iter_rows(named=True):
            if row["bid"] is not None and row["ask"] is not None:
                last_quote = row["bid"], row["ask"]
            self._mark_equity(last_quote)  # before the decision of this bar, whose fill comes later
            if row["bar_close"] < in_flight_until:
                continue
            edge, target, reason = row["edge_ticks"], account.position, "signal"
            cost = self._estimate_cost_ticks(row["mid"], row["spread_ticks"], row["tick"])
            if abs(edge) > self.strategy.edge_multiple * cost:
                target = self.strategy.max_position if edge > 0 else -self.strategy.max_position
                expiry = row["hold_until"]
            elif account.position and expiry is not None and row["bar_close"] >= expiry:
                target, reason = 0, "expired"
            lots = target - account.position
            if lots == 0:
                continue
            in_flight_until = row["fill_time"] if row["fill_time"] is not None else 0
            bid, ask = row["fill_bid"], row["fill_ask"]
            displayed = 0 if bid is None or ask is None else row["fill_ask_sz"] if lots > 0 else row["fill_bid_sz"]
            fill_lots = int(np.sign(lots)) * min(abs(lots), displayed)
            unfilled += abs(lots) - abs(fill_lots)
            if fill_lots:
                self._book_fill(row["bar_close"], row["fill_time"], fill_lots, bid, ask, reason)
                last_quote = bid, ask
        if account.position and closing:
            displayed = closing["bid_sz"] if account.position > 0 else closing["ask_sz"]
            beyond = max(0, abs(account.position) - displayed)
            last_quote = closing["bid"], closing["ask"]
            self._book_fill(closing["time"], closing["time"], -account.position, *last_quote, "close")
        self._mark_equity(last_quote)
        return _Session(account, self.marks, self.fills, unfilled, beyond)

    def _estimate_cost_ticks(self, mid: float | None, spread_ticks: float, tick: int) -> float:
        """Estimate the cost of a trade in ticks: half the spread plus the fee; NaN without a mid."""
        price = abs(mid) * tick if mid is not None else np.nan
        fee = self.config.fee_per_unit * PRICE_SCALE + self.config.fee_bps * 1e-4 * price
        return spread_ticks / 2 + fee / tick

    def _mark_equity(self, quote: tuple[int, int]) -> None:
        gross = self.account.mark_gross(*quote)
        self.marks.append((gross, gross - self.account.spread - self.account.commission))

    def _book_fill(self, decided: int, filled: int, lots: int, bid: int, ask: int, reason: str) -> None:
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
