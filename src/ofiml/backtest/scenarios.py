"""The scenarios of a backtest: its own, and the same decisions under other latencies, sizes and queue models."""

from dataclasses import dataclass

import polars as pl

from ofiml.backtest.latency import Latency, draw_latency, fix_latency
from ofiml.backtest.orders import Queue
from ofiml.backtest.simulate import Scenario
from ofiml.config import Backtest
from ofiml.units import parse_duration

QUEUES = {"pessimistic": Queue.PESSIMISTIC, "proportional": Queue.PROPORTIONAL, "power": Queue.POWER,
          "exact": Queue.EXACT}  # fmt: skip
MAIN = "main"


@dataclass(frozen=True, slots=True)
class NamedScenario:
    """A scenario, the `kind` of variant that it is (main, latency, size or queue) and its name."""

    kind: str
    name: str
    scenario: Scenario


def plan_scenarios(config: Backtest, *, exact: bool, posts: bool, seed: int) -> list[NamedScenario]:
    """Plan the scenarios of a session, the main one first.

    `exact` says that the data have the place of each order in its queue, `posts` that the strategy has resting orders:
    only these have a queue. With a fixed latency the curve's points replace it; with drawn ones they replace the
    median, and with a table they are fixed.
    """
    queue = choose_queue(config, exact=exact)
    latency = make_latency(config, config.latency_ns, seed)
    power = config.queue_power

    def make(latency: Latency, queue: Queue = queue, size: float = 1.0) -> Scenario:
        return Scenario(latency, queue, power, size)

    scenarios = [NamedScenario(MAIN, MAIN, make(latency))]
    for text in config.latency_curve:
        median = parse_duration(text, "backtest.latency_curve")
        point = draw_latency(median, config.latency_jitter, seed, config.response_ns)
        scenarios.append(NamedScenario("latency", text, make(point if config.latency_jitter else _fix(median, config))))
    scenarios += [NamedScenario("size", f"{size:g}", make(latency, size=size)) for size in config.sizes]
    bounds = (Queue.THROUGH, Queue.TOUCH) if posts else ()
    return scenarios + [NamedScenario("queue", bound.name.lower(), make(latency, bound)) for bound in bounds]


def choose_queue(config: Backtest, *, exact: bool) -> Queue:
    """Choose the queue model: `auto` is exact where the data allow it, else proportional."""
    if config.queue == "auto":
        return Queue.EXACT if exact else Queue.PROPORTIONAL
    return QUEUES[config.queue]


def make_latency(config: Backtest, median: int, seed: int) -> Latency:
    """Make the latency of the config: fixed, drawn around `median` ns, or read from the recorded table."""
    if config.latency_table is not None:
        return read_latency_table(config.latency_table, config.response_ns)
    if config.latency_jitter:
        return draw_latency(median, config.latency_jitter, seed, config.response_ns)
    return _fix(median, config)


def _fix(median: int, config: Backtest) -> Latency:
    return fix_latency(median, config.response_ns)


def read_latency_table(path: str, response: int) -> Latency:
    """Read recorded latencies: CSV or Parquet with `time` (UTC) and `latency_ns`."""
    table = pl.read_parquet(path) if path.endswith(".parquet") else pl.read_csv(path, try_parse_dates=True)
    return Latency(table["latency_ns"].to_numpy(), response, table["time"].to_numpy())
