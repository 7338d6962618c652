"""Predict the bars of live sessions with the models of a logged run, and measure the latencies of a live caller."""

import time
from array import array
from dataclasses import dataclass, field, replace
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from ofiml.config import ActivityBars, Config, Features, Ofi, Strategy, Target, TimeBars
from ofiml.data.calendar import find_time_zone
from ofiml.data.schema import Session
from ofiml.errors import ConfigError
from ofiml.features.batch import pack_rows
from ofiml.features.catalogue import INDEX
from ofiml.features.machine import describe_market, plan_features
from ofiml.live.decision import Decider
from ofiml.live.stream import Bar, Stream
from ofiml.ofi.flow import FlowRow, list_flow_groups
from ofiml.samples.cross import CrossBars
from ofiml.strategy.build import TradedSession
from ofiml.tracking.logged_run import LoggedRun
from ofiml.units import SECOND

_WARM_UP_ROWS = 200  # so that no compilation or first call is timed


@dataclass(slots=True)
class Timings:
    """The latencies of a live caller, ns: `Stream.push_row` of a row that closes no bar (`update`) and of a row that
    closes exactly one (`vector`), the prediction, and the decision, from the prediction to the order that the rule
    wants.
    """

    update: array = field(default_factory=lambda: array("q"))
    vector: array = field(default_factory=lambda: array("q"))
    prediction: array = field(default_factory=lambda: array("q"))
    decision: array = field(default_factory=lambda: array("q"))

    def summarise(self) -> list[tuple[str, int, list[float]]]:
        """Summarise each step: its name, the count, and the p50, p99, p99.9 and maximum in microseconds."""
        steps = (
            ("update, per row", self.update),
            ("features, per bar", self.vector),
            ("prediction", self.prediction),
            ("decision", self.decision),
        )
        return [
            (name, len(ns), (np.percentile(np.array(ns), [50, 99, 99.9, 100]) / 1e3).tolist())
            for name, ns in steps
            if len(ns)
        ]


class Prediction(NamedTuple):
    """The prediction of one bar, which closes at `bar_close` (UTC ns)."""

    symbol: str
    session: str
    bar_close: int
    fold: int
    y_hat: float


@dataclass(frozen=True, slots=True)
class StreamSettings:
    """The settings of a study's bars, flow and features, on which its streams depend, and of what follows a bar: its
    target and strategy.
    """

    bars: TimeBars | ActivityBars
    ofi: Ofi
    features: Features
    target: Target
    strategy: Strategy

    @classmethod
    def of(cls, config: Config) -> Self:
        """Select the settings of streams from a config."""
        return cls(config.bars, config.ofi, config.features, config.target, config.strategy)

    def build_stream(self, session: Session) -> Stream:
        """Build the stream of a session before its first event."""
        zone = find_time_zone(session.calendar) if session.calendar else None
        return Stream(describe_market(session, self.bars.per, zone), self.bars, plan_features(self.features, self.ofi))


class Predictor:
    """A predictor of closed bars: it applies the run's models to the run's features, in their logged order."""

    def __init__(self, group: list[Session], settings: StreamSettings, run: LoggedRun, timings: Timings) -> None:
        self.group, self.settings, self.run, self.timings = group, settings, run, timings
        windows = plan_features(settings.features, settings.ofi).windows
        self.flow = FlowRow(windows, settings.ofi.normalise, list_flow_groups(settings.ofi))
        self.columns = np.array([INDEX[c] for c in settings.features.columns], np.int64)
        self.keys = [(s.symbol, s.date) for s in group]
        self.own = [run.find_session(s) is not None for s in group]
        self.others = CrossBars(settings.features)
        self.deciders = [
            Decider(settings.strategy, settings.target, settings.features.columns, s.tick, TradedSession(*key))
            for s, key in zip(group, self.keys, strict=True)
        ]
        self.closed: dict[str, tuple[list[int], list[int]]] = {symbol: ([], []) for symbol, _ in self.keys}

    def warm_up(self) -> None:
        """Compile, load and call everything once, so that first calls are not timed."""
        session = replace(self.group[0], events=self.group[0].events.head(_WARM_UP_ROWS))
        stream = self.settings.build_stream(session)
        bars = [bar for rows in pack_rows(session) for row in rows for bar in stream.push_row(row)]
        if not bars:
            bars = stream.finish(self.group[0].close)[:1]
        for pipeline in self.run.pipelines:
            for bar in bars[:3]:
                pipeline.predict(*self._select_inputs(bar, bar.close))
        try:
            for bar in bars[:3]:
                self.deciders[0](bar, 0.0)
        except ConfigError:
            self.deciders.clear()  # the rule reads columns that a bar alone does not have: it is not timed

    def __call__(self, bars: list[tuple[int, Bar]]) -> list[Prediction]:
        """Predict each bar that has a mid. `bars` contain every bar that closed since the last call."""
        out = []
        for i, bar in bars:
            closes, flows = self.closed[self.keys[i][0]]
            closes.append(bar.close)
            flows.append(bar.ofi)
        for i, bar in sorted(bars, key=lambda item: item[1].close):
            symbol, session = self.keys[i]
            fold = self.run.choose_fold(bar.close, own=self.own[i])
            if fold < 0 or np.isnan(bar.mid):
                continue
            start = time.perf_counter_ns()
            y_hat = float(self.run.pipelines[fold].predict(*self._select_inputs(bar, bar.close))[0])
            predicted = time.perf_counter_ns()
            self.timings.prediction.append(predicted - start)
            if self.deciders:
                self.deciders[i](bar, y_hat)
                self.timings.decision.append(time.perf_counter_ns() - predicted)
            out.append(Prediction(symbol, session, bar.close, fold, y_hat))
        return out

    def _select_inputs(self, bar: Bar, t: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        flow = self.flow(bar.flow, bar.known)
        others = bar.features[self.columns]
        if self.settings.features.cross:
            others = np.concatenate([others, self._select_cross_flow(t)])
        return flow, others.reshape(1, -1)

    def _select_cross_flow(self, t: int) -> NDArray[np.float64]:
        """Select the last flow of other symbols and its age (s), as `samples.cross` defines them."""
        cross = self.settings.features.cross
        out = np.full(2 * len(cross), np.nan)
        for k, symbol in enumerate(cross):
            closes, flows = self.closed.get(symbol, ([], []))
            last = self.others.find_last(closes, t)
            if last >= 0:
                out[2 * k : 2 * k + 2] = flows[last], (t - closes[last]) / SECOND
        return out
