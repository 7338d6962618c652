"""Which OFI: variants of flow, models and horizons on one leaderboard, with intervals, deflation and costs."""

from collections.abc import Iterator

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ofiml.comparison.leaderboard import Leaderboard
from ofiml.comparison.verdicts import ComparedGroup, ComparedRun
from ofiml.experiments.bench import Bench
from ofiml.experiments.choices import SKILL_ONLY
from ofiml.experiments.page import Block, Page, Picture, Table
from ofiml.experiments.registry import Experiment
from ofiml.study.json_border import Json
from ofiml.ui.figure import BLUE, DARK, GREY, RED, style_figure
from ofiml.ui.format import DASH, choose_money_form, format_interval, format_number

STUDY = ("experiment=which_ofi", *SKILL_ONLY)
VARIANTS = ("best_level", "mlofi", "mlofi_sum", "mlofi_weighted", "mlofi_ridge", "pca")
MODELS = ("ols", "ridge", "lgbm")
HORIZONS = ("10s", "60s")


def run(bench: Bench) -> Page:
    """Run all combinations on each market, and compare those of each horizon."""
    boards = {market.name: bench.compare_studies(market, _list_members(tiny=bench.tiny)) for market in bench.markets}
    return Page(
        blocks=[
            *(block for name, board in boards.items() for block in _show_board(name, board)),
            Picture(
                "leaderboard",
                style_figure(lambda figure: _draw(figure, boards), legend_columns=4),
                "IC out of sample with its 95 % interval: one panel a market and horizon, one row a variant, one "
                "colour a model.",
            ),
        ],
        verdict=[sentence for name, board in boards.items() for sentence in _judge(name, board)],
        limits=[
            "Nothing is tuned, so that the differences are those of the variants at their defaults.",
            "The model confidence set compares forecasts over the same times: a run outside of it is worse than the "
            "best beyond chance, and those inside cannot be told apart.",
        ],
        numbers={name: _list_numbers(board) for name, board in boards.items()},
        inputs=bench.sessions,
    )


EXPERIMENT = Experiment(
    title="Which OFI?",
    question="Which variant of order flow imbalance forecasts best, with which model, at which horizon; is the "
    "difference more than chance after so many trials; and does any of it pay for its trades?",
    run=run,
    markets={"synthetic": "dataset=synthetic"},
)


def _list_members(*, tiny: bool) -> list[list[str]]:
    variants, models = (VARIANTS[:2], MODELS[:2]) if tiny else (VARIANTS, MODELS)
    return [
        [*STUDY, f"ofi={variant}", f"model={model}", f"horizon={horizon}", f"split.embargo={horizon}"]
        for horizon in HORIZONS
        for variant in variants
        for model in models
    ]


# --- tables and words ------------------------------------------------------------------------------------------------


def _horizon(group: ComparedGroup) -> str:
    return group.params["horizon.length"]


def _show_board(name: str, board: Leaderboard) -> Iterator[Block]:
    """Show one table a horizon, best first; runs are named by what they are, as their ids are random."""
    trials = board.trials.total
    for group in board.groups:
        money = choose_money_form(run.net for run in group.runs if run.net == run.net)
        yield Table(
            f"{name}, {_horizon(group)}: {len(group.runs)} runs, out of sample, of {trials} trials in all. "
            f"{_describe(group)}",
            ["variant", "model", "IC", "95% interval", "R²", "HAC p", "in the set", "net profit", "deflated Sharpe"],
            [
                [
                    run.ofi,
                    run.model,
                    format_number(run.ic),
                    format_interval(run.ic_low, run.ic_high),
                    format_number(run.r2, ".4f"),
                    format_number(run.p),
                    {True: "yes", False: "no", None: DASH}[run.in_set],
                    format_number(run.net, money),
                    format_number(run.dsr),
                ]
                for run in group.runs
            ],
        )


def _describe(group: ComparedGroup) -> str:
    tests = group.tests
    if tests is None:
        return "Too few common times for tests."
    return (
        f"p-value of the hypothesis that none has skill: {format_number(tests.spa)} (SPA). Probability of backtest "
        f"overfitting: {format_number(tests.pbo.pbo, '.2f')}."
    )


def _list_numbers(board: Leaderboard) -> Json:
    return {
        _horizon(group): {
            f"{run.ofi}, {run.model}": {
                "ic": [run.ic, run.ic_low, run.ic_high],
                "r2": run.r2,
                "net": run.net,
                "in_set": None if run.in_set is None else float(run.in_set),
                "deflated_sharpe": run.dsr,
            }
            for run in group.runs
        }
        for group in board.groups
    }


def _judge(name: str, board: Leaderboard) -> Iterator[str]:
    """Say, horizon by horizon, what is best, how many are as good, and whether any pays."""
    for group in board.groups:
        if not group.runs:
            yield f"On {name}, {_horizon(group)} ahead, no run can be compared. {' '.join(group.left_out)}"
            continue
        best = max(group.runs, key=lambda run: run.ic if run.ic == run.ic else -np.inf)
        members = [run for run in group.runs if run.in_set]
        variants = sorted({run.ofi for run in members})
        earning = [run for run in group.runs if run.net > 0]
        surviving = [run for run in group.runs if run.dsr > 0.95]
        interval = format_interval(best.ic_low, best.ic_high)
        words = (
            f"On {name}, {_horizon(group)} ahead, the highest IC is {best.ic:.3f} ({interval}), of {best.ofi} with "
            f"{best.model}."
        )
        if group.tests is not None:
            words += f" {len(members)} of {len(group.runs)} runs are in the confidence set, of {', '.join(variants)}."
        yield f"{words} {_judge_profit(group.runs, earning, surviving)}"


def _judge_profit(runs: list[ComparedRun], earning: list[ComparedRun], surviving: list[ComparedRun]) -> str:
    if not any(run.net == run.net for run in runs):
        return "Nothing was traded."
    if not earning:
        return "None earns its costs."
    words = f"{len(earning)} earn{'s' if len(earning) == 1 else ''} more than the costs"
    return f"{words}; {len(surviving) or 'none'} of all with a deflated Sharpe ratio above 0.95."


# --- figures ---------------------------------------------------------------------------------------------------------

_COLOURS = dict(zip(MODELS, (GREY, BLUE, RED), strict=True))


def _draw(figure: Figure, boards: dict[str, Leaderboard]) -> None:
    """Draw the ICs with their intervals, one panel a market and horizon."""
    shown = [(name, group) for name, board in boards.items() for group in board.groups]
    panels = np.atleast_1d(figure.subplots(1, len(shown), sharey=True))
    for axis, (name, group) in zip(panels, shown, strict=True):
        _draw_group(axis, group)
        axis.set_title(f"{name}, {_horizon(group)}", fontsize=10)
        axis.set_xlabel("IC")


def _draw_group(axis: Axes, group: ComparedGroup) -> None:
    places = {variant: k for k, variant in enumerate(VARIANTS)}
    for j, (model, colour) in enumerate(_COLOURS.items()):
        of = [run for run in group.runs if run.model == model]
        if not of:
            continue
        y = np.array([places[run.ofi] for run in of]) + 0.22 * (j - 1)
        value, low, high = np.array([(run.ic, run.ic_low, run.ic_high) for run in of]).T
        axis.errorbar(
            value,
            y,
            xerr=np.abs(np.stack([value - low, high - value])),
            fmt="o",
            markersize=3,
            linewidth=1,
            color=colour,
            label=model,
        )
    axis.xaxis.set_major_locator(MaxNLocator(3))
    axis.axvline(0, color=DARK, linewidth=0.8)
    axis.set_yticks(range(len(VARIANTS)), VARIANTS, fontsize=8)
    axis.set_ylim(len(VARIANTS) - 0.5, -0.5)
