"""Run the backtest of a study: read each session's tape, trade its decisions, and collect the result."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import polars as pl

from ofiml.backtest.instruments import AssignedInstrument
from ofiml.backtest.latency import Latency
from ofiml.backtest.money import Money
from ofiml.backtest.result import Account, BacktestResult, collect_result
from ofiml.backtest.trading import Execution, SessionResult, TradedMarket, release_marks, trade_session
from ofiml.config import Backtest, FileDataset, SyntheticDataset
from ofiml.data.calendar import ALWAYS
from ofiml.data.sessions import list_sources
from ofiml.errors import DataError
from ofiml.parallel import Workers, run_pieces
from ofiml.samples.session import SessionKey, SessionSamples
from ofiml.samples.tape_cache import read_tapes
from ofiml.strategy.build import Plans, TradedSession, sort_bars
from ofiml.ui.progress import Stages
from ofiml.units import SECOND

_DAY = 86_400 * SECOND


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
    rows: pl.DataFrame, sessions: list[SessionSamples], plans: Plans, desk: Desk, stages: Stages
) -> BacktestResult:
    """Trade the predicted bars `rows` by the decisions of `plans`, session by session.

    Memory holds the tapes of `desk.threads` inputs at a time. Raises DataError if an input has changed since its
    samples were made.
    """
    money = {symbol: Money.of(one.instrument) for symbol, one in desk.instruments.items()}
    execution = Execution.of(desk.config, desk.latency, plans, desk.seed)
    parts = dict(_divide(rows))
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
        bars_per_day=count_bars_per_day(rows, sessions),
        bar=desk.bar,
    )
    return collect_result([by_key[key] for key in parts], desk.config, account)


def _divide(rows: pl.DataFrame) -> Iterator[tuple[TradedSession, pl.DataFrame]]:
    """Divide the predicted bars by symbol, session and, if there are several, path."""
    by = ["symbol", "session", *(["path"] if "path" in rows.columns else [])]
    rows = rows.select(*by, "bar_close", "hold_until")  # what trading reads; each part is a copy
    for key, part in rows.group_by(by, maintain_order=True):
        yield TradedSession(*key), sort_bars(part)


def count_bars_per_day(rows: pl.DataFrame, sessions: list[SessionSamples]) -> float:
    """Count the times at which the equity is known on a full day of the calendar, not on the tested part of one.

    On each date, the distinct times of predicted bars are scaled by the length of the calendar's session (of 24 hours
    on a market that never closes) over the time that these bars cover; the mean over dates.
    """
    full: dict[str, int] = {}
    for s in sessions:
        length = _DAY if s.calendar == ALWAYS else (s.scheduled_close or s.close) - s.open
        full[s.key[1]] = max(full.get(s.key[1], 0), length)
    if "path" in rows.columns:
        rows = rows.filter(pl.col("path") == rows["path"][0])
    by_symbol = rows.group_by("session", "symbol").agg(
        (pl.col("bar_close") - pl.col("bar_open")).cast(pl.Int64).sum().alias("covered")
    )
    covered = by_symbol.group_by("session").agg(pl.col("covered").max())
    times = rows.group_by("session").agg(pl.col("bar_close").n_unique().alias("times"))
    counts = times.join(covered, on="session")
    per_day = [row["times"] * full[row["session"]] / max(1, row["covered"]) for row in counts.iter_rows(named=True)]
    return sum(sorted(per_day)) / len(per_day)
