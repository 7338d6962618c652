"""The scenarios of a backtest: its own, and the same decisions under other latencies, sizes and queue models."""

from dataclasses import dataclass

import polars as pl

from ofiml.backtest.latency import Latency, draw_latency, fix_latency
from ofiml.backtest.orders import Queue
from ofiml.backtest.simulate import Scenario
from ofiml.config import Backtest
from ofiml.errors import ConfigError
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
    """Read recorded latencies: CSV or Parquet with `time` (UTC, ascending) and `latency_ns`.

    Raises ConfigError for a file that cannot be read or has other columns.
    """
    try:
        table = pl.read_parquet(path) if path.endswith(".parquet") else pl.read_csv(path)
        if table.schema["time"] == pl.String:
            table = table.with_columns(pl.col("time").str.to_datetime(time_unit="ns", time_zone="UTC"))
        table = table.select(pl.col("time").dt.epoch("ns"), pl.col("latency_ns").cast(pl.Int64))
        if table.height == 0 or any(table.null_count().row(0)):
            raise ValueError("it has no rows, or a value is missing")
    except (OSError, ValueError, KeyError, pl.exceptions.PolarsError) as error:
        reason = " ".join(str(error).split()).rstrip(".")
        raise ConfigError(
            f"backtest.latency_table={path} must be a CSV or Parquet file with the columns time (UTC) and latency_ns "
            f"(whole numbers): {reason}."
        ) from error
    return Latency(table["latency_ns"].to_numpy(), response, table["time"].to_numpy())
