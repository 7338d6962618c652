"""Write the verdict of a study in sentences: the finding, the costs, the features that matter, and the data."""

from ofiml.data.bad_files import describe_bad_files
from ofiml.data.causes import list_counts
from ofiml.evaluation.explanation import FeatureUse
from ofiml.evaluation.oracle import OracleSkill
from ofiml.evaluation.profit import Performance
from ofiml.evaluation.scores import SymbolScore
from ofiml.evaluation.seeds import SeedVariation
from ofiml.evaluation.strata import UNKNOWN
from ofiml.metrics.hac import HacStatistics
from ofiml.metrics.measures import Measure
from ofiml.reporting.controls import describe_controls, describe_leak_check
from ofiml.reporting.finding import judge_study
from ofiml.reporting.impact import describe_impact
from ofiml.reporting.instruments import describe_instruments
from ofiml.reporting.profit import describe_backtest
from ofiml.study.report import Report
from ofiml.study.run import Study
from ofiml.ui.format import choose_money_form, format_number, format_range

_MAX_SYMBOLS = 6  # more do not fit on a line
_FALSE_DISCOVERIES = 0.05


def write_sentences(study: Study) -> list[str]:
    """Write the verdict, the costs and the data, one or two sentences per line."""
    return [*write_findings(study), *_describe_data(study.report)]


def write_findings(study: Study) -> list[str]:
    """Write the verdict, first of all, then what it rests on and the costs, one or two sentences per line."""
    report, config = study.report, study.config
    scores, quantile = report.metrics, config.model.of_quantile
    lines = [judge_study(report, quantile).sentence]
    if "beyond_max_events" in report.dataset.dropped or config.dataset.max_sessions:
        lines[0] += " Only part of the data was used (dataset.max_events, dataset.max_sessions): this is not a result."
    lines.append(_describe_hac(scores.hac, report.performance))
    if scores.symbols is not None:
        lines.append(_describe_symbols(scores.symbols))
    if config.split.trains_on_later:
        lines.append(_describe_cross_validation(report))
    if scores.oracle is not None and quantile is None:
        lines.append(_describe_oracle(scores.oracle))
    lines += describe_controls(report.controls, distances=quantile is None)
    lines += describe_leak_check(report.leak_check)
    if report.seeds:
        lines.append(_describe_seeds(report.seeds))
    if report.impact:
        lines += describe_impact(report.impact)
    if report.performance:
        lines += describe_backtest(report.performance, scores)
    return [*lines, *_describe_strata(report), _describe_importance(report.explained)]


def _describe_hac(hac: HacStatistics, backtest: Performance | None) -> str:
    """Describe the t-statistics, which allow for autocorrelation and overlapping labels."""
    slope_t, slope = format_number(hac.slope.t, ".1f"), format_number(hac.slope.value, ".2f")
    tests = [f"IC {format_number(hac.ic.t, '.1f')}", f"slope of label on prediction {slope_t} (estimate {slope})"]
    if backtest and backtest.fills:
        tests.append(f"net gain per bar {format_number(backtest.net_t, '.1f')}")
    return f"HAC t-statistics ({hac.lag} lags): {', '.join(tests)}."


def _describe_symbols(symbols: list[SymbolScore]) -> str:
    """Describe the symbols whose IC differs from 0 at a false-discovery rate of 5 %."""
    discoveries = [one for one in symbols if one.q <= _FALSE_DISCOVERIES]
    names = ", ".join(f"{one.symbol} {one.ic:.3f}" for one in discoveries[:_MAX_SYMBOLS])
    more = ", …" if len(discoveries) > _MAX_SYMBOLS else ""
    listed = f" ({names}{more})" if discoveries else ""
    return (
        f"The IC of {len(discoveries)} of {len(symbols)} symbols{listed} differs from 0 at a false-discovery rate of "
        f"{_FALSE_DISCOVERIES:.0%} (Benjamini-Hochberg)."
    )


def _describe_cross_validation(report: Report) -> str:
    """Describe the caveat of folds that train on later rows, and the range over their paths."""
    sentence = (
        f"Cross-validated: the {len(report.folds)} folds also train on later data, so they measure robustness, "
        "not tradable performance."
    )
    paths = report.metrics.paths
    if not paths:
        return sentence
    shown = [f"IC {format_range([p.values['ic'] for p in paths], ',.3f')}"]
    if report.performance and report.performance.paths:
        traded = report.performance.paths
        shown += [
            f"net {format_range([p.net_pnl for p in traded], choose_money_form(p.net_pnl for p in traded))}",
            f"Sharpe {format_range([p.sharpe_net for p in traded], ',.2f')}",
        ]
    return f"{sentence} Range over {len(paths)} paths: {', '.join(shown)}."


def _describe_oracle(oracle: OracleSkill) -> str:
    """Describe the model's share of the oracle's skill; for a direction, in measures that do not depend on scale."""
    of_return: dict[Measure, str] = {"ic": "IC", "r2": "R²"}
    of_direction: dict[Measure, str] = {"rank_ic": "rank IC", "hit_rate": "hit rate"}
    names = of_return if "ic" in oracle.values else of_direction
    oracle_skill = " and ".join(f"{name} {format_number(oracle.values[key])}" for key, name in names.items())
    if not oracle.planted:
        return (
            f"This market has no informed orders. The oracle uses only the mid's return to the efficient price, and "
            f"reaches {oracle_skill}; any skill beyond that is chance."
        )
    shares = " and ".join(format_number(oracle.shares[key], ".0%") for key in names)
    return f"The oracle, which knows the true parameters, reaches {oracle_skill}; this model reaches {shares} of that."


def _describe_seeds(seeds: SeedVariation) -> str:
    """Describe how much the results vary with the seed."""
    fits = len(seeds.runs)
    if fits == 1:
        return "Fitted with one seed only: give more seeds to see how much the results vary."
    if all(m.sd == 0 for m in seeds.measures.values()):
        return f"Fitted with {fits} seeds: every measure is the same; the model does not depend on the seed."
    names: dict[Measure, str] = {"ic": "IC", "rank_ic": "rank IC", "r2": "R²"}
    parts = []
    for key, name in names.items():
        m = seeds.measures[key]
        mean, sd, low, high = (format_number(number, ".4f") for number in (m.mean, m.sd, m.min, m.max))
        parts.append(f"{name} {mean} ± {sd} ({low} … {high})")
    return f"Fitted with {fits} seeds, mean ± sd (min … max): {', '.join(parts)}."


def _describe_strata(report: Report) -> list[str]:
    """Describe the IC by horizon, time of day and volatility."""
    lines = []
    if report.decay:
        over = ", ".join(f"{d.horizon} {format_number(d.ic, '.2f')}" for d in report.decay)
        lines.append(f"IC by horizon: {over}.")
    kinds = {"time_of_day": "by time of day", "volatility": "by volatility"}
    by_kind = {
        word: ", ".join(
            f"{s.stratum} {format_number(s.ic, '.2f')}"
            for s in report.strata
            if s.kind == kind and s.stratum != UNKNOWN
        )
        for kind, word in kinds.items()
    }
    return [*lines, f"IC {'; '.join(f'{word}: {values}' for word, values in by_kind.items())}."]


def _describe_importance(use: FeatureUse) -> str:
    """Describe the features on which the forecasts depend."""
    shares = [f"{f.family} {f.share:.0%}" for f in use.families if f.share == f.share]
    parts = [f"share of |SHAP|: {', '.join(shares)}"] if shares else ["the forecasts are constant"]
    if use.permutation and use.permutation.agreement == use.permutation.agreement:
        parts.append(f"rank correlation of SHAP and permutation importance {use.permutation.agreement:.2f}")
    if use.interactions and shares:
        first = use.interactions.pairs[0]
        pair = f"strongest interaction {' × '.join(first.features)} (H² {format_number(first.share, '.2f')})"
        parts.append("no interactions (the model is additive)" if use.interactions.additive else pair)
    return f"Importance: {'; '.join(parts)}."


def _describe_data(report: Report) -> list[str]:
    """Describe the numbers of events and bars read, used and dropped, and the notes of the readers."""
    dataset, rows = report.dataset, report.rows
    dropped = list_counts(dataset.dropped | {k: v for k, v in rows.dropped.items() if v}) or "nothing"
    kept = list_counts(dataset.kept)
    lines = [
        f"Data: {dataset.events:,} events, {rows.used:,} of {rows.bars:,} bars used; "
        f"dropped: {dropped}{f'; irregular but kept: {kept}' if kept else ''}. "
        f"Predictions sha256 {report.predictions.sha256[:16]}…"
    ]
    lines += [f"Warning: {warning}." for warning in dataset.warnings]
    lines += [f"Note: {note}." for note in dataset.notes]
    lines += describe_instruments(dataset.instruments)
    lines += describe_bad_files(dataset.bad_files)
    if rows.never_known:
        lines.append(f"Note: features without any value in these data: {', '.join(rows.never_known)}.")
    return lines
