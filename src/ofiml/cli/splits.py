"""Print and draw the folds of a study without running it."""

import argparse
from pathlib import Path

from ofiml.cli.exits import run_command
from ofiml.errors import ConfigError
from ofiml.overrides.arguments import compose_config
from ofiml.ui.lines import open_console, print_line


def main(arguments: list[str] | None = None) -> int:
    """Print the folds of a study and return the exit code: 1 if a train row leaks, else as in `exits`."""
    parser = argparse.ArgumentParser(
        prog="ofiml splits",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="The column `leaking` counts train rows whose interval overlaps the label of a test row.\n"
        "The exit code is 1 if there are such rows.\n\n"
        "example:\n"
        "  ofiml splits split=cpcv split.n_groups=8 --out folds.png",
    )
    parser.add_argument("overrides", nargs="*", metavar="key=value", help="overrides as for ofiml run")
    parser.add_argument("--out", type=Path, metavar="FILE", help="also draw the folds, as PNG")
    parser.add_argument("--config-dir", metavar="FOLDER", help="folder with your own config groups and choices")
    options = parser.parse_intermixed_args(arguments)
    return run_command(lambda: print_splits(options.overrides, options.out, options.config_dir))


def print_splits(overrides: list[str], out: Path | None = None, config_dir: str | None = None) -> int:
    """Print the folds as a table and, with `out`, draw them. Return 1 if a train row leaks, else 0.

    Raises ConfigError if `out` is not a PNG.
    """
    if out is not None and out.suffix != ".png":
        raise ConfigError(f"--out {out}: the figure is a PNG; give a name that ends in .png.")
    config = compose_config(overrides, "split=cpcv or split.n_folds=3", config_dir)

    import polars as pl

    from ofiml.parallel import Workers
    from ofiml.reporting.folds import draw_folds, show_folds
    from ofiml.samples.prepare import prepare_sessions
    from ofiml.samples.settings import SampleSettings
    from ofiml.samples.table import pool_samples
    from ofiml.splits.fold import count_leaks
    from ofiml.splits.splitter import build_splitter
    from ofiml.training.folds import divide_rows
    from ofiml.ui.figure import style_figure
    from ofiml.ui.progress import Stages

    with Stages() as stages:
        sessions = prepare_sessions(SampleSettings.of(config), Workers(config.threads), stages)
    rows, _ = pool_samples(sessions)
    divided = divide_rows(rows.filter(pl.col("y").is_not_null()), sessions, config.split)
    console = open_console()
    print_line(console, f"{build_splitter(config.split)}; embargo {config.split.embargo}", style="bold")
    show_folds(divided, console)
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        style_figure(lambda figure: draw_folds(figure, divided), legend_columns=4).savefig(out)
        print_line(console, f"wrote {out}")
    return 1 if any(count_leaks(divided.rows, fold) for fold in divided.folds) else 0
