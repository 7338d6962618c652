"""Cross-impact of order flow between symbols, after Cont, Cucuringu & Zhang (2023)."""

from collections.abc import Callable

import numpy as np

from ofiml._typing import Float
from ofiml.experiments.bench import Bench
from ofiml.experiments.page import Block, Page, Picture, Table
from ofiml.experiments.recipes._cross_figures import draw_heat_maps, draw_networks
from ofiml.experiments.recipes._cross_fits import (
    KINDS,
    MODELS,
    CrossFit,
    CrossFits,
    GroupFit,
)
from ofiml.experiments.recipes._cross_words import Crosses, judge, list_numbers, measure_crosses, measure_sectors
from ofiml.experiments.registry import Experiment
from ofiml.reporting.impact import LOTS
from ofiml.ui.figure import style_figure
from ofiml.ui.format import DASH, format_number

#: The means of the paper's stocks, in and out of sample: flow and move of the same bar, own flow and LASSO.
PUBLISHED = {
    (KINDS[0], MODELS[0]): ("0.712", "0.646"),
    (KINDS[0], MODELS[1]): ("0.739", "0.660"),
    (KINDS[1], MODELS[0]): ("0.871", "0.838"),
    (KINDS[1], MODELS[1]): ("0.879", "0.836"),
}
#: A market in which Λ is the slope of moves on trades: market orders without memory, and impact that stays.
MEMORYLESS = (
    "dataset=synthetic_basket dataset.excitation=0 dataset.state_dependence=0 dataset.u_shape=0 "
    "dataset.permanent_impact=1 dataset.news_move=0"
)


def run(bench: Bench) -> Page:
    """Fit the moves of each basket on the flow of all its symbols."""
    found = {market.name: measure_crosses(bench, market) for market in bench.markets}
    blocks: list[Block] = [
        Table(
            "Flow and move of the same bar of 10 s: R², mean of the symbols, in purged walk-forward folds. In sample "
            "is on the train rows, out of sample on the test rows; added is what flow of other symbols adds to own "
            "flow, with its 95% interval.",
            ["", *found, "paper"],
            _list_fits(found, lambda one: one.same, PUBLISHED),
        ),
        Table(
            "Flow of a bar and move of the next one, which begins when the flow is known.",
            ["", *found, "paper"],
            _list_fits(found, lambda one: one.ahead, {}),
        ),
    ]
    for k, (name, one) in enumerate(found.items()):
        blocks += _show_market(k + 1, name, one)
    blocks.append(
        Table(
            "Pairs of different symbols by sector, mean absolute slope. Of flow: LASSO of the same bar, in standard "
            "deviations, which shrinks slopes. Of trades and known: ticks per 1,000 lots.",
            ["", "pairs", *KINDS, "trades", "significant of trades", "known"],
            [row for name, one in found.items() for row in _list_sectors(name, one)],
        )
    )
    return Page(
        blocks=blocks,
        verdict=[judge(name, one) for name, one in found.items()],
        limits=[
            "A slope on the flow of the same bar is no cause: flow answers to prices, too.",
            "Slopes on trades lie below Λ where orders foretell orders, because the price moves by what is unexpected "
            "of them, and where impact decays within the bar. The market without memory has neither.",
            "The symbols of the embedded basket have separate news; news that real ones share would look like "
            "cross-impact.",
            "The paper's numbers are means of many stocks and days.",
            "The next bar is one horizon of many.",
            "Slopes on trades, and slopes by part of the day and by day, are in sample.",
        ],
        numbers={name: list_numbers(one) for name, one in found.items()},
        inputs=bench.sessions,
    )


EXPERIMENT = Experiment(
    title="Cross-impact",
    question="Does the flow of other symbols explain or forecast a symbol's moves beyond its own flow, and do such "
    "regressions find who really moves whom? (Cont, Cucuringu & Zhang 2023)",
    run=run,
    markets={"basket": "dataset=synthetic_basket", "without memory": MEMORYLESS},
)


# --- tables ----------------------------------------------------------------------------------------------------------


def _list_fits(
    found: dict[str, Crosses], read: Callable[[Crosses], CrossFits], published: dict[tuple[str, str], tuple[str, str]]
) -> list[list[str]]:
    def row(text: str, cell: Callable[[Crosses], str], paper: str = "") -> list[str]:
        return [text, *(cell(one) for one in found.values()), paper]

    rows = [row("bars tested", lambda one: f"{len(read(one).rows):,}")]
    for kind in KINDS:
        for model in MODELS:

            def fit(one: Crosses, kind: str = kind, model: str = model) -> CrossFit:
                return read(one).fits[kind][model]

            paper = published.get((kind, model), ("", "" if published or model == MODELS[2] else "negative"))
            text = f"{kind}, {model}"
            rows.append(row(f"{text}, in sample", lambda one, fit=fit: _r2(fit(one).inside), paper[0]))  # type: ignore[misc]
            rows.append(row(f"{text}, out of sample", lambda one, fit=fit: _r2(fit(one).outside), paper[1]))  # type: ignore[misc]
            if model != MODELS[0]:
                rows.append(row(f"{text}, added", lambda one, fit=fit: _format_added(fit(one))))  # type: ignore[misc]
    return rows


def _r2(values: Float) -> str:
    return format_number(float(np.mean(values)), ".3f")


def _format_added(fit: CrossFit) -> str:
    low, high = (format_number(end, ".4f") for end in (fit.added.low, fit.added.high))
    return format_number(fit.added.value, ".4f") + (f" ({low} to {high})" if low != DASH else "")


def _show_market(number: int, name: str, one: Crosses) -> list[Block]:
    """Show the matrices of a market, and its parts of the day and days."""
    basket = one.basket
    titles = {
        "slope on trades, ticks per 1,000 lots": one.trades.slopes * LOTS,
        **{f"LASSO on {kind} flow, standard deviations": one.same.fits[kind]["LASSO"].weights for kind in KINDS},
    }
    links = {
        "trades, significant": np.where(one.trades.links, one.trades.slopes, 0.0),
        **{f"LASSO, {kind}": _keep_chosen(one.same.fits[kind]["LASSO"]) for kind in KINDS},
    }
    forms = [".1f", ".2f", ".2f"]
    if basket.known is not None:
        titles = {"known Λ, ticks per 1,000 lots": basket.known * LOTS} | titles
        links = {"known Λ": basket.known} | links
        forms = [".1f", *forms]
    return [
        Table(
            f"{name}: the move of the row's symbol per 1,000 lots bought of the column's, in ticks, ± its standard "
            "error" + (", and the known Λ." if basket.known is not None else "."),
            ["", *basket.symbols],
            [[symbol, *_list_slopes(one, i)] for i, symbol in enumerate(basket.symbols)],
        ),
        Picture(
            f"matrices_{number}",
            style_figure(lambda figure: draw_heat_maps(figure, titles, basket.symbols, forms), legend_columns=1),
            f"{name}: who moves whom, by trades and by flow of the same bar. Colours are relative to each matrix.",
        ),
        Picture(
            f"network_{number}",
            style_figure(lambda figure: draw_networks(figure, links, basket.symbols, basket.sectors), legend_columns=4),
            f"{name}: the links between symbols. Of trades those that are not 0 at 5% together (Bonferroni), of LASSO "
            "those that every fold chooses; widths are relative to the strongest of a panel.",
        ),
        Table(
            f"{name}: by part of the day (thirds of the session) and by day, same bar. R² out of sample is the mean of "
            "the symbols, of own flow and of LASSO. Slopes are mean absolute ones of least squares on these bars, in "
            "standard deviations; noise is what those on others would be without cross-impact.",
            [
                "",
                "bars",
                *(f"{kind}: {text}" for kind in KINDS for text in ("R² own", "LASSO", "own", "others", "noise")),
            ],
            [_list_group(*groups) for groups in zip(*one.groups.values(), strict=True)],
        ),
    ]


def _keep_chosen(fit: CrossFit) -> Float:
    """Keep the slopes that every fold chooses."""
    return np.where(fit.chosen == 1, fit.weights, 0.0)


def _list_slopes(one: Crosses, i: int) -> list[str]:
    slopes, errors, known = one.trades.slopes[i] * LOTS, one.trades.errors[i] * LOTS, one.basket.known
    cells = [f"{format_number(a, '.2f')} ± {format_number(b, '.2f')}" for a, b in zip(slopes, errors, strict=True)]
    if known is None:
        return cells
    return [f"{cell} ({value * LOTS:g})" for cell, value in zip(cells, known[i].tolist(), strict=True)]


def _list_group(*groups: GroupFit) -> list[str]:
    cells = [[one.own_r2, one.cross_r2, one.own, one.cross, one.noise] for one in groups]
    return [groups[0].name, f"{groups[0].bars:,}", *(format_number(x, ".3f") for row in cells for x in row)]


def _list_sectors(name: str, one: Crosses) -> list[list[str]]:
    return [
        [
            f"{name}: {text}",
            str(of.pairs),
            *(format_number(x, ".3f") for x in of.flow.values()),
            format_number(of.trades, ".2f"),
            str(of.links),
            format_number(of.known, ".2f"),
        ]
        for text, of in measure_sectors(one).items()
    ]
