"""The verdict of a study in sentences: what may be claimed, the costs, what it rests on, and what the data were."""

from ofiml.evaluation.explanation import FeatureUse
from ofiml.evaluation.oracle import OracleSkill
from ofiml.evaluation.profit import Performance
from ofiml.evaluation.scores import Scores, SymbolScore
from ofiml.evaluation.seeds import SeedVariation
from ofiml.evaluation.strata import UNKNOWN
from ofiml.metrics.bootstrap import MIN_BLOCKS
from ofiml.metrics.estimates import Estimate
from ofiml.metrics.hac import HacStatistics
from ofiml.metrics.measures import Measure
from ofiml.reporting.controls import describe_controls, describe_leak_check
from ofiml.study.report import Report
from ofiml.study.run import Study
from ofiml.ui.format import format_number, format_range

_MAX_SYMBOLS = 6  # that a line has room for
_FALSE_DISCOVERIES = 0.05


def write_sentences(study: Study) -> list[str]:
    """Write the verdict, the costs, and what the data were, a sentence or two a line."""
    report, config = study.report, study.config
    scores, quantile = report.metrics, config.model.of_quantile
    if quantile is None:
        lines = [_finding(report.kind, scores.pooled, scores.bootstrap.blocks)]
    else:
        lines = [_covered(quantile, scores.pooled)]
    if "beyond_max_events" in report.dataset.dropped or config.dataset.max_sessions:
        lines[0] += " But this is a part of the data only (dataset.max_events, max_sessions): a taste, no result."
    lines.append(_t_statistics(scores.hac, report.backtest))
    if scores.symbols is not None:
        lines.append(_symbols(scores.symbols))
    if config.split.trains_on_later:
        lines.append(_cross_validated(report))
    if scores.oracle is not None and quantile is None:
        lines.append(_oracle(scores.oracle))
    lines += describe_controls(report.controls, distances=quantile is None)
    lines += describe_leak_check(report.leak_check)
    if report.seeds:
        lines.append(_seeds(report.seeds))
    if report.impact:
        windows, mean = len(report.impact.r2_windows), format_number(report.impact.r2_window_mean, ".4f")
        lines.append(f"R² of best-level flow in {windows} half-hour windows, in sample: mean {mean}.")
    if report.backtest:
        lines.append(_backtest(report.backtest, scores))
    return [*lines, *_parts(report), _importance(report.explained), *_data(report)]


def _finding(kind: str, pooled: dict[Measure, Estimate], blocks: int) -> str:
    """What may be claimed: something only where IC and rank IC both lie above 0, and R² says how much."""
    what = "forecast" if kind == "forecast" else "price impact"
    ic, rank_ic, r2 = pooled["ic"], pooled["rank_ic"], pooled["r2"]
    if ic.low != ic.low:
        return f"No {what} to judge: the IC has no interval. Predictions are constant, or data too few."
    if blocks < MIN_BLOCKS:
        return f"No verdict on the {what}: the interval rests on {blocks} blocks of time; give more data."
    if ic.low > 0 and rank_ic.low > 0:
        if r2.low > 0:
            return f"There is a {what}: the intervals of IC, rank IC and R² lie above 0."
        return f"There are signs of a {what}: the intervals of IC and rank IC lie above 0, that of R² does not."
    if ic.high < 0 and rank_ic.high < 0:
        return f"The {what} has the wrong sign: the intervals of IC and rank IC lie below 0."
    return f"No {what} found: the intervals of IC and rank IC do not both lie on one side of 0."


def _covered(quantile: float, pooled: dict[Measure, Estimate]) -> str:
    """What a forecast of a quantile is measured by."""
    share, loss = pooled["coverage"], pooled["pinball"]
    of_loss = [format_number(number, ".4f") for number in (loss.value, loss.low, loss.high)]
    return (
        f"A forecast of the {quantile:g}-quantile, no expectation, of which IC and R² are no verdict: "
        f"{share.value:.1%} of the labels lie at or below it ({share.low:.1%} … {share.high:.1%}), and its "
        f"pinball loss is {of_loss[0]} ({of_loss[1]} … {of_loss[2]})."
    )


def _t_statistics(hac: HacStatistics, backtest: Performance | None) -> str:
    """How far the means are from 0 once autocorrelation and overlapping labels are counted."""
    slope = f"slope {format_number(hac.slope.t, '.1f')} (slope {format_number(hac.slope.value, '.2f')})"
    tests = [f"IC {format_number(hac.ic.t, '.1f')}", slope]
    if backtest and backtest.fills:
        tests.append(f"net gain {format_number(backtest.net_t, '.1f')}")
    return f"HAC t-statistics over {hac.lag} lags: {', '.join(tests)}."


def _symbols(symbols: list[SymbolScore]) -> str:
    """Whose IC is more than luck, at a false-discovery rate of 5 %."""
    discoveries = [one for one in symbols if one.q <= _FALSE_DISCOVERIES]
    named = ", ".join(f"{one.symbol} {one.ic:.3f}" for one in discoveries[:_MAX_SYMBOLS])
    more = ", …" if len(discoveries) > _MAX_SYMBOLS else ""
    listed = f" ({named}{more})" if discoveries else ""
    return (
        f"The IC of {len(discoveries)} of {len(symbols)} symbols{listed} differs from 0 at a false-discovery rate of "
        f"{_FALSE_DISCOVERIES:.0%} (Benjamini-Hochberg)."
    )


def _cross_validated(report: Report) -> str:
    """What folds that train on later rows can tell, and how far their paths differ."""
    sentence = (
        f"Cross-validated: the {len(report.folds)} folds train on what came later too; they judge how robust this is, "
        "not what could have been traded."
    )
    paths = report.metrics.paths
    if not paths:
        return sentence
    shown = [f"IC {format_range([p.values['ic'] for p in paths], ',.3f')}"]
    if report.backtest and report.backtest.paths:
        traded = report.backtest.paths
        shown += [
            f"net {format_range([p.net_pnl for p in traded], ',.2f')}",
            f"Sharpe {format_range([p.sharpe_net for p in traded], ',.2f')}",
        ]
    return f"{sentence} By path, of {len(paths)}: {', '.join(shown)}."


def _oracle(oracle: OracleSkill) -> str:
    """What the model reached of what there was; of a direction, the measures that do not depend on a scale."""
    of_return: dict[Measure, str] = {"ic": "IC", "r2": "R²"}
    of_direction: dict[Measure, str] = {"rank_ic": "rank IC", "hit_rate": "hit rate"}
    names = of_return if "ic" in oracle.values else of_direction
    reaches = " and ".join(f"{name} {format_number(oracle.values[key])}" for key, name in names.items())
    if not oracle.planted:
        return (
            f"No information is planted: the mid's return to the efficient price alone gives the oracle {reaches}; "
            "what else is found is chance, as in one market of forty."
        )
    reached = " and ".join(format_number(oracle.shares[key], ".0%") for key in names)
    return f"The oracle, who knows the truth, reaches {reaches}: this model {reached} of that."


def _seeds(seeds: SeedVariation) -> str:
    """What the chance in the model's fit is worth."""
    fits = len(seeds.runs)
    if fits == 1:
        return "Fitted with one seed alone: more would show what the model's chance is worth."
    if all(m.sd == 0 for m in seeds.measures.values()):
        return f"Fitted with {fits} seeds: every measure is the same, so that the model leaves nothing to chance."
    names: dict[Measure, str] = {"ic": "IC", "rank_ic": "rank IC", "r2": "R²"}
    parts = []
    for key, name in names.items():
        m = seeds.measures[key]
        mean, sd, low, high = (format_number(number, ".4f") for number in (m.mean, m.sd, m.min, m.max))
        parts.append(f"{name} {mean} ± {sd} ({low} … {high})")
    return f"Fitted with {fits} seeds, mean ± sd (min … max): {', '.join(parts)}."


def _backtest(b: Performance, scores: Scores) -> str:
    """What trading the forecasts gained and cost."""
    mean = f", mean of {len(b.paths)} paths" if b.paths else ""
    ratio, low, high = (format_number(number, ".2f") for number in (b.sharpe_net, b.sharpe_low, b.sharpe_high))
    return (
        f"Backtest, in currency{mean}: gross {b.gross_pnl:,.2f} - costs {b.costs:,.2f} = net {b.net_pnl:,.2f}; "
        f"{b.traded:,.0f} lots in {b.fills:,.0f} fills, {b.unfilled:,.0f} lots found no size; Sharpe net {ratio} "
        f"({low} … {high}; per bar, annualised), max drawdown {b.max_drawdown:,.2f}.{_survival(b, scores)}"
    )


def _survival(backtest: Performance, scores: Scores) -> str:
    """What the costs left; nothing where the data are too few for a verdict."""
    if backtest.fills == 0:
        return " No forecast exceeded the cost of a trade."
    low = scores.pooled["ic"].low
    if low != low or scores.bootstrap.blocks < MIN_BLOCKS:
        return ""
    if backtest.net_pnl <= 0:
        return " It does not survive its costs."
    if not backtest.sharpe_low > 0:
        return " What is left after its costs may be chance: the Sharpe ratio's interval holds 0."
    return " It survives its costs."


def _parts(report: Report) -> list[str]:
    """The IC by horizon, and by time of day and volatility."""
    lines = []
    if report.decay:
        over = ", ".join(f"{d.horizon} {format_number(d.ic, '.2f')}" for d in report.decay)
        lines.append(f"IC over other horizons: {over}.")
    kinds = {"time_of_day": "by time of day", "volatility": "by volatility"}
    within = {
        word: ", ".join(
            f"{s.stratum} {format_number(s.ic, '.2f')}"
            for s in report.strata
            if s.kind == kind and s.stratum != UNKNOWN
        )
        for kind, word in kinds.items()
    }
    return [*lines, f"IC {'; '.join(f'{word}: {values}' for word, values in within.items())}."]


def _importance(use: FeatureUse) -> str:
    """What the forecasts rest on."""
    shares = [f"{f.family} {f.share:.0%}" for f in use.families if f.share == f.share]
    parts = [f"share of |SHAP|: {', '.join(shares)}"] if shares else ["nothing moves the forecasts"]
    if use.permutation and use.permutation.agreement == use.permutation.agreement:
        parts.append(f"rank agreement of SHAP and permutation {use.permutation.agreement:.2f}")
    if use.interactions and shares:
        first = use.interactions.pairs[0]
        pair = f"strongest interaction {' × '.join(first.features)} (H² {format_number(first.share, '.2f')})"
        parts.append("no interactions, features add up" if use.interactions.additive else pair)
    return f"Importance: {'; '.join(parts)}."


def _data(report: Report) -> list[str]:
    """What was read, used and dropped, and what the readers noticed."""
    dataset, rows = report.dataset, report.rows
    dropped = dataset.dropped | {k: v for k, v in rows.dropped.items() if v}
    counted = ", ".join(f"{v:,} {k}" for k, v in dropped.items()) or "nothing"
    noticed = ", ".join(f"{v:,} {k}" for k, v in dataset.kept.items())
    lines = [
        f"Data: {dataset.events:,} events, {rows.used:,} of {rows.bars:,} bars; "
        f"dropped: {counted}{f'; noticed and kept: {noticed}' if noticed else ''}. "
        f"Predictions sha256 {report.predictions.sha256[:16]}…"
    ]
    lines += [f"Note: {note}." for note in dataset.notes]
    if rows.never_known:
        lines.append(f"Note: these data never tell {', '.join(rows.never_known)}.")
    return lines
