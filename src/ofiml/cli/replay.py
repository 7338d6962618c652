"""`ofiml replay RUN_ID [dataset=… dataset.key=…]`: a logged run's model on a market that comes row by row.

Each session of the dataset is fed to a stream as it would arrive live; at each bar's close the run's features go
through the run's model. Where the run predicted the same bar of the same session, the two must be equal to the bit. A
table says how long it took. The run's own dataset.path is used if the files there are those that it was made of.
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
    parser.add_argument("run_id", help="the MLflow run whose features and model are used: 32 hexadecimal digits")
    parser.add_argument(
        "overrides", nargs="*", metavar="dataset.key=value", help="another market; the run's own if none is given"
    )
    default = os.environ.get("MLFLOW_TRACKING_URI", "sqlite:///mlflow.db")
    parser.add_argument(
        "--uri", default=default, help="tracking store (default: MLFLOW_TRACKING_URI, or sqlite:///mlflow.db)"
    )
    parser.add_argument("--out", type=Path, help="write the predictions there, as Parquet")
    given = parser.parse_intermixed_args(arguments)
    return ending_in_a_sentence(lambda: _replay(given))


def _replay(given: argparse.Namespace) -> int:
    """0 if all that the run predicted of these bars comes out again to the bit, or it predicted none; else 1."""
    overrides = given.overrides
    check(overrides)
    for one in overrides:
        if not one.startswith(("dataset=", "dataset.")) or "=" not in one:
            raise ConfigError(f"{one!r}: a replay takes the run as it is; only dataset=… and dataset.key=… may differ.")

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
    """The logged dataset, or that of the overrides."""
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
        title="microseconds on one core: taking a row that closes no bar; one that closes a bar; the model", box=None
    )
    for column in ("", "count", "p50", "p99", "p99.9", "max"):
        table.add_column(column, justify="right" if column else "left")
    for name, count, microseconds in timings.rows():
        table.add_row(name, f"{count:,}", *(f"{value:.1f}" for value in microseconds))
    console.print(table)


def _verdict(console: "Console", done: "Replay") -> int:
    """0 if each prediction of the run is among the stream's with the same bits, or there is none."""
    from ofiml.tracking.logged_run import BAR

    before, after, run_id, differs = done.before, done.after, done.run_id, done.changed
    both = before.select(*BAR, "y_hat").join(after.select(*BAR, "y_hat"), on=BAR, how="inner", suffix="_live")
    if before.height == 0:
        settings = ", ".join(f"dataset.{key}" for key in differs)
        reason = f"had another {settings}" if differs else "predicted no bar of these sessions as they are here"
        console.print(
            f"{after.height:,} predictions. Run {run_id} {reason}: nothing to compare.",
            highlight=False,
            soft_wrap=True,
        )
        return 0
    bits = [both[c].to_numpy().view(np.int64) for c in ("y_hat", "y_hat_live")]
    differ = int((bits[0] != bits[1]).sum()) + before.height - both.height
    console.print(
        f"{after.height:,} predictions; of the {before.height:,} that run {run_id} made, "
        f"{'all are' if differ == 0 else f'{before.height - differ:,} are'} the same to the bit.",
        highlight=False,
        soft_wrap=True,
    )
    return 1 if differ else 0


if __name__ == "__main__":
    sys.exit(main())
