"""Repeat a committed experiment and compare the result with its report.json.

    python scripts/rerun.py experiments/001-planted-signal [--write]

The study of config.yaml runs without tracking. The exit code is 0 if every number is identical, or if the predictions
are and other numbers differ by a relative 1e-9 at most, as sums do on another processor; else 1. With --write, the new
report.json and figures replace the committed ones if a number differs by more, config.yaml has the keys of today, and
the exit code is 0.
"""

import argparse
import math
import shutil
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import yaml

from ofiml.cli.exits import run_command
from ofiml.config import load, resolve_config
from ofiml.errors import ConfigError
from ofiml.tracking.differences import TOLERANCE
from ofiml.tracking.logged_report import LoggedReport, read_logged_report
from ofiml.tracking.record import record_study
from ofiml.tracking.reproduction import compare_reports

COMMITTED_FILES = ("report.json", "figures")


def rerun(folder: Path, write: bool) -> int:
    if not (folder / "config.yaml").exists():
        raise ConfigError(f"{folder} contains no config.yaml and cannot be rerun: its README lists the commands.")
    config = load(yaml.safe_load((folder / "config.yaml").read_text()))
    with tempfile.TemporaryDirectory() as scratch:
        quiet = replace(config, tracking=replace(config.tracking, enabled=False))
        fresh = replace(
            quiet,
            tuning=replace(quiet.tuning, storage=f"{scratch}/tuning"),
            features=replace(quiet.features, store=None),
        )
        record = record_study(fresh, Path(scratch) / "study")
        after = read_logged_report(record.study.report.to_json())
        same = False
        if (folder / "report.json").exists():
            before = read_logged_report((folder / "report.json").read_text())
            differences = compare_reports(before, after)
            largest = find_largest_difference(before, after)
            same = largest <= TOLERANCE
            compared = f"{len(before.numbers)} numbers compared"
            if same and differences:
                print(f"{folder}: the same predictions, {compared}, {len(differences)} differ by {largest:.1e} or less")
            else:
                print("\n".join(differences) or f"{folder}: identical, {compared}")
        if write and not same:
            for name in COMMITTED_FILES:
                target, source = folder / name, record.folder / name
                if source.is_dir():
                    shutil.rmtree(target, ignore_errors=True)
                    shutil.copytree(source, target)
                else:
                    shutil.copy(source, target)
            print(f"{folder}: written")
        if write:
            (folder / "config.yaml").write_text(yaml.safe_dump(resolve_config(config), sort_keys=False))
    return 0 if same or write else 1


def find_largest_difference(before: LoggedReport, after: LoggedReport) -> float:
    """Find the largest relative difference of two numbers, infinite if the data, predictions or a part differ."""
    digests = (before.digest, before.predictions_sha256) == (after.digest, after.predictions_sha256)
    pairs = [(number, after.numbers.get(path, math.nan)) for path, number in before.numbers.items()]
    added = {p for p in after.numbers.keys() - before.numbers.keys() if not p.startswith(before.later_parts)}
    if not digests or added or any(math.isnan(now) != math.isnan(was) for was, now in pairs):
        return math.inf
    return max((abs(now - was) / max(abs(was), abs(now)) for was, now in pairs if was != now and was == was), default=0)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="folder of the experiment, with config.yaml")
    parser.add_argument("--write", action="store_true", help="replace the committed result if a number differs")
    options = parser.parse_args()
    return run_command(lambda: rerun(options.folder, options.write))


if __name__ == "__main__":
    sys.exit(main())
