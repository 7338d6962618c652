"""Smoothed labels: why a forecast of averaged future mids shows a high R² and earns nothing."""

from collections.abc import Callable

import numpy as np
from matplotlib.figure import Figure

from ofiml.experiments.bench import Bench
from ofiml.experiments.page import Page, Picture, Table, list_ends
from ofiml.experiments.recipes._smoothed_scores import (
    LABELS,
    SHARES,
    WINDOWS,
    ForecastScore,
    SmoothedScores,
    measure_smoothed,
)
from ofiml.experiments.registry import Experiment
from ofiml.labels.smoothed import compute_martingale_r2
from ofiml.metrics.estimates import Estimate
from ofiml.study.json_border import Json
from ofiml.ui.figure import BLUE, DARK, GREY, RED, style_figure
from ofiml.ui.format import DASH, format_number

STUDY = ("experiment=smoothed_labels", "backtest=off", "evaluation.controls=false", "evaluation.leak_check=false")

#: The case that the experiment explains: its R² on the smoothed label.
REPORTED_R2 = 0.46

Scores = dict[str, SmoothedScores]


def run(bench: Bench) -> Page:
    """Fit the labels of each market on the same inputs and hold the forecasts against what could be earned."""
    found = {market.name: measure_smoothed(bench, market, *STUDY) for market in bench.markets}
    return Page(
        blocks=[
            "Three labels over the same k bars: the return of the mid from one latency after the bar to the same after "
            "the horizon; the mean of the next k mids less the mid; and DeepLOB's second label, the mean of the next k "
            "mids less the mean of the last k. Least squares forecasts each from the same inputs, the flow of all "
            "levels and the last k - 1 moves, in purged walk-forward folds.",
            Table(
                "Forecasts out of sample. IC: correlation with the return of the mid, and with the executable return, "
                "which buys at the ask and sells at the bid (0 where neither side gains), with its 95% interval. The "
                "last columns are ticks a trade of the forecast's side: mid to mid, a gross diagnostic, and with the "
                "spread paid, for all bars and for the strongest tenth. No fees. Intervals need eight blocks of time.",
                _COLUMNS,
                [_list_row(name, key, one.forecasts[key]) for name, one in found.items() for key in _ORDER],
            ),
            Table(
                "The same for one who knows the label exactly: what a perfect forecast of each would be worth.",
                _COLUMNS,
                [_list_row(name, key, one.foresight[key]) for name, one in found.items() for key in _ORDER],
            ),
            Table(
                "How much of the label with means on both sides is known when the forecast is made: the mid less the "
                "mean of the last mids. The forecast without a model is this alone, with no fitted number.",
                ["", *found, "martingale"],
                _list_known(found),
            ),
            _draw(
                "without_model",
                _draw_without_model,
                found,
                "The R² of the mid less the mean of the last k mids, as a forecast of the mean of the next k less that "
                "of the last k. The line is that of independent moves, where nothing can be forecast.",
            ),
            _draw("skill", _draw_skill, found, "Each forecast's correlation with its own label and with the others."),
            _draw(
                "gain",
                _draw_gain,
                found,
                "The mean gain of a trade in ticks, spread paid, by the share of bars that trade. Thresholds are "
                "quantiles of the train rows' forecasts.",
            ),
        ],
        verdict=[_answer(found), *(_judge(name, one) for name, one in found.items())],
        limits=[
            "Least squares stands for any model: a network that finds more in the flow would earn more, on each label.",
            "DeepLOB classifies its labels by thresholds; here they are numbers, because the R² is of numbers.",
            "Each bar trades one lot at the quotes, without fees, queues or a limit on positions, so trades overlap.",
        ],
        numbers={name: _list_numbers(one) for name, one in found.items()},
        inputs=bench.sessions,
    )


EXPERIMENT = Experiment(
    title="Smoothed labels and what can be earned",
    question=f"Why does a pipeline show an R² of {REPORTED_R2} on averaged future mids and earn nothing? What do the "
    "same forecasts say about the return that can be traded?",
    run=run,
    markets={"synthetic": "dataset=synthetic", "no signal": "dataset=synthetic_null"},
)

# --- tables and words ------------------------------------------------------------------------------------------------

_COLUMNS = [
    "market, label forecast",
    "R² on its label",
    "IC with its label",
    "IC with the return",
    "IC with the executable return",
    "mid to mid, ticks",
    "spread paid, ticks",
    "strongest tenth, ticks",
]
_TENTH = 0.1
_ADDED = 0.05  # of R², by a fit beyond the known part
_ORDER = ("both", "next", "y")


def _list_row(name: str, key: str, score: ForecastScore) -> list[str]:
    skill = score.skill
    low, high = (format_number(end, ".3f") for end in (skill.low, skill.high))
    return [
        f"{name}: {LABELS[key]}",
        format_number(score.r2, ".3f"),
        format_number(score.ics[key], ".3f"),
        format_number(score.ics["y"], ".3f"),
        format_number(skill.ic, ".3f") + (f" ({low} to {high})" if low != DASH else ""),
        format_number(score.gross[1.0], ".3f"),
        _format_ticks(score.net[1.0]),
        _format_ticks(score.net[_TENTH]),
    ]


def _format_ticks(gain: Estimate) -> str:
    low, high = (format_number(end, ".2f") for end in (gain.low, gain.high))
    return format_number(gain.value, ".2f") + (f" ({low} to {high})" if low != DASH else "")


def _list_known(found: Scores) -> list[list[str]]:
    def row(text: str, read: Callable[[SmoothedScores], float], form: str, ideal: str = "") -> list[str]:
        return [text, *(format_number(read(one), form) for one in found.values()), ideal]

    return [
        row("bars tested", lambda one: one.rows, ",.0f"),
        row("bars k of each mean", lambda one: one.k, ".0f"),
        row("mean spread, ticks", lambda one: one.spread, ".2f"),
        row("bars where a side gains, spread paid", lambda one: one.forecasts["y"].skill.earnable, ".0%"),
        row(
            "variance of the known part over the label's",
            lambda one: one.known_share,
            ".2f",
            _ideal(next(iter(found.values())).k),
        ),
        *(
            row(f"R² without a model, k = {k}", lambda one, k=k: one.without_model[k], ".2f", _ideal(k))  # type: ignore[misc]
            for k in WINDOWS
        ),
    ]


def _ideal(k: int) -> str:
    return f"{compute_martingale_r2(k):.2f}"


def _list_numbers(one: SmoothedScores) -> dict[str, Json]:
    def describe(score: ForecastScore) -> dict[str, Json]:
        skill = score.skill
        return {
            "r2": score.r2,
            "ics": dict(score.ics),
            "executable_ic": [skill.ic, skill.low, skill.high],
            "hit_rate": skill.hit_rate,
            "label_hit_rate": skill.label_hit_rate,
            "gross_ticks": {f"{share:g}": value for share, value in score.gross.items()},
            "net_ticks": {f"{share:g}": list_ends(gain) for share, gain in score.net.items()},
            "traded": {f"{share:g}": value for share, value in score.traded.items()},
        }

    return {
        "bars_of_means": one.k,
        "tested": one.rows,
        "spread_ticks": one.spread,
        "earnable": one.forecasts["y"].skill.earnable,
        "known_share": one.known_share,
        "without_model": {str(k): value for k, value in one.without_model.items()},
        "forecasts": {key: describe(score) for key, score in one.forecasts.items()},
        "foresight": {key: describe(score) for key, score in one.foresight.items()},
    }


def _answer(found: Scores) -> str:
    """Answer the question, with the number of markets where the fit hardly adds to the known part."""
    k = next(iter(found.values())).k
    known = sum(one.forecasts["both"].r2 - one.known_r2 < _ADDED for one in found.values())
    return (
        f"The label with means of {k} mids on both sides contains the mid less the mean of the last, which is known. "
        f"That alone gives an R² of {compute_martingale_r2(k):.2f} where nothing can be forecast; on {known} of "
        f"{len(found)} markets the fit adds less than {_ADDED} to it. No order earns the known part."
    )


def _judge(name: str, one: SmoothedScores) -> str:
    """Say in sentences what the numbers of a market mean."""
    both, future, plain = (one.forecasts[key] for key in _ORDER)
    skill, tenth = both.skill, plain.net[_TENTH]
    earns = "earns its spread before fees" if tenth.low > 0 else "is not shown to earn its spread"
    return (
        f"On {name}, forecasts of the label with means on both sides have an R² of {format_number(both.r2, '.2f')} "
        f"out of sample. Its known part alone, without a model, has {format_number(one.known_r2, '.2f')}; it has "
        f"{compute_martingale_r2(one.k):.2f} where moves are independent and nothing can be forecast. The same "
        f"forecasts have a correlation of {format_number(both.ics['y'], '.3f')} with the return of the mid and of "
        f"{format_number(skill.ic, '.3f')} with what could be earned{_name_doubt(skill.low, skill.high)}; their side "
        f"{_name_gain(both.net[1.0])} a trade with the spread paid. The mean of the next mids less the mid has an R² "
        f"of {format_number(future.r2, '.2f')} and the return {format_number(plain.r2, '.2f')}: the strongest tenth "
        f"of the return's forecasts {_name_gain(tenth)} a trade, so it {earns}."
    )


def _name_gain(gain: Estimate) -> str:
    """Name a mean gain and what its interval says."""
    verb = "gains" if gain.value > 0 else "loses"
    return f"{verb} {format_number(abs(gain.value), '.2f')} ticks{_name_doubt(gain.low, gain.high)}"


def _name_doubt(low: float, high: float) -> str:
    """Say that the interval of a number contains 0, or that the market is too short for one."""
    if low != low:
        return " (too short for an interval)"
    return " (its interval contains 0)" if low <= 0 <= high else ""


# --- figures ---------------------------------------------------------------------------------------------------------

_STYLES = {"both": (RED, "o"), "next": (BLUE, "s"), "y": (GREY, "^")}
_TARGETS = ("own label", "next mids", "return", "executable")
_MARKET_STYLES = ((BLUE, "o"), (RED, "s"), (DARK, "^"), (GREY, "D"), (BLUE, "v"))


def _draw(name: str, draw: Callable[[Figure, Scores], None], found: Scores, caption: str) -> Picture:
    columns = 4 if draw is _draw_without_model else 2
    return Picture(name, style_figure(lambda figure: draw(figure, found), legend_columns=columns), caption)


def _draw_without_model(figure: Figure, found: Scores) -> None:
    """Draw the R² of the forecast without a model by window."""
    axis = figure.subplots()
    windows = np.arange(2, max(WINDOWS) + 1)
    line = [compute_martingale_r2(int(k)) for k in windows]
    axis.plot(windows, line, color=DARK, linewidth=1, label="independent moves")
    for (name, one), (colour, marker) in zip(found.items(), _MARKET_STYLES, strict=False):
        axis.plot(WINDOWS, [one.without_model[k] for k in WINDOWS], marker, color=colour, alpha=0.8, label=name)
    axis.axhline(REPORTED_R2, color=GREY, linewidth=0.8, linestyle="--")
    axis.annotate(f"{REPORTED_R2} reported", (33, REPORTED_R2 - 0.005), ha="center", va="top", fontsize=9)
    axis.set_xlabel("mids in each mean, k")
    axis.set_ylabel("R² without a model")
    axis.set_ylim(0, 0.7)


def _draw_skill(figure: Figure, found: Scores) -> None:
    """Draw the correlations of each forecast, one panel per market."""
    panels = figure.subplots(1, len(found), sharey=True, squeeze=False)[0]
    for axis, (name, one) in zip(panels, found.items(), strict=True):
        for key, (colour, marker) in _STYLES.items():
            score = one.forecasts[key]
            values = [score.ics[key], score.ics["next"], score.ics["y"], score.skill.ic]
            axis.plot(
                range(len(values)), values, color=colour, marker=marker, linewidth=1, label=f"forecast of {LABELS[key]}"
            )
        axis.axhline(0, color=DARK, linewidth=0.6)
        axis.set_xticks(range(len(_TARGETS)), _TARGETS, rotation=55, ha="right", fontsize=9)
        axis.set_title(name, fontsize=10)
    panels[0].set_ylabel("correlation out of sample")


def _draw_gain(figure: Figure, found: Scores) -> None:
    """Draw the mean gains by share traded, one panel per market."""
    panels = figure.subplots(1, len(found), squeeze=False)[0]
    for axis, (name, one) in zip(panels, found.items(), strict=True):
        for key, (colour, marker) in _STYLES.items():
            net = one.forecasts[key].net
            axis.plot(
                range(len(SHARES)),
                [gain.value for gain in net.values()],
                color=colour,
                marker=marker,
                linewidth=1,
                label=f"forecast of {LABELS[key]}",
            )
        axis.axhline(0, color=DARK, linewidth=0.6)
        axis.set_xticks(range(len(SHARES)), [f"{100 * share:.0f}" for share in SHARES], fontsize=9)
        axis.set_xlabel("share of bars (%)")
        axis.set_title(name, fontsize=10)
    panels[0].set_ylabel("gain, ticks a trade")
