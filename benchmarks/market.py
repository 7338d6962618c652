"""Speed of the synthetic market, in events per CPU second: `python benchmarks/market.py`.

`kernel` is the event loop alone, `session` the whole of it: the loop, its digest and the table in the event schema.
Each figure is the best of several repeats; machines differ and are noisy.
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from hydra import compose, initialize_config_dir
from rich.console import Console
from rich.table import Table

from ofiml.config import SyntheticDataset, load
from ofiml.data.synthetic import kernel, simulate
from ofiml.data.synthetic.books import ROW_COLUMNS, Out
from ofiml.data.synthetic.market import draw_truth, make_levels, make_plan, make_rules

REPEATS = 7
CONF = Path(__file__).parents[1] / "conf"


def best(work: Callable[[], int]) -> float:
    """Events per CPU second of the fastest of the repeats; the first, which compiles, does not count."""
    work()
    rates = []
    for _ in range(REPEATS):
        start = time.process_time()
        events = work()
        rates.append(events / (time.process_time() - start))
    return max(rates)


def dataset(name: str) -> SyntheticDataset:
    with initialize_config_dir(str(CONF), version_base=None):
        found = load(compose("config", overrides=[f"dataset={name}"])).dataset
    assert isinstance(found, SyntheticDataset)
    return found


def loop(config: SyntheticDataset) -> Callable[[], int]:
    """One day of the event loop, into buffers that are there already."""
    n = 1_500_000
    rows, levels = np.zeros((n, ROW_COLUMNS), np.int64), make_levels(config, config.levels, n)
    out = Out(np.zeros(n), np.zeros(n), np.zeros(n), rows, levels)

    def work() -> int:
        rng = np.random.default_rng([config.seed, 0])
        return kernel.run(rng, make_rules(config), make_plan(config, draw_truth(config, 0, rng)), out)

    return work


def main() -> None:
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    table = Table(title="million events per CPU second", box=None)
    for column in ("market", "events", "kernel", "session"):
        table.add_column(column, justify="right" if table.columns else "left")
    for name in ("synthetic", "synthetic_large_tick", "synthetic_small_tick", "synthetic_basket"):
        config = dataset(name)
        work = loop(config)
        whole = best(lambda config=config: sum(s.events.height for s in simulate(config, 0)))  # type: ignore[misc]
        table.add_row(name, f"{work():,}", f"{best(work) / 1e6:.2f}", f"{whole / 1e6:.2f}")
    Console().print(table)


if __name__ == "__main__":
    main()
