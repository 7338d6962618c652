"""The verdict of a study in words and numbers: what a run prints last, and what its MLflow page says first."""

from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from ofiml.config import Config
from ofiml.evaluation.strata import UNKNOWN
from ofiml.metrics.bootstrap import MIN_BLOCKS
from ofiml.reporting import controls as above
from ofiml.reporting.tables import markdown as parts
from ofiml.reporting.tables import number
from ofiml.study.report import Report
from ofiml.study.run import Study

_MOST_FOLDS = 8  # that a line has room for
_MOST_SYMBOLS = 6
_FALSE_DISCOVERIES = 0.05


def title(study: Study) -> str:
    """What was studied, in one line."""
    config, report = study.config, study.report
    span = f"horizon {config.horizon.label}" if report.kind == "forecast" else f"the same {config.bars.label} bar"
    target = config.target.label
    return f"{target}: {config.model.name} on {inputs(config)}, {span}, {config.dataset.label} ({market(study)})"


def inputs(config: Config) -> str:
    """What the model saw, as `mlofi` or `mlofi + full`."""
    return config.ofi.name if config.features.name == "ofi_only" else f"{config.ofi.name} + {config.features.name}"


def market(study: Study) -> str:
    """Symbols and days, as `AMZN 2012-06-21` or `SYN, 6 sessions from 2024-01-01`."""
    sessions = study.report.dataset["sessions"]
    symbols = ", ".join(sorted({s["symbol"] for s in sessions}))
    days = sorted(s["session"] for s in sessions)
    return f"{symbols} {days[0]}" if len(days) == 1 else f"{symbols}, {len(days)} sessions from {days[0]}"


def sentences(study: Study) -> list[str]:
    """The verdict, the costs, and what the data were."""
    report = study.report
    quantile = study.config.model.of_quantile
    lines = [_finding(report.kind, report.metrics["pooled"], report.metrics["bootstrap"]["blocks"])]
    if quantile is not None:
        lines = [_covered(quantile, report.metrics["pooled"])]
    if "beyond_max_events" in report.dataset["dropped"] or study.config.dataset.max_sessions:
        lines[0] += " But this is a part of the data only (dataset.max_events, max_sessions): a taste, no result."
    lines.append(_t_statistics(report.metrics["hac"], report.backtest))
    if "symbols" in report.metrics:
        lines.append(_symbols(report.metrics["symbols"]))
    if study.config.split.trains_on_later:
        lines.append(_cross_validated(report))
    if "oracle" in report.metrics and quantile is None:
        lines.append(_share(report.metrics["oracle"]))
    lines += above.sentences(report.controls, distances=quantile is None) + above.checked(report.leak_check)
    if report.seeds:
        lines.append(_spread(report.seeds))
    if report.impact:
        windows, mean = len(report.impact["r2_windows"]), _number(report.impact["r2_window_mean"])
        lines.append(f"R² of best-level flow in {windows} half-hour windows, in sample: mean {mean}.")
    if report.backtest:
        b = report.backtest
        traded, missed = (
            f"{b['traded']:,.0f} lots in {b['fills']:,.0f} fills",
            f"{b['unfilled']:,.0f} lots found no size",
        )
        mean = f", mean of {len(b['paths'])} paths" if "paths" in b else ""
        lines.append(
            f"Backtest, in currency{mean}: gross {b['gross_pnl']:,.2f} - costs {b['costs']:,.2f} = "
            f"net {b['net_pnl']:,.2f}; {traded}, {missed}; Sharpe net {_number(b['sharpe_net'], 2)} "
            f"({_number(b['sharpe_low'], 2)} … {_number(b['sharpe_high'], 2)}; per bar, annualised), max drawdown "
            f"{b['max_drawdown']:,.2f}.{_survival(b, report.metrics)}"
        )
    lines += [*_parts(report), _importance(report.explained)]
    dropped = report.dataset["dropped"] | {k: v for k, v in report.rows["dropped"].items() if v}
    counted = ", ".join(f"{v:,} {k}" for k, v in dropped.items()) or "nothing"
    noticed = ", ".join(f"{v:,} {k}" for k, v in report.dataset["kept"].items())
    lines.append(
        f"Data: {report.dataset['events']:,} events, {report.rows['used']:,} of {report.rows['bars']:,} bars; "
        f"dropped: {counted}{f'; noticed and kept: {noticed}' if noticed else ''}. "
        f"Predictions sha256 {report.predictions['sha256'][:16]}…"
    )
    lines += [f"Note: {note}." for note in report.dataset["notes"]]
    if report.rows["never_known"]:
        lines.append(f"Note: these data never tell {', '.join(report.rows['never_known'])}.")
    return lines


def show(study: Study, folder: Path, run: str | None, console: Console) -> None:
    """Prints the verdict of `study` with the folder of its files and, if tracked, its MLflow run."""
    console.print(title(study), style="bold", highlight=False, soft_wrap=True)
    table = Table(box=None, pad_edge=False)
    for column in _header(study):
        table.add_column(column, justify="right" if table.columns else "left")
    for row in _rows(study):
        table.add_row(*row)
    console.print(table)
    for line in [*sentences(study), f"Files: {folder}"]:
        console.print(line, highlight=False, soft_wrap=True)
    if run:
        console.print(
            f"MLflow run {run}: make ui to look, python -m ofiml.reproduce {run} to repeat",
            highlight=False,
            soft_wrap=True,
        )


def markdown(study: Study) -> str:
    """The same for the run's page."""
    header = _header(study)
    table = [f"| {' | '.join(header)} |", "|---" * len(header) + "|"]
    table += [f"| {' | '.join(row)} |" for row in _rows(study)]
    return "\n".join(
        [f"**{title(study)}**", "", *(f"- {line}" for line in sentences(study)), "", *table, "", parts(study.report)]
    )


def _header(study: Study) -> list[str]:
    return ["out of sample", "pooled", f"{study.report.metrics['bootstrap']['level']:.0%} interval", "by fold"]


def _rows(study: Study) -> list[list[str]]:
    metrics, rows = study.report.metrics, []
    for name, m in metrics["pooled"].items():
        folds = [_number(f[name], 3) for f in metrics["folds"]]
        if len(folds) > _MOST_FOLDS:
            known = [f[name] for f in metrics["folds"] if f[name] == f[name]]
            by_fold = f"{min(known):.3f} to {max(known):.3f} in {len(folds)}" if known else "–"
        else:
            by_fold = " ".join(f"{fold:>6}" for fold in folds)
        rows.append([name, _number(m["value"]), f"{_number(m['low'])} … {_number(m['high'])}", by_fold])
    return rows


def _cross_validated(report: Report) -> str:
    """What folds that train on later rows can tell, and how far their paths differ."""
    said = (
        f"Cross-validated: the {len(report.folds)} folds train on what came later too; they judge how robust this is, "
        "not what could have been traded."
    )
    paths = report.metrics.get("paths")
    if not paths:
        return said
    shown = [f"IC {_range([p['ic'] for p in paths], 3)}"]
    if report.backtest:
        by_path = report.backtest["paths"]
        shown += [
            f"net {_range([p['net_pnl'] for p in by_path], 2)}",
            f"Sharpe {_range([p['sharpe_net'] for p in by_path], 2)}",
        ]
    return f"{said} By path, of {len(paths)}: {', '.join(shown)}."


def _range(values: list[float], digits: int) -> str:
    known = [v for v in values if v == v]
    return f"{min(known):,.{digits}f} to {max(known):,.{digits}f}" if known else "–"


def _finding(kind: str, pooled: dict[str, Any], blocks: int) -> str:
    """What may be claimed: something only where IC and rank IC both lie above 0, and R² says how much."""
    what = "forecast" if kind == "forecast" else "price impact"
    ic, rank_ic, r2 = (pooled[name] for name in ("ic", "rank_ic", "r2"))
    if ic["low"] != ic["low"]:
        return f"No {what} to judge: the IC has no interval. Predictions are constant, or data too few."
    if blocks < MIN_BLOCKS:
        return f"No verdict on the {what}: the interval rests on {blocks} blocks of time; give more data."
    if ic["low"] > 0 and rank_ic["low"] > 0:
        if r2["low"] > 0:
            return f"There is a {what}: the intervals of IC, rank IC and R² lie above 0."
        return f"There are signs of a {what}: the intervals of IC and rank IC lie above 0, that of R² does not."
    if ic["high"] < 0 and rank_ic["high"] < 0:
        return f"The {what} has the wrong sign: the intervals of IC and rank IC lie below 0."
    return f"No {what} found: the intervals of IC and rank IC do not both lie on one side of 0."


def _covered(quantile: float, pooled: dict[str, Any]) -> str:
    """What a forecast of a quantile is judged by."""
    share, loss = pooled["coverage"], pooled["pinball"]
    return (
        f"A forecast of the {quantile:g}-quantile, no expectation, of which IC and R² are no verdict: "
        f"{share['value']:.1%} of the labels lie at or below it ({share['low']:.1%} … {share['high']:.1%}), and its "
        f"pinball loss is {_number(loss['value'])} ({_number(loss['low'])} … {_number(loss['high'])})."
    )


def _t_statistics(hac: dict[str, Any], backtest: dict[str, Any] | None) -> str:
    """How far the means are from 0 once autocorrelation and overlapping labels are counted."""
    slope = hac["slope"]
    told = [f"IC {_number(hac['ic']['t'], 1)}", f"slope {_number(slope['t'], 1)} (slope {_number(slope['value'], 2)})"]
    if backtest and backtest["fills"]:
        told.append(f"net gain {_number(backtest['net_t'], 1)}")
    return f"HAC t-statistics over {hac['lag']} lags: {', '.join(told)}."


def _symbols(symbols: list[dict[str, Any]]) -> str:
    """Whose IC is more than luck, at a false-discovery rate of 5 %."""
    found = [one for one in symbols if one["q"] <= _FALSE_DISCOVERIES]
    named = ", ".join(f"{one['symbol']} {one['ic']:.3f}" for one in found[:_MOST_SYMBOLS])
    more = ", …" if len(found) > _MOST_SYMBOLS else ""
    listed = f" ({named}{more})" if found else ""
    return (
        f"The IC of {len(found)} of {len(symbols)} symbols{listed} differs from 0 at a false-discovery rate of "
        f"{_FALSE_DISCOVERIES:.0%} (Benjamini-Hochberg)."
    )


def _share(oracle: dict[str, Any]) -> str:
    """What the model reached of what there was; of a direction, the measures that do not depend on a scale."""
    names = {"ic": "IC", "r2": "R²"} if "ic" in oracle else {"rank_ic": "rank IC", "hit_rate": "hit rate"}
    reaches = " and ".join(f"{name} {_number(oracle[key], 3)}" for key, name in names.items())
    if not oracle["planted"]:
        return (
            f"No information is planted: the mid's return to the efficient price alone gives the oracle {reaches}; "
            "what else is found is chance, as in one market of forty."
        )
    shares = [oracle[f"share_{key}"] for key in names]
    reached = " and ".join("–" if share != share else f"{share:.0%}" for share in shares)
    return f"The oracle, who knows the truth, reaches {reaches}: this model {reached} of that."


def _spread(seeds: dict[str, Any]) -> str:
    """What the chance in the model's fit is worth."""
    fits = len(seeds["runs"])
    if fits == 1:
        return "Fitted with one seed alone: more would show what the model's chance is worth."
    if all(m["sd"] == 0 for m in seeds["measures"].values()):
        return f"Fitted with {fits} seeds: every measure is the same, so that the model leaves nothing to chance."
    parts = []
    for key, name in (("ic", "IC"), ("rank_ic", "rank IC"), ("r2", "R²")):
        m = seeds["measures"][key]
        parts.append(f"{name} {_number(m['mean'])} ± {_number(m['sd'])} ({_number(m['min'])} … {_number(m['max'])})")
    return f"Fitted with {fits} seeds, mean ± sd (min … max): {', '.join(parts)}."


def _importance(found: dict[str, Any]) -> str:
    """What the forecasts rest on."""
    shares = [f"{f['family']} {f['share']:.0%}" for f in found["families"] if f["share"] == f["share"]]
    said = [f"share of |SHAP|: {', '.join(shares)}"] if shares else ["nothing moves the forecasts"]
    if found["permutation"] and found["permutation"]["agreement"] == found["permutation"]["agreement"]:
        said.append(f"rank agreement of SHAP and permutation {found['permutation']['agreement']:.2f}")
    if found["interactions"] and shares:
        first = found["interactions"]["pairs"][0]
        pair = f"strongest interaction {' × '.join(first['features'])} (H² {_number(first['share'], 2)})"
        said.append("no interactions, features add up" if found["interactions"]["additive"] else pair)
    return f"Importance: {'; '.join(said)}."


def _parts(report: Report) -> list[str]:
    """The IC by horizon, and by time of day and volatility."""
    lines = []
    if report.decay:
        over = ", ".join(f"{d['horizon']} {number(d['ic'], 2)}" for d in report.decay)
        lines.append(f"IC over other horizons: {over}.")
    kinds = {"time_of_day": "by time of day", "volatility": "by volatility"}
    within = {
        word: ", ".join(
            f"{s['stratum']} {number(s['ic'], 2)}"
            for s in report.strata
            if s["kind"] == kind and s["stratum"] != UNKNOWN
        )
        for kind, word in kinds.items()
    }
    return [*lines, f"IC {'; '.join(f'{word}: {values}' for word, values in within.items())}."]


def _survival(backtest: dict[str, Any], metrics: dict[str, Any]) -> str:
    """What the costs left; nothing where the data are too few for a verdict."""
    if backtest["fills"] == 0:
        return " No forecast exceeded the cost of a trade."
    low = metrics["pooled"]["ic"]["low"]
    if low != low or metrics["bootstrap"]["blocks"] < MIN_BLOCKS:
        return ""
    if backtest["net_pnl"] <= 0:
        return " It does not survive its costs."
    if not backtest["sharpe_low"] > 0:
        return " What is left after its costs may be chance: the Sharpe ratio's interval holds 0."
    return " It survives its costs."


def _number(value: float, digits: int = 4) -> str:
    return "–" if value != value else f"{value:.{digits}f}"
