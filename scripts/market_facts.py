"""Measure and compare the stylised facts of markets: numbers, a table and figures.

    python scripts/market_facts.py --out FOLDER AMZN="dataset=lobster dataset.path=FILE" synthetic="dataset=synthetic"

Each LABEL="…" has overrides as for `python -m ofiml.run`; only dataset and bars.per matter. Writes facts.json, facts.md
and figures into FOLDER: statistics of whole sessions only, no event of the data.
"""

import argparse
import json
import math
import shlex
import sys
from pathlib import Path

from hydra import compose, initialize_config_dir

from ofiml.cli.exits import run_command
from ofiml.config import Config, SyntheticDataset, load
from ofiml.data.sessions import list_sources
from ofiml.errors import ConfigError, DataError
from ofiml.microstructure.facts.session import Facts, average_facts, measure_facts
from ofiml.microstructure.facts.table import write_facts
from ofiml.overrides.arguments import check_arguments
from ofiml.overrides.conf import CONF


def read_markets(arguments: list[str]) -> dict[str, Config]:
    """Return the configs by label, all checked before any data is read. Raises ConfigError."""
    out: dict[str, Config] = {}
    for argument in arguments:
        label, equals, text = argument.partition("=")
        if not equals or not label.strip() or label == "dataset" or "." in label:
            raise ConfigError(f'{argument}: write LABEL="dataset=… dataset.path=…", a label and its overrides.')
        if label in out:
            raise ConfigError(f"the label {label} occurs twice: give each market a different label.")
        try:
            overrides = shlex.split(text)
        except ValueError as error:
            raise ConfigError(f"{label}: cannot read {text!r} ({error}).") from error
        check_arguments(overrides)
        with initialize_config_dir(str(CONF), version_base=None):
            out[label] = load(compose("config", overrides=["tracking=off", *overrides]))
    return out


def measure(config: Config) -> tuple[Facts, list[dict[str, str]]]:
    """Measure the facts of a dataset's sessions, one in memory at a time; return their average and the sessions.

    Raises DataError if there are no sessions.
    """
    facts: list[Facts] = []
    sessions: list[dict[str, str]] = []
    for source in list_sources(config.dataset):
        for session in source():
            facts.append(measure_facts(session, config.bars.per))
            sessions.append({"symbol": session.symbol, "date": session.date, "sha256": session.digest})
            if config.dataset.max_sessions is not None and len(facts) >= config.dataset.max_sessions:
                return average_facts(facts), sessions
    if not facts:
        raise DataError(f"{config.dataset.label}: no session to measure.")
    return average_facts(facts), sessions


def describe_sessions(sessions: list[dict[str, str]]) -> str:
    """Describe sessions by symbols, dates and number."""
    dates = sorted({session["date"] for session in sessions})
    span = dates[0] if len(dates) == 1 else f"{dates[0]} to {dates[-1]}"
    symbols = ", ".join(sorted({session["symbol"] for session in sessions}))
    return f"{symbols}, {span}, {len(sessions)} session{'s' * (len(sessions) > 1)}"


def facts_to_json(facts: Facts) -> dict[str, dict[str, float | None]]:
    """Convert facts to JSON-compatible data; NaN becomes null."""
    return {t: {k: v if math.isfinite(v) else None for k, v in curve.items()} for t, curve in facts.items()}


def write_results(configs: dict[str, Config], folder: Path) -> int:
    """Measure all markets and write numbers, table and figures; return the exit code."""
    results = {label: measure(config) for label, config in configs.items()}
    facts = {label: average for label, (average, _) in results.items()}
    texts = {label: describe_sessions(sessions) for label, (_, sessions) in results.items()}
    from ofiml.microstructure.facts.figures import draw_facts

    (folder / "figures").mkdir(parents=True, exist_ok=True)
    record = {
        label: {"sessions": sessions, "facts": facts_to_json(average)} for label, (average, sessions) in results.items()
    }
    real = [label for label, config in configs.items() if not isinstance(config.dataset, SyntheticDataset)]
    (folder / "facts.json").write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    (folder / "facts.md").write_text(write_facts(facts, texts, real), encoding="utf-8")
    for name, figure in draw_facts(facts).items():
        # Without date and version in the file, the same facts give the same bytes.
        figure.savefig(folder / "figures" / name, metadata={"Software": None})
    print(f"{folder}: facts.json, facts.md, figures of {', '.join(facts)}")
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="folder of the results")
    parser.add_argument("markets", nargs="+", metavar='LABEL="overrides"')
    args = parser.parse_args()
    return run_command(lambda: write_results(read_markets(args.markets), args.out))


if __name__ == "__main__":
    sys.exit(main())
