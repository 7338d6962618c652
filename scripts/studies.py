"""Run the experiments of experiments/ again, each into its folder: on the embedded market, and on real days.

    python scripts/studies.py [--data FOLDER] [NAME ...]

FOLDER has the files of the real days, which may not be redistributed. A day whose file is not there is left out, with a
line that says so.
"""

import argparse
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

EXPERIMENTS = Path(__file__).parents[1] / "experiments"

#: The real days: where their files lie, and the overrides that read them.
DAYS = {
    "AMZN": ("lobster/LOBSTER_SampleFile_AMZN_2012-06-21_5.zip", "dataset=lobster"),
    "AAPL pre-market": ("databento/aapl_20241021_mbp10.csv", "dataset=databento"),
    "BTCUSDT": ("binance/usdm_btcusdt_20240808.gz", "dataset=binance"),
}


@dataclass(frozen=True, slots=True)
class Study:
    """The folder of an experiment, its name, and the real days that it studies."""

    folder: str
    name: str
    days: tuple[str, ...] = ()


STUDIES = (
    Study("008-price-impact", "price_impact", ("AMZN", "AAPL pre-market")),
    Study("009-best-level-ofi", "best_level_ofi", ("AMZN", "AAPL pre-market")),
    Study("010-multi-level-ofi", "multi_level_ofi", ("AMZN", "AAPL pre-market")),
)


def list_markets(study: Study, data: Path | None) -> list[str]:
    """List the markets of a study as arguments of `ofiml experiment`; say which are left out."""
    markets = ["synthetic=dataset=synthetic"]
    for day in study.days:
        path, overrides = DAYS[day]
        if data is not None and (data / path).exists():
            markets.append(f"{day}={overrides} dataset.path={data / path}")
        else:
            print(f"{study.folder}: LEFT OUT {day}: {path} is not there (--data names the folder)", flush=True)
    return markets


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help="experiments to run (default: all)")
    parser.add_argument("--data", type=Path, metavar="FOLDER", help="where the files of the real days lie")
    parser.add_argument("--out", type=Path, default=EXPERIMENTS, metavar="FOLDER", help="(default: experiments)")
    options = parser.parse_args()
    unknown = set(options.names) - {study.name for study in STUDIES}
    if unknown:
        parser.error(f"{', '.join(sorted(unknown))}: choose of {', '.join(study.name for study in STUDIES)}")
    failed = 0
    for study in STUDIES:
        if options.names and study.name not in options.names:
            continue
        print(f"{study.folder}", flush=True)
        command = [sys.executable, "-m", "ofiml.experiment", study.name, *list_markets(study, options.data)]
        failed += subprocess.run([*command, "--out", str(options.out / study.folder)], check=False).returncode != 0
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
