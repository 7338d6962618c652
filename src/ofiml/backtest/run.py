"""Run the backtest of a study: read each session's tape, trade its decisions, and collect the result."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import polars as pl

from ofiml.backtest.instruments import AssignedInstrument
from ofiml.backtest.latency import Latency
from ofiml.backtest.money import Money
from ofiml.backtest.result import Account, BacktestResult, collect_result
from ofiml.backtest.traded_bars import count_bars_per_day, divide_bars
from ofiml.backtest.trading import Execution, SessionResult, TradedMarket, release_marks, trade_session
from ofiml.config import Backtest, FileDataset, SyntheticDataset
from ofiml.data.sessions import list_sources
from ofiml.errors import DataError
from ofiml.parallel import Workers, run_pieces
from ofiml.samples.session import SessionKey, SessionSamples
from ofiml.samples.tape_cache import read_tapes
from ofiml.strategy.build import Plans, TradedSession
from ofiml.ui.progress import Stages


@dataclass(frozen=True, slots=True)
class Desk:
    """What a backtest needs besides rows and decisions: its config and latency, the data, the instrument of each
    symbol, the position cap in lots, what a bar is called, the folder of cached tapes (None for none), the seed of
    drawn latencies, and the number of inputs that are read at a time.
    """

    config: Backtest
    latency: Latency
    dataset: SyntheticDataset | FileDataset
    instruments: Mapping[str, AssignedInstrument]
    cap: int
    bar: str
    store: str | None
    seed: int
    threads: int


def run_backtest(
    rows: pl.DataFrame,
    sessions: list[SessionSamples],
    plans: Plans,
    desk: Desk,
    stages: Stages,
    keep: Callable[[pl.DataFrame], pl.DataFrame] = lambda table: table,
) -> BacktestResult:
    """Trade the predicted bars `rows` by the decisions of `plans`, session by session.

    Memory holds the tapes of `desk.threads` inputs at a time. `keep` stores each table of the result and returns
    what takes its place. Raises DataError if an input has changed since its samples were made.
    """
    money = {symbol: Money.of(one.instrument) for symbol, one in desk.instruments.items()}
    execution = Execution.of(desk.config, desk.latency, plans, desk.seed)
    parts = divide_bars(rows)
    keys: dict[SessionKey, list[TradedSession]] = {}  # the paths of each session
    for key in parts:
        keys.setdefault((key.symbol, key.session), []).append(key)
    by_origin: dict[int, dict[SessionKey, SessionSamples]] = {}
    for s in sessions:
        if s.key in keys:
            by_origin.setdefault(s.origin, {})[s.key] = s
    sources = list_sources(desk.dataset)

    def work(origin: int) -> list[SessionResult]:
        results, missing = [], dict(by_origin[origin])
        for tape in read_tapes(sources[origin], desk.store):
            samples = missing.pop((tape.meta.symbol, tape.meta.date), None)
            if samples is None:
                continue
            if samples.digest != tape.meta.digest:
                missing[samples.key] = samples
                continue
            market = TradedMarket(tape, money[samples.key[0]])
            results += [
                release_marks(trade_session(market, parts[key], key, plans, execution)) for key in keys[samples.key]
            ]
        if missing:
            changed = next(iter(missing.values()))
            raise DataError(f"{changed.source} changed while the study ran: run it again.")
        return results

    with stages.start_stage("backtest", len(by_origin)) as bar:
        # Threads, which share the plans; the kernel releases the GIL.
        nested = run_pieces(work, sorted(by_origin), Workers(desk.threads), bar.step)
    by_key = {result.key: result for results in nested for result in results}
    used = [one.instrument for one in desk.instruments.values()]
    account = Account(
        currency=used[0].currency,
        cap=desk.cap,
        money=money,
        days_per_year=max(instrument.trading_days for instrument in used),
        bars_per_day=count_bars_per_day(parts, sessions),
        bar=desk.bar,
    )
    return collect_result([by_key[key] for key in parts], desk.config, account, keep)
