"""Multi-level order flow imbalance, after Xu, Gould & Howison (2018), and what notebooks add to it."""

from collections.abc import Callable

import numpy as np

from ofiml._typing import Float
from ofiml.evaluation.level_fits import OUTLIER_SHARE, FoldErrors, OutlierFits, SeenOutliers
from ofiml.experiments.bench import Bench
from ofiml.experiments.page import Page, Picture, Table, list_ends
from ofiml.experiments.recipes._mlofi_figures import (
    draw_distributions,
    draw_level_fits,
    draw_rmse,
    draw_similarity,
    draw_spectrum,
    draw_weights,
)
from ofiml.experiments.recipes._mlofi_levels import REACH, Levels, measure_levels
from ofiml.experiments.registry import Experiment
from ofiml.metrics.estimates import Estimate
from ofiml.study.json_border import Json
from ofiml.ui.figure import style_figure
from ofiml.ui.format import DASH, format_number

#: Gains of Ridge MLOFI over best-level OFI in the paper, out of sample: the least, AMZN's, and the most of six stocks.
PUBLISHED = "15% to 74%, AMZN 17%"
PUBLISHED_FIRST = "above 89%"  # Cont, Cucuringu & Zhang, flow divided by depth


def run(bench: Bench) -> Page:
    """Fit the levels of each market and lay out what they give."""
    found = {market.name: measure_levels(bench, market) for market in bench.markets}
    return Page(
        blocks=[
            Table(
                "Root mean squared errors of the move of 10 s, in ticks, in purged walk-forward folds. In sample is on "
                "the train rows, out of sample on the test rows. A gain is the share by which an error is below "
                "another, out of sample, with its 95% interval.",
                ["", *found, "paper"],
                _list_fits(found),
            ),
            _draw(
                "rmse_by_levels",
                draw_rmse,
                found,
                "The error by the number of levels, relative to the best level's out of sample.",
            ),
            Table(
                "The same errors in ticks, by the number of levels M.",
                ["", *(f"M = {m}" for m in range(1, max(one.rows.levels for one in found.values()) + 1))],
                _list_errors(found),
            ),
            _draw(
                "weights",
                draw_weights,
                found,
                "The weights over levels, mean of the folds, as shares of their absolute sum.",
            ),
            Table(
                f"Lines through one level's flow. The isolation forest calls {OUTLIER_SHARE:.0%} of its rows outliers. "
                "The first rows fit inside the fold, with a forest of the train rows' flow alone. The others are what "
                "a notebook does: one forest of all rows, a fit in sample on the rows that remain.",
                ["", *(f"{name}, level {m}" for name, one in found.items() for m in _show_levels(one))],
                _list_lines(found),
            ),
            _draw(
                "level_fits",
                draw_level_fits,
                found,
                "R² of a line through the flow of each level alone, with and without outliers. One far below the "
                "others stands at the edge, with its number.",
            ),
            Table(
                "How alike the levels are. The Kolmogorov-Smirnov distance is the largest gap between two distribution "
                "functions, of flow in lots and of flow in standard deviations of its level.",
                ["", *found, "paper"],
                _list_likeness(found),
            ),
            _draw(
                "distributions",
                draw_distributions,
                found,
                "The flow of a bar by level, in standard deviations of the best level's: violins above, cumulative "
                "distributions below.",
            ),
            _draw(
                "similarity",
                draw_similarity,
                found,
                "How each level's flow is related to the best level's and to that of the level above it.",
            ),
            _draw(
                "spectrum",
                draw_spectrum,
                found,
                "The principal components of the levels' flows, each level with the same weight: shares of the "
                "variance, and their sum.",
            ),
        ],
        verdict=[_judge(name, one) for name, one in found.items()],
        limits=[
            "The regressions explain the move of the same bar and forecast nothing.",
            "The paper's gains are averages of six stocks, one by one; a day of one stock, or a simulated market, is "
            "one draw.",
            f"The reach of {REACH:.0f} standard deviations was chosen after a look at AMZN, whose gain with it is "
            "therefore not quite out of sample.",
            f"That {OUTLIER_SHARE:.0%} of the bars are outliers is a choice made here, of both forests alike.",
            "The distances between levels have no p-values: bars follow each other, and levels share their events.",
        ],
        numbers={name: _list_numbers(one) for name, one in found.items()},
        inputs=bench.sessions,
    )


EXPERIMENT = Experiment(
    title="Order flow at many levels, and Ridge",
    question="How much better do many levels explain the move of ten seconds than the best one, does Ridge do it "
    "better than least squares, and what does leaving out outliers change? (Xu, Gould & Howison 2018)",
    run=run,
    markets={"synthetic": "dataset=synthetic", "large tick": "dataset=synthetic_large_tick"},
)


def _draw(name: str, draw: Callable[..., None], found: dict[str, Levels], caption: str) -> Picture:
    columns = 2 if draw is draw_level_fits else 4
    return Picture(name, style_figure(lambda figure: draw(figure, found), legend_columns=columns), caption)


# --- tables and words ------------------------------------------------------------------------------------------------


def _show_levels(one: Levels) -> list[int]:
    """The levels whose lines the table shows: the best and the deepest."""
    return [1, one.rows.levels]


def _list_fits(found: dict[str, Levels]) -> list[list[str]]:
    def row(text: str, read: Callable[[Levels], float], form: str, paper: str = "") -> list[str]:
        return [text, *(format_number(read(one), form) for one in found.values()), paper]

    def gain(text: str, read: Callable[[Levels], Estimate], paper: str = "") -> list[str]:
        return [text, *(_format_gain(read(one)) for one in found.values()), paper]

    rows = [
        row("levels M", lambda one: one.rows.levels, ".0f", "10"),
        row("bars tested", lambda one: len(one.rows.tested), ",.0f"),
        row("mean spread, ticks", _measure_spread, ".1f"),
        row("no flow: the train mean, out of sample", lambda one: one.mean.rmse[1], ".3f"),
    ]
    for text, read in (
        ("least squares, best level", lambda one: one.ols[0]),
        ("least squares, M levels", lambda one: one.ols[-1]),
        ("Ridge, M levels", lambda one: one.ridge[-1]),
        ("Ridge, penalty without extreme bars", lambda one: one.near_ridge),
        ("Powell's weights, M levels", lambda one: one.powell),
    ):
        rows.append(row(f"{text}, in sample", lambda one, read=read: read(one).rmse[0], ".3f"))  # type: ignore[misc]
        rows.append(row(f"{text}, out of sample", lambda one, read=read: read(one).rmse[1], ".3f"))  # type: ignore[misc]
    return [
        *rows,
        row("median penalty of Ridge", lambda one: float(np.median(one.ridge[-1].penalties)), ",.0f"),
        row("median penalty without extreme bars", lambda one: float(np.median(one.near_ridge.penalties)), ",.0f"),
        row(f"extreme bars: flow beyond {REACH:.0f} standard deviations", lambda one: one.far_bars, ",.0f"),
        gain("gain of Ridge over the best level", lambda one: one.ridge_gain, PUBLISHED),
        gain("the same, penalty without extreme bars", lambda one: one.near_gain),
        gain("gain of Ridge over least squares", lambda one: one.ridge_over_ols),
        gain("gain of Ridge over Powell's weights", lambda one: one.ridge_over_powell),
    ]


def _list_errors(found: dict[str, Levels]) -> list[list[str]]:
    """List the errors by the number of levels, in and out of sample; a market of fewer levels ends earlier."""
    most = max(one.rows.levels for one in found.values())
    rows = []
    for name, one in found.items():
        for text, fits in (("least squares", one.ols), ("Ridge", one.ridge)):
            for place, where in enumerate(("in sample", "out of sample")):
                cells = [format_number(fit.rmse[place], ".3f") for fit in fits]
                rows.append([f"{name}: {text}, {where}", *cells, *[DASH] * (most - len(cells))])
    return rows


def _format_gain(gain: Estimate) -> str:
    low, high = (format_number(100 * end, ".2f") for end in (gain.low, gain.high))
    return f"{format_number(100 * gain.value, '.2f')}%" + (f" ({low} to {high})" if low != DASH else "")


def _list_lines(found: dict[str, Levels]) -> list[list[str]]:
    shown = [(one, m - 1) for one in found.values() for m in _show_levels(one)]

    def row(text: str, read: Callable[[Levels, int], float], form: str = ".3f") -> list[str]:
        return [text, *(format_number(read(one, m), form) for one, m in shown)]

    return [
        row("out of sample: all train rows, all test rows, R²", lambda one, m: one.lines[m].all),
        row("trained without outliers, all test rows, R²", lambda one, m: one.lines[m].trimmed),
        row("all train rows, test rows without outliers, R²", lambda one, m: one.lines[m].all_kept),
        row("trained and tested without outliers, R²", lambda one, m: one.lines[m].trimmed_kept),
        row("in sample: all rows, R²", lambda one, m: one.seen[m].r2),
        row("without outliers of flow, R²", lambda one, m: one.flow_only[m].trimmed_r2),
        row("without outliers of flow and move, R²", lambda one, m: one.seen[m].trimmed_r2),
        row("in sample: all rows, error in ticks", lambda one, m: one.seen[m].rmse),
        row("without outliers of flow, error in ticks", lambda one, m: one.flow_only[m].trimmed_rmse),
        row("without outliers of flow and move, error in ticks", lambda one, m: one.seen[m].trimmed_rmse),
        row("variance of moves in the outliers of flow", lambda one, m: one.flow_only[m].dropped_variance, ".0%"),
        row("variance of moves in the outliers of flow and move", lambda one, m: one.seen[m].dropped_variance, ".0%"),
    ]


def _list_likeness(found: dict[str, Levels]) -> list[list[str]]:
    def row(text: str, read: Callable[[Levels], float], form: str = ".2f", paper: str = "") -> list[str]:
        return [text, *(format_number(read(one), form) for one in found.values()), paper]

    return [
        row("distance of levels 1 and 2, lots", lambda one: one.ks[0][0, 1]),
        row("distance of levels 1 and M, lots", lambda one: one.ks[0][0, -1]),
        row("distance of levels 1 and M, standard deviations", lambda one: one.ks[1][0, -1]),
        row("correlation of levels 1 and 2", lambda one: one.correlation[0, 1]),
        row("correlation of levels 1 and M", lambda one: one.correlation[0, -1]),
        row("mean correlation of neighbours", lambda one: float(np.diag(one.correlation, 1).mean())),
        row("first component, levels of equal weight", lambda one: one.spectrum[0], ".0%"),
        row("first component, flow divided by depth", lambda one: one.depth_spectrum[0], ".0%", PUBLISHED_FIRST),
        row("components for 90% of the variance", lambda one: count_components(one.spectrum, 0.9), ".0f"),
    ]


def count_components(spectrum: Float, share: float) -> int:
    """Count the first components (of descending shares) that together have at least `share` of the variance."""
    return int(np.searchsorted(np.cumsum(spectrum), share - 1e-12)) + 1


def _measure_spread(one: Levels) -> float:
    return float(one.rows.rows["spread_ticks"].to_numpy().mean())


def _list_numbers(one: Levels) -> dict[str, Json]:
    def errors(fits: list[FoldErrors]) -> dict[str, Json]:
        return {"in_sample": [fit.rmse[0] for fit in fits], "out_of_sample": [fit.rmse[1] for fit in fits]}

    def each(records: list[OutlierFits] | list[SeenOutliers]) -> dict[str, Json]:
        return {key: [float(getattr(record, key)) for record in records] for key in type(records[0]).__slots__}

    gains = {
        "over_best": one.ridge_gain,
        "near_over_best": one.near_gain,
        "over_ols": one.ridge_over_ols,
        "over_powell": one.ridge_over_powell,
    }
    return {
        "levels": one.rows.levels,
        "tested": len(one.rows.tested),
        "mean_spread_ticks": _measure_spread(one),
        "mean_rmse": one.mean.rmse[1],
        "ols_rmse": errors(one.ols),
        "ridge_rmse": errors(one.ridge),
        "near_ridge_rmse": errors([one.near_ridge]),
        "penalties": one.ridge[-1].penalties.tolist(),
        "near_penalties": one.near_ridge.penalties.tolist(),
        "far_bars": one.far_bars,
        "powell_rmse": errors([one.powell]),
        "ridge_gain": {name: list_ends(gain) for name, gain in gains.items()},
        "ridge_weights": one.ridge[-1].weights.mean(axis=0).tolist(),
        "powell_weights": one.powell.weights.mean(axis=0).tolist(),
        "lines": each(one.lines),
        "notebook": each(one.seen),
        "forest_of_flow": each(one.flow_only),
        "ks_lots": one.ks[0].tolist(),
        "ks_standardised": one.ks[1].tolist(),
        "correlation": one.correlation.tolist(),
        "spectrum": one.spectrum.tolist(),
        "depth_spectrum": one.depth_spectrum.tolist(),
    }


def _judge(name: str, one: Levels) -> str:
    """Say in sentences what the numbers of a market mean."""
    gain, over, powell, seen = one.ridge_gain, one.ridge_over_ols, one.ridge_over_powell, one.seen[0]
    flow = one.flow_only[0]
    line = one.lines[0]
    words = [
        f"On {name}, Ridge on {one.rows.levels} levels has {_compare(gain)} error out of sample than the best level, "
        f"{_compare(over)} than least squares, and {_compare(powell)} than Powell's non-negative weights.",
        *_judge_penalty(one),
        f"Training the best level's line without outliers of flow moves its R² out of sample from {_r2(line.all)} to "
        f"{_r2(line.trimmed)} on all test rows, and from {_r2(line.all_kept)} to {_r2(line.trimmed_kept)} on those "
        "that are no outliers.",
        f"A forest that also sees the move drops {seen.dropped:.0%} of the bars, which have "
        f"{format_number(seen.dropped_variance, '.0%')} of the variance (a forest of flow alone "
        f"{format_number(flow.dropped_variance, '.0%')}): in sample it shows an error of {seen.trimmed_rmse:.2f} ticks "
        f"and an R² of {_r2(seen.trimmed_r2)}, where all bars have {seen.rmse:.2f} and {_r2(seen.r2)}; it chose them "
        "by the moves.",
    ]
    return " ".join(words)


def _judge_penalty(one: Levels) -> list[str]:
    """Say what the extreme bars do to the choice of the penalty, if there are any."""
    if one.far_bars == 0:
        return []
    before, after = (float(np.median(fit.penalties)) for fit in (one.ridge[-1], one.near_ridge))
    return [
        f"The flow of {one.far_bars} bars is beyond {REACH:.0f} standard deviations. Chosen without them, the median "
        f"penalty is {after:,.0f} instead of {before:,.0f}, and the error is {_compare(one.near_gain)} than the best "
        "level's."
    ]


def _r2(value: float) -> str:
    return format_number(value, ".2f")


def _compare(gain: Estimate) -> str:
    """Name a difference that its interval separates from 0, else say that it does not."""
    if gain.low > 0:
        return f"{gain.value:.1%} less"
    return f"{-gain.value:.1%} more" if gain.high < 0 else "not clearly less or more"
