"""`ofiml experiment NAME`: repeat an experiment of the literature on markets of your choice, and write its page."""

import argparse
import shlex
import sys
from pathlib import Path

from ofiml.cli.exits import run_command
from ofiml.errors import ConfigError

_DESCRIPTION = """Run an experiment and write README.md, results.json and figures.

Each MARKET is a name and overrides of a dataset: AMZN="dataset=lobster dataset.path=FILE". Without one, the experiment
runs on its own markets, which are simulated. Without a name, the experiments are listed."""


def main(arguments: list[str] | None = None) -> int:
    """Run an experiment, or list them all, and return the exit code (see `exits`)."""
    parser = argparse.ArgumentParser(
        prog="ofiml experiment", description=_DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("name", nargs="?", help="name of the experiment")
    parser.add_argument("markets", nargs="*", metavar='MARKET="overrides"', help="what to study")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="folder of the page (default: outputs/NAME)")
    parser.add_argument("--tiny", action="store_true", help="on little data, to see that it works; no result")
    options = parser.parse_intermixed_args(arguments)  # markets may follow options
    return run_command(lambda: _list() if options.name is None else _run(options))


def _list() -> None:
    from ofiml.experiments.registry import find_experiment, list_experiments

    for name in list_experiments():
        sys.stdout.write(f"{name:<20} {find_experiment(name).title}\n")


def _run(options: argparse.Namespace) -> None:
    from ofiml.experiments.bench import Bench, Market
    from ofiml.experiments.page import write_page
    from ofiml.experiments.registry import find_experiment
    from ofiml.overrides.arguments import compose_config
    from ofiml.ui.progress import Stages

    experiment = find_experiment(options.name)
    given = options.markets or [f"{name}={text}" for name, text in experiment.markets.items()]
    markets = [Market(name, overrides) for name, overrides in map(_parse_market, given)]
    if len({market.name for market in markets}) < len(markets):
        raise ConfigError("Two markets have the same name: give each a name of its own.")
    folder = options.out or Path("outputs") / options.name
    with Stages() as stages:
        bench = Bench(
            markets, lambda overrides: compose_config(list(overrides), "dataset=synthetic"), stages, options.tiny
        )
        page = experiment.run(bench)
    command = " ".join(["ofiml experiment", options.name, *map(_quote_market, options.markets)])
    write_page(page, experiment.title, experiment.question, command, folder)
    sys.stdout.write("\n".join([*page.verdict, f"Page: {folder / 'README.md'}"]) + "\n")


def _parse_market(text: str) -> tuple[str, tuple[str, ...]]:
    """Split NAME="overrides"; raise ConfigError for another form."""
    name, equals, overrides = text.partition("=")
    if not equals or not name.strip() or name == "dataset" or "." in name:
        raise ConfigError(f'{text}: write NAME="dataset=… dataset.path=…", a name and its overrides.')
    try:
        return name.strip(), tuple(shlex.split(overrides))
    except ValueError as error:
        raise ConfigError(f"{name}: cannot read {overrides!r} ({error}).") from error


def _quote_market(text: str) -> str:
    """Write a market as one types it, with the name of a file for its path, which is not the reader's."""
    name, overrides = _parse_market(text)
    shown = [
        f"{key}={Path(value).name}" if key == "dataset.path" else one
        for one in overrides
        for key, _, value in [one.partition("=")]
    ]
    return f'{shlex.quote(name)}="{" ".join(shown)}"'
