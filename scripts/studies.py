"""Run the experiments of experiments/ again, each into its folder: on the embedded market, and on real days.
The numbers of tables in docs/ are measured again, too, into scripts/results.

    python scripts/studies.py [--data FOLDER] [NAME ...]
    python scripts/studies.py --check [--data FOLDER] [NAME ...]

FOLDER has the files of the real days, which may not be redistributed. A day whose file is not there is left out, with a
line that says so. --check writes nothing: it compares the numbers of today with the committed ones, prints those that
differ, and ends with 1 if some do.
"""

import argparse
import json
import math
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ofiml.experiments.registry import find_experiment

EXPERIMENTS = Path(__file__).parents[1] / "experiments"

#: The real days: where their files lie, and the overrides that read them.
DAYS = {
    "AMZN": ("lobster/LOBSTER_SampleFile_AMZN_2012-06-21_5.zip", "dataset=lobster"),
    "AAPL pre-market": ("databento/aapl_20241021_mbp10.csv", "dataset=databento"),
    "BTCUSDT": ("binance/usdm_btcusdt_20240808.gz", "dataset=binance"),
    "ARL": ("databento/arl_20250717_mbo.csv", "dataset=databento_mbo"),
    "BTCUSDT spot": (
        "binance/spot_btcusdt_20240808.gz",
        "dataset=binance dataset.size_unit=0.000001 dataset.tick=0.01",
    ),
    "ETHBTC": ("binance/binance_ETHBTC_*", "dataset=binance dataset.tick=0.000001 instrument=binance_spot"),
    "best quotes": ("quotes/sample_quotes_*.csv.gz", "dataset=quotes"),
    # Six minutes: bars a tenth as long.
    "BTCUSDT 1 s": ("binance/usdm_btcusdt_20240808.gz", "dataset=binance bars.step=1s"),
    # Bars and horizons a tenth as long.
    "BTCUSDT 100 ms": (
        "binance/usdm_btcusdt_20240808.gz",
        "dataset=binance bars.step=100ms horizon.length=2s split.embargo=5s",
    ),
    # A few thousand trades: bars of less volume.
    "AAPL 100-share bars": ("databento/aapl_20241021_mbp10.csv", "dataset=databento bars.size=100"),
    # The same day as book and as orders.
    "ARL MBP-10": ("databento/arl_20250717_mbp10.csv", "dataset=databento bars.size=50"),
    "ARL MBO": ("databento/arl_20250717_mbo.csv", "dataset=databento_mbo bars.size=50"),
    "BTCUSDT 2-BTC bars": ("binance/usdm_btcusdt_20240808.gz", "dataset=binance bars.size=2"),
}


@dataclass(frozen=True, slots=True)
class Study:
    """The folder of an experiment, its name, and the real days that it studies."""

    folder: str
    name: str
    days: tuple[str, ...] = ()
    more: str = ""  # overrides of its days

    results = "results.json"
    days_first = False

    def list_markets(self) -> dict[str, str]:
        """List the embedded markets: their names on the page, and the overrides that make them."""
        return dict(find_experiment(self.name).markets)

    @property
    def command(self) -> list[str]:
        return ["-m", "ofiml.experiment", self.name]


@dataclass(frozen=True, slots=True)
class Script:
    """A study that a script of this folder makes: it writes the results, and the page says what they mean.

    A script without `markets` chooses its own.
    """

    folder: str
    name: str
    results: str
    days: tuple[str, ...] = ()
    markets: tuple[tuple[str, str], ...] = ()
    more = ""
    days_first = True

    def list_markets(self) -> dict[str, str]:
        """List the embedded markets: their names on the page, and the overrides that make them."""
        return dict(self.markets)

    @property
    def command(self) -> list[str]:
        return [str(Path(__file__).with_name(f"{self.name}.py"))]


#: The fees of the notebooks' strategy.
NOTEBOOK_FEES = "+dataset.instruments={*:{quote:USD,taker:{per_unit:0.001},maker:{per_unit:0.001}}}"

VOLUME_DAYS = ("AMZN", "AAPL 100-share bars", "BTCUSDT 2-BTC bars")

#: Trades that come at a constant rate.
POISSON = "dataset.excitation=0 dataset.state_dependence=0 dataset.u_shape=0"

STUDIES: tuple[Study | Script, ...] = (
    Study("002-real-days", "real_days", ("AMZN", "AAPL pre-market", "ARL", "ETHBTC", "best quotes")),
    Script(
        "003-is-it-a-market",
        "market_facts",
        "facts.json",
        ("AMZN", "AAPL pre-market"),
        (
            ("synthetic", "dataset=synthetic"),
            ("null", "dataset=synthetic_null"),
            ("small tick", "dataset=synthetic_small_tick"),
            ("large tick", "dataset=synthetic_large_tick"),
        ),
    ),
    Script(
        "004-trade-sides",
        "trade_sides",
        "results.json",
        ("AMZN", "AAPL pre-market", "BTCUSDT"),
        (
            ("synthetic", "dataset=synthetic_trending"),
            ("synthetic, Poisson", f"dataset=synthetic_trending {POISSON}"),
        ),
    ),
    Study("005-what-features-add", "what_features_add", ("AMZN", "AAPL pre-market", "ETHBTC", "best quotes")),
    Script("006-does-it-tell-the-truth", "interval_coverage", "interval_coverage.json"),
    Script("006-does-it-tell-the-truth", "nested_tuning", "nested_tuning.json"),
    Script("007-true-fills", "true_fills", "results.json"),
    Script("007-true-fills", "strategy_fills", "strategy_fills.json"),
    Study("008-price-impact", "price_impact", ("AMZN", "AAPL pre-market")),
    Study("009-best-level-ofi", "best_level_ofi", ("AMZN", "AAPL pre-market")),
    Study("010-multi-level-ofi", "multi_level_ofi", ("AMZN", "AAPL pre-market")),
    Study("011-mlofi-ridge", "mlofi_ridge", ("AMZN", "AAPL pre-market")),
    Study("012-smoothed-labels", "smoothed_labels", ("AMZN", "AAPL pre-market", "BTCUSDT 100 ms")),
    Study("013-signal-horizon", "signal_horizon", ("AMZN",)),
    Study("014-direction-lgbm", "direction_lgbm", ("AMZN",), more=NOTEBOOK_FEES),
    Study("015-latency", "latency", ("AMZN",)),
    Study("016-which-ofi", "which_ofi", ("AMZN", "ARL")),
    Study("017-cross-impact", "cross_impact"),
    Study("018-toxicity", "toxicity", ("AMZN", "BTCUSDT 1 s")),
    Study("019-volatility-and-sizes", "volatility_and_sizes", VOLUME_DAYS),
    Study("020-book-building", "book_building", ("AMZN", "ARL MBP-10", "ARL MBO")),
)

#: Scripts that write the numbers of tables in docs/ (docs/experiments.md lists them).
TABLES = (
    Script("../scripts/results", "market_seeds", "market_seeds.json", ("AMZN", "AAPL pre-market", "BTCUSDT spot")),
    Script("../scripts/results", "simulate_inference", "simulate_inference.json"),
)


def list_markets(study: Study | Script, data: Path | None) -> list[str]:
    """List the markets of a study as arguments of its command; say which are left out."""
    simulated, real = [f"{name}={overrides}" for name, overrides in study.list_markets().items()], []
    for day in study.days:
        path, overrides = DAYS[day]
        if data is not None and any(data.glob(path)):
            real.append(f"{day}={overrides} dataset.path={data / path} {study.more}".rstrip())
        else:
            print(f"{study.folder}: LEFT OUT {day}: {path} is not there (--data names the folder)", flush=True)
    return [*real, *simulated] if study.days_first else [*simulated, *real]


def find_markets(record: dict[str, Any]) -> dict[str, Any]:
    """Find the results by market in what a study writes."""
    found: dict[str, Any] = record.get("numbers") or record.get("markets") or record
    return found


def list_differences(committed: Any, now: Any) -> list[str]:
    """List the numbers of two results that differ by more than a ten-thousandth, of markets that both have."""
    old, new = (flatten(record, "") for record in (committed, now))
    left_out = set(committed) - set(now)
    lines = []
    for place in sorted(old.keys() | new.keys()):
        if place.split("/")[1] in left_out:
            continue
        a, b = old.get(place), new.get(place)
        if a is None or b is None or not (math.isclose(a, b, rel_tol=1e-4, abs_tol=1e-9) or (a != a and b != b)):
            lines.append(f"{place[1:]}: committed {a}, today {b}")
    return lines


def flatten(value: Any, at: str) -> dict[str, float]:
    """Return the numbers of a JSON value by their place in it; null is NaN, and text is a part of its place."""
    if isinstance(value, dict | list):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        return {place: one for key, part in items for place, one in flatten(part, f"{at}/{key}").items()}
    if isinstance(value, str):
        return {f"{at}={value}": 0.0}
    return {at: math.nan if value is None else float(value)}


def run_study(study: Study | Script, data: Path | None, out: Path) -> bool:
    """Run a study into a folder; return whether it ended well."""
    command = [sys.executable, *study.command, *list_markets(study, data), "--out", str(out)]
    return subprocess.run(command, check=False).returncode == 0


def check_study(study: Study | Script, data: Path | None) -> bool:
    """Run a study, print what differs from its committed numbers, and return whether nothing does."""
    with tempfile.TemporaryDirectory() as folder:
        if not run_study(study, data, Path(folder)):
            return False
        texts = [(place / study.results).read_text("utf-8") for place in (EXPERIMENTS / study.folder, Path(folder))]
        lines = list_differences(*(find_markets(json.loads(text)) for text in texts))
    print("\n".join(lines) or "as committed", flush=True)
    return not lines


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help="experiments to run (default: all)")
    parser.add_argument("--data", type=Path, metavar="FOLDER", help="where the files of the real days lie")
    parser.add_argument("--out", type=Path, default=EXPERIMENTS, metavar="FOLDER", help="(default: experiments)")
    parser.add_argument("--check", action="store_true", help="compare with the committed numbers, and write nothing")
    options = parser.parse_intermixed_args()
    unknown = set(options.names) - {study.name for study in (*STUDIES, *TABLES)}
    if unknown:
        parser.error(
            f"{', '.join(sorted(unknown))}: choose of {', '.join(study.name for study in (*STUDIES, *TABLES))}"
        )
    failed = 0
    for study in (*STUDIES, *TABLES):
        if options.names and study.name not in options.names:
            continue
        print(f"{study.folder}", flush=True)
        if options.check:
            failed += not check_study(study, options.data)
        else:
            failed += not run_study(study, options.data, options.out / study.folder)
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
