"""Compare the queue models of the backtest with what truly becomes of the limit orders of a strategy.

    python scripts/strategy_fills.py --out FOLDER
    python scripts/strategy_fills.py --out FOLDER [--replicas 2] synthetic="dataset=synthetic strategy=quoting"

Each LABEL="…" has overrides of a run on a synthetic market with a strategy that quotes. The run is made; then each
limit order that it sent is posted in a copy of the simulated market at its own time and price, until the strategy
wanted another quote there, and the same orders are sent to the recorded tape under each queue model. Writes
strategy_fills.json and strategy_fills.md into FOLDER.
"""

import argparse
import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

import polars as pl
from market_facts import read_markets
from true_fills import replace_nan

from ofiml.backtest.orders import Queue
from ofiml.cli.exits import run_command
from ofiml.config import Config, SyntheticDataset
from ofiml.data.synthetic import simulate
from ofiml.data.synthetic.own_orders import follow_postings
from ofiml.errors import ConfigError
from ofiml.microstructure.fills.postings import QueueModel, add_spread, post_on_tape
from ofiml.microstructure.fills.strategy import list_postings
from ofiml.microstructure.fills.study import DEFAULT, PLAIN_MODELS, Outcome, describe_outcomes
from ofiml.microstructure.fills.table import write_outcomes
from ofiml.samples.tape import build_tape
from ofiml.study.run import run as run_study
from ofiml.ui.progress import Stages
from ofiml.units import SECOND

RUN = "strategy=quoting model=ridge tuning=off evaluation.controls=false dataset.sessions=12"
MARKETS = [f"synthetic=dataset=synthetic {RUN}", f"large tick=dataset=synthetic_large_tick {RUN}"]


@dataclass(frozen=True, slots=True)
class StrategyFills:
    """What became of the orders of a run: their number, that of its sessions, the mean of the lots ahead at the posting
    and of the seconds until the cancel, and the outcome in truth and by each model.
    """

    orders: int
    days: int
    ahead: float
    waited: float
    truth: Outcome
    models: dict[str, Outcome]


def study_strategy(config: Config, replicas: int, stages: Stages, label: str) -> StrategyFills:
    """Run the study and follow its quotes, one day and side at a time. Raises ConfigError for a run without any."""
    dataset = config.dataset
    if not isinstance(dataset, SyntheticDataset):
        raise ConfigError(f"{label}: only the synthetic market tells what truly becomes of orders: dataset=synthetic.")
    study = run_study(config, stages)
    if study.trades is None or study.decisions is None:
        raise ConfigError(f"{label}: the run has no backtest: leave out backtest=off.")
    models = PLAIN_MODELS | {DEFAULT: QueueModel(Queue.POWER, config.backtest.queue_power)}
    truths: list[pl.DataFrame] = []
    tables: dict[str, list[pl.DataFrame]] = {name: [] for name in models}
    with stages.start_stage(f"{label}: orders", dataset.sessions) as bar:
        for day in range(dataset.sessions):
            session = simulate(dataset, day)[0]
            of_day = pl.col("session") == session.date, pl.col("symbol") == session.symbol
            orders, decisions = study.trades.orders.filter(of_day), study.decisions.filter(of_day)
            tape, truth = build_tape(session), []
            found: dict[str, list[pl.DataFrame]] = {name: [] for name in models}
            for side in (1, -1):
                postings = list_postings(orders, decisions, dataset, session.open, side=side)
                if len(postings.time) == 0:
                    continue
                table = follow_postings(dataset, day, postings, replicas=replicas)
                table = add_spread(table.filter(pl.col("price").is_not_null()), tape.tick)
                truth.append(table)
                outcomes = post_on_tape(table, tape, session.close, list(models.values()))
                for name, outcome in zip(models, outcomes, strict=True):
                    found[name].append(outcome)
            if truth:
                truths.append(pl.concat(truth))
                for name in models:
                    tables[name].append(pl.concat(found[name]))
            bar.step()
    if not truths:
        raise ConfigError(f"{label}: the run quoted nothing: choose strategy=quoting.")
    once = pl.concat(truths).filter(pl.col("replica") == 0)
    waited = (once["cancelled"] - once["posted"]).dt.total_nanoseconds().to_numpy() / SECOND
    of_truth, by_model = describe_outcomes(truths, tables)
    return StrategyFills(
        once.height, len(truths), float(once["ahead"].to_numpy().mean()), float(waited.mean()), of_truth, by_model
    )


def write_results(configs: dict[str, Config], replicas: int, folder: Path) -> int:
    """Study all markets and write numbers and tables; return the exit code."""
    with Stages() as stages:
        found = {label: study_strategy(config, replicas, stages, label) for label, config in configs.items()}
    folder.mkdir(parents=True, exist_ok=True)
    record = {"replicas": replicas, "markets": {label: asdict(one) for label, one in found.items()}}
    text = json.dumps(replace_nan(record), indent=1, ensure_ascii=False)
    (folder / "strategy_fills.json").write_text(text + "\n", encoding="utf-8")
    parts = [
        f"## {label}\n\n{one.orders:,} orders on {one.days} days, wanted for {one.waited:.1f} s on average, behind "
        f"{one.ahead:.0f} lots.\n\n{write_outcomes(one.truth, one.models)}\n"
        for label, one in found.items()
    ]
    (folder / "strategy_fills.md").write_text("\n".join(parts), encoding="utf-8")
    print(f"{folder}: strategy_fills.json, strategy_fills.md of {', '.join(found)}")
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="folder of the results")
    parser.add_argument("--replicas", type=int, default=2, help="true futures of each order (default: 2)")
    parser.add_argument("markets", nargs="*", metavar='LABEL="overrides"', help="runs on synthetic markets")
    args = parser.parse_args()
    return run_command(lambda: write_results(read_markets(args.markets or MARKETS), args.replicas, args.out))


if __name__ == "__main__":
    sys.exit(main())
