"""Write the files of a study. Each appears whole or not at all."""

import time
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
import yaml
from matplotlib.figure import Figure

from ofiml.atomic import name_file, write_atomically, write_text_atomically
from ofiml.backtest.result import BacktestResult
from ofiml.config import resolve_config
from ofiml.data.schema import TIME
from ofiml.data.truth import to_json
from ofiml.provenance import list_environment, read_git_state
from ofiml.reporting.figures import choose_figures
from ofiml.reporting.html.study import write_report
from ofiml.reporting.tables import write_tables
from ofiml.study.run import Study
from ofiml.training.columns import PROBABILITIES
from ofiml.ui.figure import save_figure
from ofiml.ui.progress import Stages
from ofiml.units import PRICE_SCALE

REPORT_PAGE = "report.html"

PREDICTION_COLUMNS = [
    *("symbol", "session", "bar_close", "label_start", "label_end", "fold"),
    *("y", "y_hat", "edge_ticks", "train_mean", "mid", "spread_ticks"),
]


def resolve_tuned_config(study: Study) -> dict[str, Any]:
    """Return the config of a tuned study with its best parameters and tuning off, which gives the same predictions."""
    mapping = resolve_config(study.config)
    mapping["tuning"] |= {"enabled": False, "best_params": [dict(fold.best) for fold in study.report.tuning]}
    return mapping


def write_study(study: Study, folder: Path, stages: Stages, run_id: str | None = None) -> list[Path]:
    """Write the files of a study into `folder` and return their paths.

    Every study has config.yaml, report.json, tables.md, predictions.parquet and models, environment.txt with the
    versions of all packages, and git.diff if the code has uncommitted changes; report.html and figures as the config
    says. A backtest adds the tables orders, fills, round_trips, equity (the gain of each bar), days, decisions and
    rules as Parquet, tuning adds tuned.yaml, a simulated market truth.json. report.html names `run_id`, the MLflow run,
    if there is one.
    """
    (folder / "models").mkdir(parents=True, exist_ok=True)
    write_text_atomically(folder / "config.yaml", yaml.safe_dump(resolve_config(study.config), sort_keys=False))
    if study.report.tuning:
        write_text_atomically(folder / "tuned.yaml", yaml.safe_dump(resolve_tuned_config(study), sort_keys=False))
    optional = [c for c in (*PROBABILITIES, "path") if c in study.predictions.columns]
    predictions = study.predictions.select([*PREDICTION_COLUMNS, *optional]).with_columns(
        pl.col("bar_close").cast(TIME)
    )
    tables = {"predictions": predictions}
    if study.trades is not None:
        tables |= _list_trade_tables(study.trades)
    for name, table in (("decisions", study.decisions), ("rules", study.rules)):
        if table is not None:
            tables[name] = table
    for name, table in tables.items():
        write_atomically(folder / f"{name}.parquet", table.write_parquet)
    write_text_atomically(folder / "environment.txt", list_environment())
    diff = read_git_state()[1]
    if diff:
        write_text_atomically(folder / "git.diff", diff)
    if study.truths:
        write_text_atomically(folder / "truth.json", to_json(study.truths))
    _write_figures(study, folder, run_id, stages)
    for index, pipeline in enumerate(study.pipelines):
        with name_file(folder / "models"):
            pipeline.save(folder / "models" / f"fold_{index:02d}")
    write_text_atomically(folder / "tables.md", write_tables(study.report))
    # Last, so that a folder with a report is complete.
    write_text_atomically(folder / "report.json", study.report.to_json())
    names = [
        "config.yaml",
        "report.json",
        *(f"{name}.parquet" for name in tables),
        *["truth.json"] * bool(study.truths),
        "environment.txt",
        *["git.diff"] * bool(diff),
    ]
    names += ["tables.md", *["tuned.yaml"] * bool(study.report.tuning), *[REPORT_PAGE] * study.config.report.html]
    return [*(folder / name for name in names), *sorted(folder.glob("figures/*")), *sorted(folder.glob("models/*"))]


def _write_figures(study: Study, folder: Path, run_id: str | None, stages: Stages) -> None:
    """Draw each figure, write it in the formats of the config and all of them into report.html, and add the time that
    this takes to the report.
    """
    wanted = study.config.report
    if not wanted.html and not wanted.figures:
        return
    start, figures = time.perf_counter(), choose_figures(study)

    def add_stage() -> None:
        study.report.runtime.add_stage("figures", time.perf_counter() - start)

    if wanted.figures:
        (folder / "figures").mkdir(parents=True, exist_ok=True)
    drawn: dict[str, Figure] = {}
    with stages.start_stage("figures", len(figures) + wanted.html) as bar:
        for name, draw in figures.items():
            drawn[name] = draw()
            for ending in wanted.figures:
                path = (folder / "figures" / name).with_suffix(f".{ending}")
                write_atomically(path, partial(save_figure, drawn[name], form=ending, dpi=wanted.dpi))
            bar.step()
        if wanted.html:
            write_text_atomically(folder / REPORT_PAGE, write_report(study, drawn, run_id, add_stage))
            bar.step()
        else:
            add_stage()


def _list_trade_tables(trades: BacktestResult) -> dict[str, pl.DataFrame]:
    """List the tables of a backtest, with times as such and prices in currency."""
    prices = pl.col("price", "touch").cast(pl.Float64) / PRICE_SCALE
    mids = {f"mid_{at}": pl.col(f"mid2_{at}") / (2 * PRICE_SCALE) for at in ("decided", "arrived", "filled")}
    fills = trades.fills.with_columns(prices, **mids).drop(f"mid2_{at}" for at in ("decided", "arrived", "filled"))
    tables = {
        "orders": trades.orders.with_columns(pl.col("price").cast(pl.Float64) / PRICE_SCALE),
        "fills": fills,
        "round_trips": trades.round_trips,
        "equity": trades.gains,
        "days": trades.days,
    }
    return {
        name: table.with_columns(pl.col(time).cast(TIME) for time in _TIMES.get(name, ()))
        for name, table in tables.items()
    }


#: The times of each table. `filled` is one of a fill, but the lots of an order.
_TIMES = {
    "orders": ("decided", "sent", "arrived", "ended"),
    "fills": ("decided", "arrived", "filled"),
    "equity": ("bar_close",),
}
