"""Trade the sessions of a dataset by forecasts of the test's own, through the whole backtest and without any fit."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import polars as pl

from ofiml.backtest.instruments import AssignedInstrument, Listing, assign_instruments
from ofiml.backtest.money import estimate_fee_ticks
from ofiml.backtest.result import BacktestResult
from ofiml.backtest.run import Desk, run_backtest
from ofiml.backtest.scenarios import make_latency
from ofiml.config import Config
from ofiml.data.sessions import list_sources
from ofiml.samples.prepare import prepare_session
from ofiml.samples.session import SessionSamples
from ofiml.samples.settings import SampleSettings
from ofiml.strategy.bars import ForecastBars
from ofiml.strategy.build import TradedSession, decide_session, express_until
from ofiml.strategy.fit import FittedRule
from ofiml.strategy.limits import set_limits
from ofiml.ui.progress import Stages

KNOWN = pl.col("move_ticks").fill_null(0.0)  # a forecast without error, so that there are trades at all prices


class Traded:
    """The sessions of a config with their forecasts, and the instruments of their symbols."""

    def __init__(self, config: Config, edge: pl.Expr = KNOWN) -> None:
        self.config = config
        self.samples: list[SessionSamples] = []
        for origin, source in enumerate(list_sources(config.dataset)):
            made = [prepare_session(session, SampleSettings.of(config)) for session in source()]
            self.samples += [replace(samples, origin=origin) for samples in made]
        listings = [Listing(s.key[0], s.calendar, s.home, s.source) for s in self.samples]
        self.assigned = dict(assign_instruments(listings, config.dataset))
        rows = pl.concat([s.rows for s in self.samples]).filter(pl.col("mid").is_not_null()).sort("bar_close")
        self.rows = rows.with_columns(edge.alias("edge_ticks"))

    def run(
        self, *, backtest: dict | None = None, instrument: dict | None = None, **strategy: object
    ) -> BacktestResult:
        """Trade with other keys of the backtest, of all instruments, or of the strategy."""
        config = replace(
            self.config,
            backtest=replace(self.config.backtest, **(backtest or {})),
            strategy=replace(self.config.strategy, **strategy),
        )
        assigned = {
            symbol: replace(one, instrument=replace(one.instrument, **(instrument or {})))
            for symbol, one in self.assigned.items()
        }
        plans = {}
        for samples in self.samples:
            key = TradedSession(*samples.key)
            rows = self.rows.filter((pl.col("symbol") == key.symbol) & (pl.col("session") == key.session))
            bars = ForecastBars.of(rows, [], _measure_fee(assigned[key.symbol], config.strategy.base_lots))
            rule = FittedRule(0, {key.symbol: {}}, {key.symbol: float("nan")})
            until = rows.select(express_until(config.strategy))
            decisions = decide_session(bars, until.to_series().to_numpy(), config.strategy, key, rule)
            plans[key] = decisions, set_limits(config.strategy, samples.close)
        desk = Desk(
            config=config.backtest, latency=make_latency(config.backtest, config.seed), dataset=config.dataset,
            instruments=assigned, cap=config.strategy.max_position, bar=config.bars.label, store=None,
            seed=config.seed, threads=1,
        )  # fmt: skip
        with Stages() as stages:
            return run_backtest(self.rows, self.samples, plans, desk, stages)


def _measure_fee(one: AssignedInstrument, lots: int) -> Callable:
    return lambda mid, tick: np.array(
        [estimate_fee_ticks(one.instrument, abs(m) * tick, lots=lots) for m in mid.tolist()]
    )
