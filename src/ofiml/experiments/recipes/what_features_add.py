"""What features add to flow: skill and profit of flow alone, of the core features and of all, by two models."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ofiml.experiments.bench import Bench, Market
from ofiml.experiments.choices import SKILL_ONLY
from ofiml.experiments.intervals import read_measures
from ofiml.experiments.page import Block, Page, Picture, Table, list_ends, show_estimate
from ofiml.experiments.registry import Experiment
from ofiml.metrics.estimates import Estimate
from ofiml.study.json_border import Json
from ofiml.ui.figure import BLUE, GREY, RED, style_figure
from ofiml.ui.format import DASH, format_number

STUDY = ("experiment=what_features_add", *SKILL_ONLY)
FEATURES = {"flow alone": "ofi_only", "core": "core", "full": "full"}
MODELS = ("ridge", "lgbm")


@dataclass(frozen=True, slots=True)
class Cell:
    """The result of one model with one set of features. `share_ic` is its IC as a share of the oracle's, NaN without
    one; money is in the currency of the market.
    """

    model: str
    features: str
    inputs: int
    ic: Estimate
    r2: Estimate
    share_ic: float
    fills: float
    net: float


def run(bench: Bench) -> Page:
    """Run each model with each set of features on each market."""
    cells = {market.name: _study(bench, market) for market in bench.markets}
    return Page(
        blocks=[
            Table(
                "IC out of sample, 10 s ahead (95 % interval).",
                ["", "model", *FEATURES],
                _list_rows(cells, lambda cell: show_estimate(cell.ic)),
            ),
            Table(
                "R² out of sample (95 % interval).",
                ["", "model", *FEATURES],
                _list_rows(cells, lambda cell: show_estimate(cell.r2, ".4f")),
            ),
            *_show_oracle(cells),
            Table(
                "Net profit with the fees of each instrument on the recorded book, in its currency, and the number of "
                "fills. A dash is a run in which no forecast exceeded its costs, so that no order was sent.",
                ["", "model", *FEATURES],
                _list_rows(cells, _show_profit),
            ),
            Picture(
                "ic",
                style_figure(lambda figure: _draw(figure, cells), legend_columns=2),
                "IC with its 95 % interval by set of features: one panel a market.",
            ),
        ],
        verdict=_judge(cells),
        limits=[
            "One or two days of a stock are an example.",
            "The sets of features and the space of tuning are the defaults for all markets: other choices may do "
            "better on one.",
        ],
        numbers={name: _list_numbers(of) for name, of in cells.items()},
        inputs=bench.sessions,
    )


EXPERIMENT = Experiment(
    title="What features add to flow",
    question="What do the features of `core`, and all of them, add to the flow of the bar in forecasts ten seconds "
    "ahead? Do more features find skill where there is none? Does what they find pay?",
    run=run,
    markets={"synthetic": "dataset=synthetic", "no information": "dataset=synthetic_null"},
)


# --- studies ---------------------------------------------------------------------------------------------------------


def _study(bench: Bench, market: Market) -> list[Cell]:
    cells = []
    for model in MODELS:
        for name, features in FEATURES.items():
            study = bench.run_study(market, *STUDY, f"model={model}", f"features={features}")
            report = study.report
            measures, oracle, made = read_measures(report), report.metrics.oracle, report.performance
            assert made is not None
            share = float("nan") if oracle is None else oracle.shares["ic"]
            inputs = study.example.shape[1]
            cells.append(Cell(model, name, inputs, measures["ic"], measures["r2"], share, made.fills, made.net_pnl))
    return cells


# --- tables and words ------------------------------------------------------------------------------------------------


def _show_profit(cell: Cell) -> str:
    return f"{format_number(cell.net, ',.2f')} ({cell.fills:,.0f})" if cell.fills else DASH


def _list_rows(cells: dict[str, list[Cell]], show: Callable[[Cell], str]) -> list[list[str]]:
    """List a row for each market and model, with one cell a set of features."""
    return [
        [name if model == MODELS[0] else "", model, *(show(cell) for cell in of if cell.model == model)]
        for name, of in cells.items()
        for model in MODELS
    ]


def _show_oracle(cells: dict[str, list[Cell]]) -> list[Block]:
    """Show the share of the oracle's IC on the markets that have one; nothing without them."""
    known = {name: of for name, of in cells.items() if any(cell.share_ic == cell.share_ic for cell in of)}
    if not known:
        return []
    rows = _list_rows(known, lambda cell: format_number(cell.share_ic, ".0%"))
    return [Table("Share of the oracle's IC, where the market is simulated.", ["", "model", *FEATURES], rows)]


def _judge(cells: dict[str, list[Cell]]) -> list[str]:
    """Say where all features beat flow alone, whether anything is found where nothing is, and what pays."""
    lines = []
    for name, of in cells.items():
        by = {(cell.model, cell.features): cell for cell in of}
        words = []
        for model in MODELS:
            flow, full = by[model, "flow alone"].ic, by[model, "full"].ic
            words.append(f"{format_number(flow.value)} to {format_number(full.value)} ({model})")
        skilled = [cell for cell in of if cell.ic.low > 0]
        found = (
            f"{len(skilled)} of {len(of)} intervals of the IC lie above 0" if skilled else "no interval lies above 0"
        )
        lines.append(f"On {name}, all features change the IC of flow alone from {' and from '.join(words)}; {found}.")
    earning = [
        f"{cell.model} with {cell.features} on {name}" for name, of in cells.items() for cell in of if cell.net > 0
    ]
    traded = sum(cell.fills > 0 for of in cells.values() for cell in of)
    total = sum(map(len, cells.values()))
    lines.append(
        f"{traded} of {total} runs traded; " + (f"these earned: {', '.join(earning)}." if earning else "none earned.")
    )
    return lines


def _list_numbers(of: list[Cell]) -> Json:
    return {
        f"{cell.model}, {cell.features}": {
            "inputs": cell.inputs,
            "ic": list_ends(cell.ic),
            "r2": list_ends(cell.r2),
            "share_of_oracle": cell.share_ic,
            "fills": cell.fills,
            "net": cell.net,
        }
        for cell in of
    }


# --- figures ---------------------------------------------------------------------------------------------------------

_STYLES = {"ridge": (BLUE, "o"), "lgbm": (RED, "s")}


def _draw(figure: Figure, cells: dict[str, list[Cell]]) -> None:
    panels = np.atleast_1d(figure.subplots(1, len(cells), sharey=True))
    for axis, (name, of) in zip(panels, cells.items(), strict=True):
        _draw_market(axis, of)
        axis.set_title(name, fontsize=9)
    panels[0].set_ylabel("IC, 10 s ahead")


def _draw_market(axis: Axes, of: list[Cell]) -> None:
    for k, model in enumerate(MODELS):
        value, low, high = np.array([(c.ic.value, c.ic.low, c.ic.high) for c in of if c.model == model]).T
        x, (colour, marker) = np.arange(len(FEATURES)) + 0.14 * (2 * k - 1), _STYLES[model]
        axis.errorbar(x, value, np.stack([value - low, high - value]), fmt=marker, color=colour, capsize=3, label=model)
    axis.axhline(0, color=GREY, linewidth=0.8)
    axis.set_xticks(np.arange(len(FEATURES)), [name.replace(" ", "\n") for name in FEATURES], fontsize=9)
