"""Stream market data row by row through the features and the model of a logged run.

Each session is fed to a stream in the order of receipt, as it would arrive live. At each bar's close the model of the
run predicts. If the run predicted the same bar, both predictions must be equal to the bit; otherwise the exit code
is 1. A table shows the time per row. The logged dataset.path is used only if the files there have the run's digests.
"""

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from omegaconf import OmegaConf

from ofiml.cli.exits import ending_in_a_sentence
from ofiml.cli.overrides import check, compose
from ofiml.errors import ConfigError

if TYPE_CHECKING:
    from rich.console import Console

    from ofiml.live.replay import Replay, Timings


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="ofiml replay", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run_id", help="id of the MLflow run, 32 hexadecimal digits")
    parser.add_argument(
        "overrides", nargs="*", metavar="dataset.key=value", help="another dataset (default: that of the run)"
    )
    default = os.environ.get("MLFLOW_TRACKING_URI", "sqlite:///mlflow.db")
    parser.add_argument(
        "--uri", default=default, help="tracking store (default: MLFLOW_TRACKING_URI, or sqlite:///mlflow.db)"
    )
    parser.add_argument("--out", type=Path, metavar="FILE", help="write the predictions as Parquet")
    given = parser.parse_intermixed_args(arguments)
    return ending_in_a_sentence(lambda: _replay(given))


def _replay(given: argparse.Namespace) -> int:
    """Return 0 if every prediction of the run for these bars is repeated to the bit, or it made none; else 1."""
    overrides = given.overrides
    check(overrides)
    for one in overrides:
        if not one.startswith(("dataset=", "dataset.")) or "=" not in one:
            raise ConfigError(f"{one!r}: replay can change only the dataset: write dataset=NAME or dataset.KEY=VALUE.")

    from rich.console import Console

    from ofiml.data.schema import TIME
    from ofiml.live.replay import replay

    own_path = not any(one.startswith(("dataset=", "dataset.path=")) for one in overrides)
    done = replay(given.run_id, given.uri, lambda logged: _dataset(logged, overrides), own_path=own_path)
    if given.out is not None:
        given.out.parent.mkdir(parents=True, exist_ok=True)
        done.after.with_columns(pl.col("bar_close").cast(TIME)).write_parquet(given.out)
    console = Console()
    _show(console, done.timings)
    return _verdict(console, done)


def _dataset(logged: dict[str, Any], overrides: list[str]) -> dict[str, Any]:
    """The logged dataset with the overrides, or the dataset that they choose."""
    if any(one.startswith("dataset=") for one in overrides):
        chosen = OmegaConf.to_container(compose(overrides).dataset, resolve=True)
    else:
        changes = OmegaConf.from_dotlist([one.removeprefix("dataset.") for one in overrides])
        chosen = OmegaConf.to_container(OmegaConf.merge(logged, changes))
    assert isinstance(chosen, dict)
    return {str(key): value for key, value in chosen.items()}


def _show(console: "Console", timings: "Timings") -> None:
    from rich.table import Table

    table = Table(
        title="microseconds on one core, per row within a bar, per row that closes a bar, and per model call", box=None
    )
    for column in ("", "count", "p50", "p99", "p99.9", "max"):
        table.add_column(column, justify="right" if column else "left")
    for name, count, microseconds in timings.summarise():
        table.add_row(name, f"{count:,}", *(f"{value:.1f}" for value in microseconds))
    console.print(table)


def _verdict(console: "Console", done: "Replay") -> int:
    """Return 0 if the stream repeats every prediction of the run to the bit, or there is none; else 1."""
    from ofiml.tracking.logged_run import BAR

    before, after, run_id, differs = done.before, done.after, done.run_id, done.changed
    both = before.select(*BAR, "y_hat").join(after.select(*BAR, "y_hat"), on=BAR, how="inner", suffix="_live")
    if before.height == 0:
        settings = ", ".join(f"dataset.{key}" for key in differs)
        reason = f"was made with another {settings}" if differs else "predicted no bar of these sessions"
        console.print(
            f"{after.height:,} predictions. Run {run_id} {reason}, so there is nothing to compare.",
            highlight=False,
            soft_wrap=True,
        )
        return 0
    bits = [both[c].to_numpy().view(np.int64) for c in ("y_hat", "y_hat_live")]
    differ = int((bits[0] != bits[1]).sum()) + before.height - both.height
    console.print(
        f"{after.height:,} predictions. Run {run_id} made {before.height:,} of them; "
        f"{'all' if differ == 0 else f'{before.height - differ:,}'} are bit-identical.",
        highlight=False,
        soft_wrap=True,
    )
    return 1 if differ else 0


if __name__ == "__main__":
    sys.exit(main())
