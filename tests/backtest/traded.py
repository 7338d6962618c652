"""Sessions written by hand, traded and collected as a study does it."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl

from ofiml.backtest.money import Money
from ofiml.backtest.result import Account, BacktestResult, collect_result
from ofiml.backtest.scenarios import make_latency
from ofiml.backtest.traded_bars import TradedBars
from ofiml.backtest.trading import Execution, SessionResult, TradedMarket, trade_session
from ofiml.config import Backtest
from ofiml.data.schema import Session
from ofiml.evaluation.bootstrap import BlockBootstrap
from ofiml.samples.tape import record_session
from ofiml.strategy.build import TradedSession
from ofiml.strategy.decisions import LAST, TARGET, Decisions, Limits
from tests.backtest.fills import make_money
from tests.backtest.scripts import NO_LIMITS, book, make_session
from tests.books import SECOND, Row

DEEP = 1_000_000
BOOTSTRAP = BlockBootstrap(300, 0.95, 30 * SECOND, 0)


def make_config(**keys: Any) -> Backtest:
    """No latency, curve, sizes or markouts, but for `keys`."""
    none = {"enabled": True, "latency": "0ms", "latency_curve": [], "sizes": [], "markouts": []}
    return Backtest(**{**none, **keys})


def make_bars(bars: Sequence[float], hold: float = 1.0) -> TradedBars:
    """Predicted bars of a second (s) with the end of their horizon."""
    close = np.array([round(t * SECOND) for t in bars], np.int64)
    ends = close + round(hold * SECOND)
    return TradedBars(close - SECOND, close, ends)


def make_targets(bars: Sequence[float], targets: Sequence[int]) -> Decisions:
    """A target at each bar, held to the next."""
    n, nothing = len(bars), np.zeros(len(bars), np.int64)
    return Decisions(
        time=np.array([round(t * SECOND) for t in bars], np.int64),
        kind=np.full(n, TARGET, np.uint8),
        target=np.array(targets, np.int64),
        until=np.full(n, LAST),
        bid=nothing,
        bid_size=nothing,
        ask=nothing,
        ask_size=nothing,
    )


def walk(mids: Sequence[int], half_spread: int = 1, lots: int = DEEP) -> list[Row]:
    """A book that moves just before each second, from 1 s on, around mids in ticks."""
    return [book(k + 0.5, (mid - half_spread, lots, mid + half_spread, lots)) for k, mid in enumerate(mids)]


def trade(
    market: Session | Sequence[Row],
    decisions: Decisions,
    *,
    config: Backtest | None = None,
    money: Money | None = None,
    limits: Limits = NO_LIMITS,
    bars: Sequence[float] | None = None,
    hold: float = 1.0,
    key: TradedSession = TradedSession("TEST", "1970-01-01"),  # noqa: B008
    close: float | None = None,
) -> SessionResult:
    """Trade one session; bars are those of the decisions unless given."""
    session = market if isinstance(market, Session) else make_session(market)
    if close is not None:
        session = replace(session, close=round(close * SECOND))
    config = make_config() if config is None else config
    made = make_bars(decisions.time / SECOND if bars is None else bars, hold)
    plans = {key: (decisions, limits)}
    execution = Execution.of(config, make_latency(config, 3), plans, 3)
    return trade_session(
        TradedMarket(record_session(session), make_money() if money is None else money), made, key, plans, execution
    )


def collect(
    sessions: Sequence[SessionResult],
    *,
    config: Backtest | None = None,
    money: Mapping[str, Money] | None = None,
    cap: int = 10,
    bars_per_day: float = 100.0,
) -> BacktestResult:
    """Collect traded sessions."""
    account = Account("USD", cap, money or {"TEST": make_money()}, 252, bars_per_day, "1s")
    return collect_result(list(sessions), make_config() if config is None else config, account)


def make_predictions(result: BacktestResult, **columns: Any) -> pl.DataFrame:
    """Labels of a second for each bar of a result."""
    rows = result.decided.drop("net")
    close = rows["bar_close"]
    n = rows.height
    made = {"label_start": close, "label_end": close + SECOND, "y": np.arange(n) % 3 - 1.0, "y_hat": np.arange(n) % 2.0}
    return rows.with_columns(**{k: pl.Series(np.asarray(v)) for k, v in (made | columns).items()})


def trade_walk(
    seed: int, *, knows: float, bars: int = 400, path: int | None = None, day: str = "d", **keys: Any
) -> SessionResult:
    """Trade each move of a walk on the side that it takes, or on the other, with probability 1 - `knows`."""
    rng = np.random.default_rng(seed)
    mids = 10_000 + np.cumsum(rng.integers(-4, 5, bars + 2))
    right = rng.random(bars) < knows
    targets = np.sign(np.diff(mids)[:bars]) * np.where(right, 1, -1)
    return trade(
        walk(mids.tolist()), make_targets(range(1, bars + 1), targets.tolist()), close=bars + 1,
        key=TradedSession("TEST", day, path), **keys,
    )  # fmt: skip
