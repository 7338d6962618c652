"""The main job and the impact study on real days, beside the embedded market."""

from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

from ofiml.evaluation.profit import Performance
from ofiml.experiments.bench import Bench, Market
from ofiml.experiments.choices import SKILL_ONLY
from ofiml.experiments.intervals import read_measures
from ofiml.experiments.page import Block, Page, Picture, Table, list_ends, show_estimate
from ofiml.experiments.registry import Experiment
from ofiml.metrics.estimates import Estimate
from ofiml.metrics.measures import Measure
from ofiml.reporting.finding import JudgedStudy, judge_study
from ofiml.study.json_border import Json
from ofiml.ui.figure import BLUE, GREY, style_figure
from ofiml.ui.format import format_estimate, format_number, format_range

FORECAST = ("experiment=real_days", *SKILL_ONLY, "evaluation.controls=true")  # which the finding needs
IMPACT = (
    *("target=impact", "model=ols", "tuning=off", "evaluation.controls=false", "evaluation.leak_check=false"),
    *("evaluation.permutation_repeats=0", "evaluation.interactions=0"),
)
VARIANTS = {
    "best level": "best_level",
    "weighted 1/m": "mlofi_weighted",
    "all levels": "mlofi",
    "Ridge weights": "mlofi_ridge",
    "integrated": "pca",
}
MEASURES: tuple[Measure, ...] = ("ic", "rank_ic", "r2", "hit_rate")
PUBLISHED_R2 = 0.838  # of integrated OFI over many stocks (Cont, Cucuringu & Zhang 2023)


@dataclass(frozen=True, slots=True)
class Day:
    """The results of a market: its tested bars, what a run says of its forecasts, their skill, their trades, and the R²
    of impact by variant, which needs several levels.
    """

    bars: int
    judged: JudgedStudy
    skill: dict[Measure, Estimate]
    performance: Performance
    impact: dict[str, Estimate]


def run(bench: Bench) -> Page:
    """Forecast, trade and explain each market."""
    days = {market.name: _study(bench, market) for market in bench.markets}
    return Page(
        blocks=[*_show_skill(days), *_show_profit(days), *_show_impact(days)],
        verdict=judge(days),
        limits=[
            "One or two days of a stock are an example, not a sample.",
            "Days differ in instrument, length and depth, so that their numbers are not comparable.",
        ],
        numbers={name: _list_numbers(day) for name, day in days.items()},
        inputs=bench.sessions,
    )


EXPERIMENT = Experiment(
    title="Real days",
    question="What do the main job and the impact study say of real books: a full day of a stock, a pre-market, an "
    "order-by-order day, an hour of a coin and best quotes?",
    run=run,
    markets={"synthetic": "dataset=synthetic"},
)


# --- studies ---------------------------------------------------------------------------------------------------------


def _study(bench: Bench, market: Market) -> Day:
    report = bench.run_study(market, *FORECAST).report
    assert report.performance is not None
    measures = read_measures(report)
    return Day(
        bars=report.predictions.rows,
        judged=judge_study(report, None),
        skill={name: measures[name] for name in MEASURES},
        performance=report.performance,
        impact=_measure_impact(bench, market, report.dataset.levels),
    )


def _measure_impact(bench: Bench, market: Market, levels: int) -> dict[str, Estimate]:
    """Measure how much of a bar's move its own flow explains, by variant; those of several levels need several."""
    variants = VARIANTS if levels > 1 else {"best level": "best_level"}
    return {
        name: read_measures(bench.run_study(market, *IMPACT, f"ofi={variant}").report)["r2"]
        for name, variant in variants.items()
    }


# --- tables and words ------------------------------------------------------------------------------------------------


def _show_skill(days: dict[str, Day]) -> list[Block]:
    forms = {"ic": ".3f", "rank_ic": ".3f", "r2": ".4f", "hit_rate": ".3f"}
    rows = [
        [name, f"{day.bars:,}", *(show_estimate(day.skill[measure], forms[measure]) for measure in MEASURES)]
        for name, day in days.items()
    ]
    return [
        Table(
            "Forecasts of the next 10 s by LightGBM on flow at ten levels, out of sample (95 % interval).",
            ["", "bars", "IC", "rank IC", "R²", "hit rate"],
            rows,
        ),
        Picture(
            "skill",
            style_figure(lambda figure: _draw_skill(figure, days), legend_columns=1),
            "IC of the forecasts with its 95 % interval.",
        ),
    ]


def _show_profit(days: dict[str, Day]) -> list[Block]:
    rows = []
    for name, day in days.items():
        made, executable = day.performance, day.performance.executable
        amounts = (made.gross_pnl, made.costs, made.net_pnl)
        rows.append(
            [
                name,
                f"{made.fills:,.0f}",
                *(format_number(amount, ",.2f") for amount in amounts),
                made.currency,
                format_estimate(executable.ic, executable.low, executable.high),
                format_number(executable.earnable, ".2f"),
            ]
        )
    return [
        Table(
            "Trades on the recorded book, and the IC against the return that could be had, bought at the ask and sold "
            "at the bid. A bar is earnable if one of its two sides gained.",
            ["", "fills", "gross", "costs", "net", "currency", "executable IC", "earnable bars"],
            rows,
        )
    ]


def _show_impact(days: dict[str, Day]) -> list[Block]:
    return [
        Table(
            "Impact in the same bar of 10 s: R² out of sample (95 % interval), least squares.",
            ["", *VARIANTS],
            [
                [name, *(show_estimate(day.impact[v]) if v in day.impact else "–" for v in VARIANTS)]
                for name, day in days.items()
            ],
        )
    ]


def judge(days: dict[str, Day]) -> list[str]:
    """Say where flow explains, where it forecasts, and where a forecast pays."""
    deep = {name: day.impact for name, day in days.items() if len(day.impact) > 1}
    lines = []
    if deep:
        best, whole = ([impact[name].value for impact in deep.values()] for name in ("best level", "integrated"))
        lines.append(
            f"Flow explains the move of its own bar: R² {_range(best)} at the best level, "
            f"{_range(whole)} integrated over levels; Cont, Cucuringu & Zhang (2023) report "
            f"{PUBLISHED_R2} over many stocks."
        )
    lines += [f"Forecast on {name}: {day.judged.sentence}" for name, day in days.items()]
    paid = [name for name, day in days.items() if day.judged.survives == "yes"]
    idle = [name for name, day in days.items() if day.performance.fills == 0]
    lost = [name for name, day in days.items() if day.performance.fills and day.performance.net_pnl < 0]
    lines.append(f"Its forecast survives the costs of trading on {', '.join(paid)}." if paid else "No forecast pays.")
    if idle:
        lines.append(f"On {', '.join(idle)} none exceeded half the spread and the fee, so that no order was sent.")
    if lost:
        lines.append(f"On {', '.join(lost)} the trades lost money.")
    return lines


def _range(values: list[float]) -> str:
    return format_range(values, ".2f") if len(values) > 1 else format_number(values[0], ".2f")


def _list_numbers(day: Day) -> Json:
    made = day.performance
    return {
        "bars": day.bars,
        "finding": day.judged.finding,
        "skill": {name: list_ends(estimate) for name, estimate in day.skill.items()},
        "fills": made.fills,
        "gross": made.gross_pnl,
        "costs": made.costs,
        "net": made.net_pnl,
        "executable_ic": [made.executable.ic, made.executable.low, made.executable.high],
        "earnable": made.executable.earnable,
        "impact_r2": {name: list_ends(estimate) for name, estimate in day.impact.items()},
    }


def _draw_skill(figure: Figure, days: dict[str, Day]) -> None:
    axis = figure.subplots()
    value, low, high = np.array([(d.skill["ic"].value, d.skill["ic"].low, d.skill["ic"].high) for d in days.values()]).T
    rows = np.arange(len(days))
    axis.errorbar(value, rows, xerr=np.stack([value - low, high - value]), fmt="o", color=BLUE, capsize=3)
    axis.axvline(0, color=GREY, linewidth=0.8)
    axis.set_yticks(rows, list(days))
    axis.invert_yaxis()
    axis.set_xlabel("IC, 10 s ahead")
