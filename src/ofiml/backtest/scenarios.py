"""The scenarios of a backtest: its own, and the same decisions under other latencies, sizes and queue models."""

from typing import NamedTuple

from ofiml.backtest.latency import Latency, draw_latency, fix_latency
from ofiml.backtest.latency_table import read_latency_table
from ofiml.backtest.orders import Queue
from ofiml.backtest.simulate import Scenario
from ofiml.config import Backtest
from ofiml.units import parse_duration

QUEUES = {"pessimistic": Queue.PESSIMISTIC, "proportional": Queue.PROPORTIONAL, "power": Queue.POWER,
          "exact": Queue.EXACT}  # fmt: skip


class Variant(NamedTuple):
    """What differs from the study's own scenario (`kind`: latency, size or queue; MAIN: nothing), and its value."""

    kind: str
    name: str


MAIN = Variant("main", "main")


def plan_scenarios(
    config: Backtest, latency: Latency, *, exact: bool, posts: bool, seed: int
) -> dict[Variant, Scenario]:
    """Plan the scenarios of a session, the main one first.

    `latency` is that of `make_latency`. `exact` says that the data have the place of each order in its queue, `posts`
    that orders may rest: only these have a queue. A variant that is no other than the main scenario is the same object.
    With a fixed latency the curve's points replace it; with drawn ones they replace the median, and with a table they
    are fixed.
    """
    queue, power = choose_queue(config, exact=exact), config.queue_power
    main = Scenario(latency, queue, power)
    scenarios = {MAIN: main}
    for text in config.latency_curve:
        median = parse_duration(text, "backtest.latency_curve")
        own = config.latency_table is None and median == config.latency_ns
        scenarios[Variant("latency", text)] = (
            main if own else Scenario(_spread_latency(config, median, seed), queue, power)
        )
    for size in config.sizes:
        own = size == 1
        scenarios[Variant("size", f"{size:.12g}")] = main if own else Scenario(latency, queue, power, size)
    for bound in (Queue.THROUGH, Queue.TOUCH) if posts else ():
        scenarios[Variant("queue", bound.name.lower())] = Scenario(latency, bound, power)
    return scenarios


def choose_queue(config: Backtest, *, exact: bool) -> Queue:
    """Choose the queue model: `auto` is exact where the data allow it, else proportional."""
    if config.queue == "auto":
        return Queue.EXACT if exact else Queue.PROPORTIONAL
    return QUEUES[config.queue]


def make_latency(config: Backtest, seed: int) -> Latency:
    """Make the latency of the config: fixed, drawn around its median, or read from the recorded table.

    Raises DataError for a table that cannot be read.
    """
    if config.latency_table is not None:
        return read_latency_table(config.latency_table, config.response_ns)
    return _spread_latency(config, config.latency_ns, seed)


def _spread_latency(config: Backtest, median: int, seed: int) -> Latency:
    if config.latency_jitter:
        return draw_latency(median, config.latency_jitter, seed, config.response_ns)
    return fix_latency(median, config.response_ns)
