"""The last thing a run prints: the verdict, and where everything is."""

from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from ofiml.experiment import Study


def show(study: Study, folder: Path, run: str | None, console: Console) -> None:
    """Prints the verdict of `study` with the folder of its files and, if tracked, its MLflow run."""
    report, config = study.report, study.config
    span = f"horizon {config.horizon.length}" if report.kind == "forecast" else f"the same {config.bars.step} bar"
    title = f"{report.kind}: {config.model.name} on {config.ofi.name}, {span}, {report.dataset['name']}"
    table = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False)
    table.add_column("out of sample")
    table.add_column("pooled", justify="right")
    table.add_column(f"{report.metrics['bootstrap']['level']:.0%} interval", justify="right")
    table.add_column("by fold", justify="right")
    for name, m in report.metrics["pooled"].items():
        by_fold = "  ".join(_number(f[name]) for f in report.metrics["folds"])
        table.add_row(name, _number(m["value"]), f"{_number(m['low'])} … {_number(m['high'])}", by_fold)
    console.print(table)
    console.print(_sentence(report.kind, report.metrics["pooled"]["ic"]), highlight=False, soft_wrap=True)
    if report.impact:
        windows = len(report.impact["r2_windows"])
        mean = _number(report.impact["r2_window_mean"])
        console.print(
            f"R² of best-level flow in {windows} half-hour windows: mean {mean}", highlight=False, soft_wrap=True
        )
    if report.backtest:
        b = report.backtest
        console.print(
            f"Backtest: gross {b['gross_pnl']:,.2f} - costs {b['costs']:,.2f} = net {b['net_pnl']:,.2f} "
            f"in {b['fills']} fills; Sharpe net {_number(b['sharpe_net'])}, max drawdown {b['max_drawdown']:,.2f}. "
            + _survival(b),
            highlight=False,
            soft_wrap=True,
        )
    dropped = {**report.dataset["dropped"], **{k: v for k, v in report.rows["dropped"].items() if v}}
    counted = ", ".join(f"{v:,} {k}" for k, v in dropped.items()) or "nothing"
    console.print(
        f"Data: {report.dataset['events']:,} events, {report.rows['used']:,} of {report.rows['bars']:,} bars; "
        f"dropped: {counted}. Predictions sha256 {report.predictions['sha256'][:16]}…",
        highlight=False,
        soft_wrap=True,
    )
    console.print(f"Files: {folder}", highlight=False, soft_wrap=True)
    if run:
        console.print(
            f"MLflow run: {run}   (make ui to look; python -m ofiml.reproduce {run} to repeat)",
            highlight=False,
            soft_wrap=True,
        )


def _sentence(kind: str, ic: dict[str, Any]) -> str:
    if ic["low"] != ic["low"]:
        return "The IC has no interval: the predictions are constant, or there is too little data."
    if ic["low"] > 0:
        return (
            f"The flow {'forecasts' if kind == 'forecast' else 'explains'} the price: the IC's interval lies above 0."
        )
    if ic["high"] < 0:
        return "The predictions are wrong-signed: the IC's interval lies below 0."
    return "Nothing found: the IC's interval holds 0."


def _survival(backtest: dict[str, Any]) -> str:
    if backtest["fills"] == 0:
        return "No forecast exceeded the cost of a trade."
    return "It survives its costs." if backtest["net_pnl"] > 0 else "It does not survive its costs."


def _number(value: float) -> str:
    return "–" if value is None or value != value else f"{value:.4f}"
