"""The roads to the bars of `book_building`: forms of a feed in which the same market is written and read."""

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from ofiml.config import FileDataset, SyntheticDataset
from ofiml.data.feed import Blob
from ofiml.data.formats import archives
from ofiml.data.schema import Session
from ofiml.data.synthetic.orders import OrderDay, simulate_orders
from ofiml.data.writers.orders import WRITERS
from ofiml.errors import DataError
from ofiml.experiments.bench import Bench, Market
from ofiml.experiments.joined_messages import DROP, READ, STEPS, turn_trades, use_exchange_clock
from ofiml.experiments.road_bars import KEY, Agreement, compare_bars, tabulate_bars
from ofiml.metrics.scores import ic
from ofiml.samples.settings import SampleSettings
from ofiml.units import SECOND

#: The forms in which the embedded market is written, by reader.
FORMS = {"lobster": "LOBSTER messages", "databento_mbo": "MBO", "itch": "order stream (ITCH)"}
MESSAGES = "messages alone"
TURNED = "trades turned too"
_MINUTE = 60 * SECOND

#: A name, the sessions that were read, and the settings of their bars.
Reading = tuple[str, Sequence[Session], SampleSettings]


@dataclass(slots=True)
class Road:
    """A road beside the reference: what both are, their agreement after each of STEPS, and the correlation of their
    best-level OFI as read.

    `messages` and `own_messages` are the states of the book that the reference and the road count, as read.
    """

    reference: str
    name: str
    steps: dict[str, Agreement]
    correlation: float
    messages: int
    own_messages: int


def compare_roads(reference: Reading, other: Reading) -> Road:
    """Compare the bars of two readings of the same sessions, after each step that makes more of them the same."""
    steps: dict[str, Agreement] = {}
    one, two = list(reference[1]), list(other[1])
    correlation, counts = np.nan, (0, 0)
    for step, change in STEPS.items():
        one, two = [change(session) for session in one], [change(session) for session in two]
        tables = [
            pl.concat([tabulate_bars(session, settings) for session in sessions])
            for sessions, settings in ((one, reference[2]), (two, other[2]))
        ]
        steps[step] = compare_bars(*tables)
        if len(steps) == 1:
            counts = (int(tables[0]["n_events"].sum()), int(tables[1]["n_events"].sum()))
            correlation = correlate_flow(*tables)
    return Road(reference[0], other[0], steps, correlation, *counts)


def compare_pair(reference: Reading, other: Reading) -> list[Road]:
    """Compare two files of one session: as received; if no bar is shared, on the exchange's clock; and if that leaves
    differences, with the sides of trades turned, where this makes more columns the same.
    """
    roads = [compare_roads(reference, other)]
    if not roads[-1].steps[READ].shared:
        reference, other = (
            (name, [use_exchange_clock(one) for one in sessions], settings)
            for name, (_, sessions, settings) in ((reference[0], reference), ("on the exchange's clock", other))
        )
        roads.append(compare_roads(reference, other))
    if not roads[-1].steps[DROP].is_whole:
        turned = (TURNED, [turn_trades(one) for one in other[1]], other[2])
        road = compare_roads(reference, turned)
        if road.steps[DROP].count_columns() > roads[-1].steps[DROP].count_columns():
            roads.append(road)
    return roads


def correlate_flow(first: pl.DataFrame, second: pl.DataFrame) -> float:
    """Correlate the best-level OFI of the bars that two tables share."""
    both = first.select(*KEY, "ofi_00").join(second.select(*KEY, "ofi_00"), on=KEY, maintain_order="left")
    return ic(*(both[name].to_numpy().astype(np.float64) for name in ("ofi_00", "ofi_00_right")))


def write_roads(
    bench: Bench, market: Market, settings: SampleSettings, days: int, study: tuple[str, ...]
) -> Iterator[Road]:
    """Write the first days of a simulated market in each of FORMS, read them, and yield what becomes of their bars.

    Raises DataError for days that a form cannot express.
    """
    dataset, of_bars = settings.dataset, _keep_others(study)
    assert isinstance(dataset, SyntheticDataset)
    count = min(days, dataset.sessions)
    limits = (f"dataset.sessions={count}", "dataset.max_sessions=null", "dataset.max_events=null")
    own = Market(market.name, market.overrides)
    reference = list(bench.read_sessions(own, *study, *limits))
    with tempfile.TemporaryDirectory() as folder:
        orders = [day for index in range(count) for day in simulate_orders(dataset, index)]
        for reader, name in FORMS.items():
            sessions = []
            for k, day in enumerate(orders):
                path = WRITERS[reader](day, Path(folder) / reader / str(k))
                form = Market(
                    f"{market.name}, {name}",
                    (*_keep_others(market.overrides), *_list_overrides(reader, path, day, dataset)),
                )
                of_form = SampleSettings.of(bench.configure(form, *of_bars))
                digests = bench.sessions.get(form.name, [])
                sessions += list(bench.read_sessions(form, *of_bars))
                bench.sessions[form.name] = digests + bench.sessions[form.name]
            yield compare_roads(("the market itself", reference, settings), (name, sessions, of_form))


def _keep_others(overrides: Sequence[str]) -> tuple[str, ...]:
    """Keep the overrides that are not of the dataset."""
    return tuple(one for one in overrides if not one.lstrip("+~").startswith("dataset"))


def _list_overrides(reader: str, path: Path, day: OrderDay, dataset: SyntheticDataset) -> tuple[str, ...]:
    """List the overrides that read a file of orders: the same tick, levels and hours as the market's."""
    midnight = int(np.datetime64(day.date, "ns").astype(np.int64))
    opens, closes = ((at - midnight + _MINUTE - 1) // _MINUTE for at in (day.open, day.close))
    if closes >= 24 * 60:
        raise DataError(f"{day.symbol}, {day.date}: the session ends after midnight: lower dataset.session_length.")
    hours = ",".join(f"'{at // 60:02d}:{at % 60:02d}'" for at in (opens, closes))
    return (
        *(f"dataset={reader}", f"dataset.path={path}", f"dataset.tick={dataset.tick}"),
        *(f"dataset.levels={dataset.levels}", "dataset.calendar=24/7", f"dataset.hours=[{hours}]"),
        *("dataset.store=null", "dataset.max_events=null", "dataset.max_sessions=null"),
    )


def read_messages_alone(
    bench: Bench, market: Market, settings: SampleSettings, sessions: list[Session], study: tuple[str, ...]
) -> Road | None:
    """Read an archive of LOBSTER again, without its orderbook files; None for another dataset."""
    dataset = settings.dataset
    if not (isinstance(dataset, FileDataset) and dataset.name == "lobster" and archives.is_archive(dataset.path)):
        return None
    blob = Blob(Path(dataset.path).name, path=Path(dataset.path))
    names = [name for name in archives.list_files(blob) if "_message_" in name]
    with tempfile.TemporaryDirectory() as folder:
        for name, content in archives.read_files(blob, names).items():
            (Path(folder) / name).write_bytes(content)
        path = (f"dataset.path={folder}", "dataset.store=null")
        others = tuple(one for one in market.overrides if not one.startswith("dataset.path"))
        alone = Market(f"{market.name}, {MESSAGES}", (*others, *path))
        read = list(bench.read_sessions(alone, *study))
    return compare_roads(("the orderbook file", sessions, settings), (MESSAGES, read, settings))
