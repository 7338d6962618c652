"""The rows of a market and their folds, for an experiment that fits something other than a study does."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import polars as pl

from ofiml._typing import Float, Int64
from ofiml.config import Config, Split
from ofiml.data.schema import Session
from ofiml.experiments.bench import Bench, Market
from ofiml.ofi.flow import build_flow_matrix, list_flow_groups
from ofiml.samples.prepare import prepare_session
from ofiml.samples.session import SessionSamples
from ofiml.samples.settings import SampleSettings
from ofiml.samples.table import pool_samples
from ofiml.splits.fold import Fold
from ofiml.splits.rows import Hours
from ofiml.training.folds import divide_labelled, divide_rows

#: Changes a session's rows before they are pooled, such as by columns of labels of its own.
Extend = Callable[[Session, SessionSamples, SampleSettings], pl.DataFrame]


@dataclass(frozen=True, slots=True)
class FoldedRows:
    """The labelled bars of a market in time order, its folds, which number them, and the `levels` with known flow."""

    config: Config
    rows: pl.DataFrame
    folds: list[Fold]
    levels: int

    @property
    def tested(self) -> Int64:
        """The numbers of the rows that are tested, fold by fold, which is in time order."""
        return np.concatenate([fold.test for fold in self.folds])

    def read_flow(self, normalise: str = "none") -> Float:
        """Read the flow of the bars, (n, levels), in lots, or with `normalise` "depth" relative to depth."""
        flow = build_flow_matrix(self.rows, self.levels, normalise, list_flow_groups(self.config.ofi))
        return np.ascontiguousarray(flow, dtype=np.float64)


def fold_rows(bench: Bench, market: Market, *overrides: str, extend: Extend | None = None) -> FoldedRows:
    """Prepare the bars of a market and divide those with a label into purged folds, one session in memory at a time.

    Raises what a study does for data that cannot be used or divided.
    """
    config, sessions = bench.configure(market, *overrides), []
    settings = SampleSettings.of(config)
    for session in bench.read_sessions(market, *overrides):
        samples = prepare_session(session, settings)
        if extend is not None:
            samples.rows = extend(session, samples, settings)
        sessions.append(samples)
    bench.sessions[market.name] = [f"{one.key[0]} {one.key[1]} {one.digest[:16]}" for one in sessions]
    rows = pool_samples(sessions)[0].filter(pl.col("y").is_not_null())
    return FoldedRows(config, rows, divide_rows(rows, sessions, config.split).folds, sessions[0].flow_levels)


def divide_bars(
    bars: pl.DataFrame, hours: Iterable[tuple[str, int, int]], split: Split, ends: Int64 | None = None
) -> list[Fold]:
    """Divide bars with a known label into purged folds. `hours` has (date, open, close) of each session.

    The label is the bar's own, or with `ends` (n,), ns, one from its close until then. Raises DataError if there are
    too few bars.
    """
    label = (pl.col("bar_open"), pl.col("bar_close")) if ends is None else (pl.col("bar_close"), pl.Series(ends))
    rows = bars.select("bar_close", first_used="bar_open", label_start=label[0], label_end=label[1])
    return divide_labelled(rows, Hours.of(hours), split).folds
