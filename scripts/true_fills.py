"""Compare the queue models of the backtest with what truly becomes of the same limit orders.

    python scripts/true_fills.py --out FOLDER
    python scripts/true_fills.py --out FOLDER [--lots 1 50] [--patience 10s] synthetic="dataset=synthetic"

Each LABEL="…" has overrides of a synthetic market; without any, the default market and the one with a large tick are
studied. On each day, limit orders are posted at the touch: in copies of the simulated market, which has them as any
participant's, and on the recorded tape of the day without them, under each queue model. The exponent of the power queue
is fitted on the first days; all else is measured on the days after them. Writes results.json, results.md and figures
into FOLDER.
"""

import argparse
import json
import math
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from market_facts import read_markets

from ofiml.cli.exits import run_command
from ofiml.config import SyntheticDataset
from ofiml.errors import ConfigError
from ofiml.microstructure.fills.study import MarketResult, Settings, study_market
from ofiml.microstructure.fills.table import write_tables
from ofiml.ui.progress import Stages
from ofiml.units import parse_duration

MARKETS = ["synthetic=dataset=synthetic", "large tick=dataset=synthetic_large_tick"]


def study(args: argparse.Namespace) -> int:
    """Study all markets and write the results; return the exit code."""
    configs = read_markets(args.markets or MARKETS)
    for label, config in configs.items():
        if not isinstance(config.dataset, SyntheticDataset):
            raise ConfigError(
                f"{label}: only the synthetic market tells what truly becomes of orders: dataset=synthetic."
            )
    if min(args.fit_days, args.test_days) < 2 or min(args.replicas, *args.lots) < 1:
        raise ConfigError("give at least 2 days to fit and 2 to test, and replicas and lots of at least 1.")
    settings = Settings(
        lots=args.lots,
        every=parse_duration(args.every, "--every"),
        patience=parse_duration(args.patience, "--patience"),
        replicas=args.replicas,
        fit_days=args.fit_days,
        test_days=args.test_days,
        default_power=next(iter(configs.values())).backtest.queue_power,
    )
    results: dict[str, MarketResult] = {}
    with Stages() as stages:
        for label, config in configs.items():
            assert isinstance(config.dataset, SyntheticDataset)
            with stages.start_stage(label, settings.days) as bar:
                results[label] = study_market(config.dataset, settings, bar.step)
    write_results(results, settings, args.out)
    return 0


def write_results(results: dict[str, MarketResult], settings: Settings, folder: Path) -> None:
    """Write numbers, tables and figures."""
    from ofiml.microstructure.fills.figures import draw_results

    (folder / "figures").mkdir(parents=True, exist_ok=True)
    record = {"settings": asdict(settings), "markets": {label: asdict(of) for label, of in results.items()}}
    text = json.dumps(replace_nan(record), indent=1, ensure_ascii=False)
    (folder / "results.json").write_text(text + "\n", encoding="utf-8")
    (folder / "results.md").write_text(write_tables(results, settings), encoding="utf-8")
    for name, figure in draw_results(results).items():
        # Without date and version in the file, the same results give the same bytes.
        figure.savefig(folder / "figures" / name, metadata={"Software": None})
    print(f"{folder}: results.json, results.md, figures of {', '.join(results)}")


def replace_nan(value: Any) -> Any:
    """Replace what JSON cannot say, NaN and infinite numbers, by None, and round to six digits."""
    if isinstance(value, dict):
        return {key: replace_nan(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [replace_nan(one) for one in value]
    if isinstance(value, float):
        return float(f"{value:.6g}") if math.isfinite(value) else None
    return value


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="folder of the results")
    parser.add_argument("--lots", type=int, nargs="+", default=[1, 50], help="sizes of orders (default: 1 50)")
    parser.add_argument("--every", default="20s", help="time between orders (default: 20s)")
    parser.add_argument("--patience", default="10s", help="time until the cancel, below --every (default: 10s)")
    parser.add_argument("--replicas", type=int, default=2, help="true futures of each order (default: 2)")
    parser.add_argument("--fit-days", type=int, default=8, help="days to fit the exponent on (default: 8)")
    parser.add_argument("--test-days", type=int, default=24, help="days to test on, after them (default: 24)")
    parser.add_argument("markets", nargs="*", metavar='LABEL="overrides"', help="synthetic markets")
    args = parser.parse_args()
    return run_command(lambda: study(args))


if __name__ == "__main__":
    sys.exit(main())
