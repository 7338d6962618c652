"""Runs a committed experiment again: `python scripts/rerun.py experiments/001-planted-signal [--write]`.

Reads its config.yaml, runs it without tracking and compares the result with its report.json; exits 0 only if
identical. With --write it replaces report.json and the figures by what came out.
"""

import argparse
import json
import shutil
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import yaml

from ofiml.cli.exits import ending_in_a_sentence
from ofiml.config import load
from ofiml.errors import ConfigError
from ofiml.study.json_border import flat
from ofiml.tracking.record import record
from ofiml.tracking.reproduction import compare_reports

KEPT = ("report.json", "figures")


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
        done = record(fresh, Path(scratch) / "study")
        after = json.loads(done.study.report.to_json())
        same = False
        if (folder / "report.json").exists():
            before = json.loads((folder / "report.json").read_text())
            differences = compare_reports(before, after, flat(before), flat(after))
            same = not differences
            print("\n".join(differences) or f"{folder}: identical, {len(flat(before))} numbers compared")
        if write and not same:
            for name in KEPT:
                target, source = folder / name, done.folder / name
                if source.is_dir():
                    shutil.rmtree(target, ignore_errors=True)
                    shutil.copytree(source, target)
                else:
                    shutil.copy(source, target)
            print(f"{folder}: written")
    return 0 if same or write else 1


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--write", action="store_true", help="replace the committed result by what comes out")
    given = parser.parse_args()
    return ending_in_a_sentence(lambda: rerun(given.folder, given.write))


if __name__ == "__main__":
    sys.exit(main())
