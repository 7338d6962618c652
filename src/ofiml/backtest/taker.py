"""A strategy that crosses the spread: it buys at the ask and sells at the bid, one latency after its decision.

At each bar's close it compares the forecast move with the cost of a trade, half the current spread plus the fee. If the
move exceeds `edge_multiple` times the cost, the target is `max_position` lots in its direction. Otherwise, if the
horizon of the last signal is over (`hold_until` has passed), the target is flat. Otherwise there is no order. There is
also no order while another is in flight, as bars of activity may be shorter than the latency.

An order fills at most the size displayed at the touch. The rest is cancelled; the strategy orders it again at a new
signal, or, after the signal has expired, until it is flat. The position at the session's close is closed there whole,
at the last two-sided quote. Lots beyond the size displayed there are counted as `beyond_shown`; a real market would
have filled them at a worse price.

Money is in integers of 1e-12 of the settlement currency (`backtest.money`), so net equals gross less costs exactly.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, pairwise
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from ofiml.backtest.account import FILL_SCHEMA, Account, Fill
from ofiml.backtest.money import MONEY_SCALE, Money, estimate_fee_ticks
from ofiml.backtest.summary import Costs, Summary
from ofiml.config import Backtest, Instrument
from ofiml.metrics.sharpe import sharpe
from ofiml.units import PRICE_SCALE


class _Gain(NamedTuple):
    """The gain of a symbol up to a time (ns), in integer money."""

    symbol: str
    session: str
    time: int
    gross: int
    net: int


@dataclass(frozen=True, slots=True)
class BacktestResult:
    """The result of a backtest: the summary and tables, in the currency that the summary names.

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


def backtest(
    rows: pl.DataFrame,
    closing: dict[tuple[str, str], dict[str, int]],
    config: Backtest,
    instruments: Mapping[str, Instrument],
    *,
    bar: str,
) -> BacktestResult:
    """Backtest the forecasts `edge_ticks` of `rows`, session by session.

    `rows` has one row per predicted bar: symbol, session, bar_close, bid, ask, mid, spread_ticks, edge_ticks, tick,
    hold_until and the columns of `build_execution_table`. `closing` has the `find_closing_quotes` of each session.
    `hold_until` (ns) is the end of the signal, null for the end of the session; the strategy only tests whether it has
    passed. A NaN edge is no signal. `instruments` has the instrument of each symbol; all are settled in one currency.
    `bar` names the bars in `sharpe_unit`.
    """
    sessions: list[_Session] = []
    marked: list[_Gain] = []
    decided: list[pl.DataFrame] = []
    for (symbol, session), day in rows.group_by("symbol", "session", maintain_order=True):
        key = str(symbol), str(session)
        instrument = instruments[key[0]]
        result = _Trader(config, instrument, Money.of(instrument), key).trade(day, closing[key])
        sessions.append(result)
        times = [*day["bar_close"].to_list(), closing[key].get("time", day["bar_close"][-1])]
        gains = [(b[0] - a[0], b[1] - a[1]) for a, b in pairwise([(0, 0), *result.marks])]
        marked += [_Gain(*key, time, *gain) for time, gain in zip(times, gains, strict=True)]
        # The first mark precedes every decision, so it has no gain.
        index = day.select("symbol", "session", "bar_close")
        decided.append(index.with_columns(pl.Series("net", _to_currency(net for _, net in gains[1:]), pl.Float64)))
    by_symbol = _add_gains(marked, lambda gain: gain[:3])
    # One observation per time: the gains of all symbols at that time are added.
    by_time = sorted(_add_gains(marked, lambda gain: (gain.time,)), key=lambda gain: gain.time)
    gross, net = [gain.gross for gain in by_time], [gain.net for gain in by_time]
    equity = pl.DataFrame(
        {
            "bar_close": pl.Series([gain.time for gain in by_time], dtype=rows["bar_close"].dtype),
            "session": pl.Series([gain.session for gain in by_time], dtype=pl.String),
            "gross": pl.Series(_to_currency(accumulate(gross)), dtype=pl.Float64),
            "net": pl.Series(_to_currency(accumulate(net)), dtype=pl.Float64),
        }
    )
    used = [instruments[symbol] for symbol in rows["symbol"].unique().to_list()]
    days = max((instrument.trading_days for instrument in used), default=252)
    return BacktestResult(
        summary=_summarise(sessions, sum(gross), sum(net), equity, used, bar, days),
        fills=pl.DataFrame([f for s in sessions for f in s.fills], schema=FILL_SCHEMA, orient="row"),
        equity=equity,
        gains=pl.DataFrame(
            {
                "symbol": pl.Series([gain.symbol for gain in by_symbol], dtype=pl.String),
                "session": pl.Series([gain.session for gain in by_symbol], dtype=pl.String),
                "bar_close": pl.Series([gain.time for gain in by_symbol], dtype=rows["bar_close"].dtype),
                "gross": pl.Series(_to_currency(gain.gross for gain in by_symbol), dtype=pl.Float64),
                "net": pl.Series(_to_currency(gain.net for gain in by_symbol), dtype=pl.Float64),
            }
        ).sort("bar_close", maintain_order=True),
        decided=pl.concat(decided),
        annual=float(np.sqrt(days * _count_bars_per_day(equity))),
    )


def _add_gains(gains: Iterable[_Gain], key: Callable[[_Gain], tuple[Any, ...]]) -> list[_Gain]:
    """Add the gains with the same key; the rest of each is that of the first, and the order that of first keys."""
    added: dict[tuple[Any, ...], _Gain] = {}
    for gain in gains:
        before = added.get(key(gain))
        same = gain if before is None else before._replace(gross=before.gross + gain.gross, net=before.net + gain.net)
        added[key(gain)] = same
    return list(added.values())


def _to_currency(money: Iterable[int]) -> list[float]:
    return [amount / MONEY_SCALE for amount in money]


def _summarise(
    sessions: list[_Session],
    gross: int,
    net: int,
    equity: pl.DataFrame,
    instruments: Sequence[Instrument],
    bar: str,
    days: int,
) -> Summary:
    spread, commission = (sum(getattr(s.account, kind) for s in sessions) for kind in ("spread", "commission"))
    curve = equity["net"].to_numpy()
    peak = np.maximum.accumulate(np.concatenate([[0.0], curve]))[1:]
    bars_per_day = _count_bars_per_day(equity)
    return Summary(
        currency=instruments[0].currency if instruments else "currency",
        gross_pnl=gross / MONEY_SCALE,
        net_pnl=net / MONEY_SCALE,
        costs=(spread + commission) / MONEY_SCALE,
        costs_by_kind=Costs(spread=spread / MONEY_SCALE, commission=commission / MONEY_SCALE),
        fills=sum(len(s.fills) for s in sessions),
        traded=sum(fill.size for s in sessions for fill in s.fills),
        unfilled=sum(s.unfilled for s in sessions),
        beyond_shown=sum(s.beyond_shown for s in sessions),
        sharpe_net=float(np.sqrt(days * bars_per_day)) * sharpe(np.diff(curve, prepend=0.0)),
        sharpe_unit=f"per tested {bar} bar, annualised by sqrt({days} x {bars_per_day:.0f})",
        max_drawdown=float((peak - curve).max()) if len(curve) else 0.0,
    )


def _count_bars_per_day(equity: pl.DataFrame) -> float:
    return equity.height / max(1, equity["session"].n_unique())


@dataclass(slots=True)
class _Trader:
    """The trader of one session; `key` is its symbol and date."""

    config: Backtest
    instrument: Instrument
    money: Money
    key: tuple[str, str]
    account: Account = field(init=False)
    fills: list[Fill] = field(default_factory=list)
    marks: list[tuple[int, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.account = Account(self.money)

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
            if abs(edge) > self.config.edge_multiple * cost:
                target = self.config.max_position if edge > 0 else -self.config.max_position
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
        return spread_ticks / 2 + estimate_fee_ticks(self.instrument, price, lots=self.config.max_position)

    def _mark_equity(self, quote: tuple[int, int]) -> None:
        gross = self.account.mark_gross(*quote)
        self.marks.append((gross, gross - self.account.spread - self.account.commission))

    def _book_fill(self, decided: int, filled: int, lots: int, bid: int, ask: int, reason: str) -> None:
        spread, commission = self.account.fill(lots, bid, ask)
        self.fills.append(
            Fill(
                *self.key,
                decided,
                filled,
                side="buy" if lots > 0 else "sell",
                size=abs(lots),
                price=(ask if lots > 0 else bid) / PRICE_SCALE,
                mid=(bid + ask) / (2 * PRICE_SCALE),
                spread_cost=self.money.in_units(spread),
                commission=self.money.in_units(commission),
                position=self.account.position,
                reason=reason,
                currency=self.money.currency,
            )
        )
