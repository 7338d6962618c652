"""Measure the stylised facts of several markets, and compare them in numbers, a table and figures.

    python scripts/market_facts.py --out FOLDER AMZN="dataset=lobster dataset.path=FILE" synthetic="dataset=synthetic"

Each LABEL="…" contains overrides as for `ofiml run`; only dataset and bars.per matter. The script writes facts.json,
facts.md and figures into FOLDER. They contain statistics of whole sessions, no events of the data.
"""

import argparse
import json
import math
import shlex
import sys
from pathlib import Path

from hydra import compose, initialize_config_dir

from ofiml.cli.conf import CONF
from ofiml.cli.exits import run_command
from ofiml.cli.overrides import check_arguments
from ofiml.config import Config, load
from ofiml.data.sessions import sources
from ofiml.errors import ConfigError, DataError
from ofiml.microstructure.facts.session import Facts, average_facts, measure_facts
from ofiml.microstructure.facts.table import write_facts


def read_markets(arguments: list[str]) -> dict[str, Config]:
    """Map labels to configs. All configs are checked before any data are read."""
    out: dict[str, Config] = {}
    for argument in arguments:
        label, equals, text = argument.partition("=")
        if not equals or not label.strip() or label == "dataset" or "." in label:
            raise ConfigError(f'{argument}: write LABEL="dataset=… dataset.path=…", a label and its overrides.')
        if label in out:
            raise ConfigError(f"The label {label} occurs twice: give each market its own label.")
        try:
            overrides = shlex.split(text)
        except ValueError as error:
            raise ConfigError(f"{label}: cannot read {text!r} ({error}).") from error
        check_arguments(overrides)
        with initialize_config_dir(str(CONF), version_base=None):
            out[label] = load(compose("config", overrides=["tracking=off", *overrides]))
    return out


def measure(config: Config) -> tuple[Facts, list[dict[str, str]]]:
    """The facts of a dataset's sessions, averaged, and which sessions they are; one session in memory at a time."""
    found: list[Facts] = []
    sessions: list[dict[str, str]] = []
    for source in sources(config.dataset):
        for session in source():
            found.append(measure_facts(session, config.bars.per))
            sessions.append({"symbol": session.symbol, "date": session.date, "sha256": session.digest})
            if config.dataset.max_sessions is not None and len(found) >= config.dataset.max_sessions:
                return average_facts(found), sessions
    if not found:
        raise DataError(f"{config.dataset.label}: no session to measure.")
    return average_facts(found), sessions


def describe_sessions(sessions: list[dict[str, str]]) -> str:
    dates = sorted({h["date"] for h in sessions})
    span = dates[0] if len(dates) == 1 else f"{dates[0]} to {dates[-1]}"
    symbols = ", ".join(sorted({h["symbol"] for h in sessions}))
    return f"{symbols}, {span}, {len(sessions)} session{'s' * (len(sessions) > 1)}"


def facts_to_json(found: Facts) -> dict[str, dict[str, float | None]]:
    """JSON has no NaN."""
    return {t: {k: v if math.isfinite(v) else None for k, v in curve.items()} for t, curve in found.items()}


def write(configs: dict[str, Config], folder: Path) -> int:
    measured = {label: measure(config) for label, config in configs.items()}
    found = {label: one for label, (one, _) in measured.items()}
    texts = {label: describe_sessions(sessions) for label, (_, sessions) in measured.items()}
    from ofiml.microstructure.facts.figures import draw_facts

    (folder / "figures").mkdir(parents=True, exist_ok=True)
    record = {label: {"sessions": sessions, "facts": facts_to_json(one)} for label, (one, sessions) in measured.items()}
    (folder / "facts.json").write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    (folder / "facts.md").write_text(write_facts(found, texts), encoding="utf-8")
    for name, figure in draw_facts(found).items():
        # No date or version inside: the same facts give the same file.
        figure.savefig(folder / "figures" / name, metadata={"Software": None})
    print(f"{folder}: facts.json, facts.md, figures of {', '.join(found)}")
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="folder for the results")
    parser.add_argument(
        "markets", nargs="+", metavar='LABEL="overrides"', help="a market: its name in the results, and its dataset"
    )
    options = parser.parse_args()
    return run_command(lambda: write(read_markets(options.markets), options.out))


if __name__ == "__main__":
    sys.exit(main())
