"""Stream market data row by row through the features and the model of a logged run.

The rows of each session are streamed in the order of receipt, as they would arrive live. At each bar's close the
model predicts. If the run predicted the same bar, the two predictions must be bit-identical; otherwise the exit code
is 1. A table shows the time per row. The logged dataset.path is used only if the files there have the run's digests.
"""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import OmegaConf

from ofiml.cli.exits import run_command
from ofiml.cli.run_argument import add_run_argument, add_store_argument, find_named_run
from ofiml.errors import ConfigError
from ofiml.overrides.arguments import check_arguments
from ofiml.overrides.composition import compose
from ofiml.overrides.text_values import parse_override, quote_text_values
from ofiml.ui.lines import open_console, print_line

if TYPE_CHECKING:
    from rich.console import Console

    from ofiml.live.predictor import Timings
    from ofiml.live.replay import Replay


def main(arguments: list[str] | None = None) -> int:
    """Replay a run, print the comparison, and return the exit code: 1 if a prediction differs (see also `exits`)."""
    parser = argparse.ArgumentParser(
        prog="ofiml replay", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_run_argument(parser)
    parser.add_argument(
        "overrides",
        nargs="*",
        metavar="override",
        help="dataset=NAME or dataset.KEY=VALUE (default: the dataset of the run)",
    )
    add_store_argument(parser)
    parser.add_argument("--out", type=Path, metavar="FILE", help="also write the predictions, as Parquet")
    options = parser.parse_intermixed_args(arguments)
    if options.packed is not None and options.run is not None:
        options.overrides, options.run = [options.run, *options.overrides], None
    return run_command(lambda: _replay(options))


def _replay(options: argparse.Namespace) -> int:
    """Replay the run and print timings and verdict. Return 0 unless a prediction differs from the run's."""
    overrides = options.overrides
    check_arguments(overrides)
    for override in overrides:
        key, equals, _ = override.lstrip("+~").partition("=")
        if not (key == "dataset" or key.startswith("dataset.")) or not (equals or override.startswith("~")):
            raise ConfigError(
                f"{override!r}: replay can change only the dataset: write dataset=NAME or dataset.KEY=VALUE."
            )

    import polars as pl

    from ofiml.atomic import write_atomically
    from ofiml.data.schema import TIME
    from ofiml.live.replay import replay

    own_path = not any(override.startswith(("dataset=", "dataset.path=")) for override in overrides)
    run = find_named_run(options.run, options.packed, options.uri)
    result = replay(run, options.uri, lambda logged: _choose_dataset(logged, overrides), own_path=own_path)
    if options.out is not None:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(options.out, result.after.with_columns(pl.col("bar_close").cast(TIME)).write_parquet)
    console = open_console()
    _print_timings(console, result.timings)
    return _print_verdict(console, result)


def _choose_dataset(logged: dict[str, Any], overrides: list[str]) -> dict[str, Any]:
    """Return the settings of the logged dataset with the overrides, or of the dataset that they choose."""
    if any(override.startswith("dataset=") for override in overrides):
        chosen = OmegaConf.to_container(compose(overrides).dataset, resolve=True)
    else:
        values = [override for override in overrides if not override.startswith("~")]
        changes = [parse_override(override) for override in quote_text_values(values)]
        node = OmegaConf.create(logged)
        for change in changes:
            OmegaConf.update(node, change.key_or_group.removeprefix("dataset."), change.value())
        chosen = OmegaConf.to_container(node)
        for override in sorted(set(overrides) - set(values)):
            _remove_item(chosen, override)
    assert isinstance(chosen, dict)
    return {str(key): value for key, value in chosen.items()}


def _remove_item(settings: Any, override: str) -> None:
    """Remove the item that ~dataset.KEY.NAME names. Raises ConfigError if there is none."""
    *parents, name = override.removeprefix("~dataset.").partition("=")[0].split(".")
    for parent in parents:
        settings = settings.get(parent, {})
    if name not in settings:
        raise ConfigError(f"{override}: the dataset of the run has no such item.")
    del settings[name]


def _print_timings(console: "Console", timings: "Timings") -> None:
    from rich.table import Table

    table = Table(
        title="Microseconds on one core: update per row, features per closed bar, prediction and decision per call",
        box=None,
    )
    for column in ("", "count", "p50", "p99", "p99.9", "max"):
        table.add_column(column, justify="right" if column else "left")
    for name, count, microseconds in timings.summarise():
        table.add_row(name, f"{count:,}", *(f"{value:.1f}" for value in microseconds))
    console.print(table)


def _print_verdict(console: "Console", result: "Replay") -> int:
    """Print how many predictions are bit-identical. Return 1 if one of the run's differs or is missing, else 0."""
    import numpy as np

    from ofiml.tracking.logged_run import BAR

    before, after, run_id, changed = result.before, result.after, result.run_id, result.changed
    both = before.select(*BAR, "y_hat").join(after.select(*BAR, "y_hat"), on=BAR, how="inner", suffix="_live")
    if before.height == 0:
        settings = ", ".join(f"dataset.{key}" for key in changed)
        reason = f"was made with another {settings}" if changed else "predicted no bar of these sessions"
        print_line(console, f"{after.height:,} predictions. Run {run_id} {reason}, so there is nothing to compare.")
        return 0
    bits = [both[c].to_numpy().view(np.int64) for c in ("y_hat", "y_hat_live")]
    n_differ = int((bits[0] != bits[1]).sum()) + before.height - both.height
    print_line(
        console,
        f"{after.height:,} predictions. Run {run_id} made {before.height:,} of them; "
        f"{'all' if n_differ == 0 else f'{before.height - n_differ:,}'} are bit-identical.",
    )
    return 1 if n_differ else 0
