"""Which OFI: variants, models and horizons on one leaderboard, with intervals, controls, deflation and costs."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ofiml.comparison.verdicts import ComparedGroup, ComparedRun
from ofiml.experiments.bench import Bench, Market
from ofiml.experiments.choices import SKILL_ONLY
from ofiml.experiments.intervals import drop_interval
from ofiml.experiments.page import Page, Picture, Table, list_ends, show_estimate
from ofiml.experiments.registry import Experiment
from ofiml.metrics.estimates import Estimate
from ofiml.reporting.controls import NAMES
from ofiml.study.json_border import Json
from ofiml.study.report import Report
from ofiml.ui.figure import BLUE, DARK, GREY, RED, style_figure
from ofiml.ui.format import DASH, choose_money_form, format_interval, format_number, format_p
from ofiml.validation.controls import Control, ControlName

STUDY = ("experiment=which_ofi", *SKILL_ONLY, "evaluation.controls=true")
VARIANTS = (
    *("best_level", "mlofi", "mlofi_sum", "mlofi_weighted", "mlofi_decay", "mlofi_ridge", "mlofi_powell", "pca"),
)
MODELS = ("ols", "ridge", "lgbm")
HORIZONS = ("10s", "60s")
NAIVE: tuple[ControlName, ...] = ("last_return", "ofi_sign", "shifted")  # controls that are forecasts of the same label


@dataclass(frozen=True, slots=True)
class Entry:
    """A compared run with what its own report adds.

    `over_return` is its gain in IC over the last return, and `over_strongest` that over the `strongest` naive forecast,
    which has the highest IC.
    """

    run: ComparedRun
    over_return: Estimate
    strongest: ControlName
    over_strongest: Estimate


@dataclass(frozen=True, slots=True)
class Board:
    """The comparison of a market at a horizon, best run first. `oracle` is the IC of the oracle, NaN on a real day."""

    horizon: str
    group: ComparedGroup
    entries: list[Entry]
    oracle: float
    trials: int


def run(bench: Bench) -> Page:
    """Run all combinations on each market, and compare those of each horizon."""
    boards = {market.name: _compare(bench, market) for market in bench.markets}
    return Page(
        blocks=[
            *(_tabulate(name, board) for name, of in boards.items() for board in of),
            Picture(
                "leaderboard",
                style_figure(lambda figure: _draw(figure, boards), legend_columns=4),
                "IC out of sample with its 95 % interval: one panel a market and horizon, one row a variant, one "
                "colour and marker a model.",
            ),
        ],
        verdict=[judge(name, board) for name, of in boards.items() for board in of],
        limits=[
            "Nothing is tuned, so that the differences are those of the variants at their defaults.",
            "The model confidence set compares forecasts over the same times: a run outside of it is worse than the "
            "best beyond chance, and those inside cannot be told apart.",
            "The strongest control is chosen run by run after the fact, which favours the control.",
            "Of the models, lasso and elastic net are left out, because they shrink the same linear forecast as ridge; "
            "blends, because they average models shown here; logistic regression, because it forecasts a direction and "
            "not a return. Experiment 013 has more horizons, from one message to five minutes, with ridge alone; at "
            "five minutes a day of a stock has too few blocks of time for an interval.",
        ],
        numbers={name: {board.horizon: _list_numbers(board) for board in of} for name, of in boards.items()},
        inputs=bench.sessions,
    )


EXPERIMENT = Experiment(
    title="Which OFI?",
    question="Which variant of order flow imbalance forecasts best, with which model, at which horizon; is the "
    "difference more than chance after so many trials; and does any of it pay for its trades?",
    run=run,
    markets={"synthetic": "dataset=synthetic"},
)


# --- studies ---------------------------------------------------------------------------------------------------------


def _compare(bench: Bench, market: Market) -> list[Board]:
    """Run all members on a market; return one board a horizon."""
    leaderboard, reports = bench.compare_studies(market, _list_members(tiny=bench.tiny))
    boards = []
    for group in leaderboard.groups:
        entries = [_read_entry(one, reports[one.run]) for one in group.runs]
        known = [skill.values["ic"] for one in group.runs if (skill := reports[one.run].metrics.oracle)]
        oracle = known[0] if known else float("nan")
        boards.append(Board(group.params["horizon.length"], group, entries, oracle, leaderboard.trials.total))
    return boards


def _read_entry(compared: ComparedRun, report: Report) -> Entry:
    controls, blocks = report.controls, report.metrics.bootstrap.blocks
    assert controls is not None
    strongest = find_strongest(controls)
    return Entry(
        compared,
        drop_interval(controls["last_return"].above.ic, blocks),
        strongest,
        drop_interval(controls[strongest].above.ic, blocks),
    )


def find_strongest(controls: Mapping[ControlName, Control]) -> ControlName:
    """Find the naive forecast with the highest IC; one without an IC is the weakest."""
    return max(NAIVE, key=lambda name: controls[name].ic if controls[name].ic == controls[name].ic else -np.inf)


def _list_members(*, tiny: bool) -> list[list[str]]:
    variants, models = (VARIANTS[:2], MODELS[:2]) if tiny else (VARIANTS, MODELS)
    return [
        [*STUDY, f"ofi={variant}", f"model={model}", f"horizon={horizon}", f"split.embargo={horizon}"]
        for horizon in HORIZONS
        for variant in variants
        for model in models
    ]


# --- tables and words ------------------------------------------------------------------------------------------------


def _tabulate(name: str, board: Board) -> Table:
    """Tabulate the runs of a board, best first, below the oracle; runs are named by what they are."""
    money = choose_money_form(one.run.net for one in board.entries if one.run.net == one.run.net)
    columns = [
        *("variant", "model", "IC", "95% interval", "R²", "HAC p", "in the set", "gain over the last return"),
        *("gain over the strongest control", "net profit", "deflated Sharpe"),
    ]
    rows = [
        [
            one.run.ofi,
            one.run.model,
            format_number(one.run.ic),
            format_interval(one.run.ic_low, one.run.ic_high),
            format_number(one.run.r2, ".4f"),
            format_p(one.run.p),
            {True: "yes", False: "no", None: DASH}[one.run.in_set],
            show_estimate(one.over_return),
            f"{show_estimate(one.over_strongest)}, {NAMES[one.strongest]}",
            format_number(one.run.net, money),
            format_number(one.run.dsr),
        ]
        for one in board.entries
    ]
    if board.oracle == board.oracle:
        rows.insert(0, ["oracle", DASH, format_number(board.oracle), *[DASH] * (len(columns) - 3)])
    return Table(
        f"{name}, {board.horizon}: {len(board.entries)} runs, out of sample, of {board.trials} trials in all. "
        f"{_describe(board.group)} Gains are in IC.",
        columns,
        rows,
    )


def _describe(group: ComparedGroup) -> str:
    tests = group.tests
    if tests is None:
        return "Too few common times for tests."
    return (
        f"p-value of the hypothesis that none has skill: {format_p(tests.spa)} (SPA). Probability of backtest "
        f"overfitting: {format_number(tests.pbo.pbo, '.2f')}."
    )


def _list_numbers(board: Board) -> dict[str, Json]:
    tests = board.group.tests
    return {
        "trials": board.trials,
        "oracle_ic": board.oracle,
        "spa_p": None if tests is None else tests.spa,
        "pbo": None if tests is None else tests.pbo.pbo,
        "runs": {
            f"{one.run.ofi}, {one.run.model}": {
                "ic": [one.run.ic, one.run.ic_low, one.run.ic_high],
                "r2": one.run.r2,
                "hac_p": one.run.p,
                "net": one.run.net,
                "in_set": None if one.run.in_set is None else float(one.run.in_set),
                "over_last_return": list_ends(one.over_return),
                "strongest_control": one.strongest,
                "over_strongest_control": list_ends(one.over_strongest),
                "deflated_sharpe": one.run.dsr,
            }
            for one in board.entries
        },
    }


def judge(name: str, board: Board) -> str:
    """Say what is best, how many are as good or beat naive forecasts, and whether any pays."""
    runs = [one.run for one in board.entries]
    if not runs:
        return f"On {name}, {board.horizon} ahead, no run can be compared. {' '.join(board.group.left_out)}"
    best = max(runs, key=lambda run: run.ic if run.ic == run.ic else -np.inf)
    members = [run for run in runs if run.in_set]
    variants = sorted({run.ofi for run in members})
    interval = format_interval(best.ic_low, best.ic_high)
    oracle = f"; the oracle has {board.oracle:.3f}" if board.oracle == board.oracle else ""
    words = (
        f"On {name}, {board.horizon} ahead, the highest IC is {best.ic:.3f} ({interval}), of {best.ofi} with "
        f"{best.model}{oracle}."
    )
    if board.group.tests is not None:
        words += f" {len(members)} of {len(runs)} runs are in the confidence set, of {', '.join(variants)}."
    over_return = sum(one.over_return.low > 0 for one in board.entries)
    over_strongest = sum(one.over_strongest.low > 0 for one in board.entries)
    words += (
        f" The interval of the gain lies above 0 for {over_return or 'none'} of the runs over the last return, and for "
        f"{over_strongest or 'none'} over the strongest control."
    )
    return f"{words} {_judge_profit(runs)}"


def _judge_profit(runs: list[ComparedRun]) -> str:
    if not any(run.net == run.net for run in runs):
        return "Nothing was traded."
    earning = sum(run.net > 0 for run in runs)
    if not earning:
        return "None earns its costs."
    surviving = sum(run.dsr > 0.95 for run in runs)
    words = f"{earning} earn{'s' if earning == 1 else ''} more than the costs"
    return f"{words}; {surviving or 'none'} of all with a deflated Sharpe ratio above 0.95."


# --- figures ---------------------------------------------------------------------------------------------------------

_STYLES = dict(zip(MODELS, ((GREY, "o"), (BLUE, "s"), (RED, "^")), strict=True))


def _draw(figure: Figure, boards: dict[str, list[Board]]) -> None:
    """Draw the ICs with their intervals, one column of panels a market and one row a horizon."""
    rows = max(map(len, boards.values()))
    panels = figure.subplots(rows, len(boards), sharey=True, squeeze=False)
    for column, (name, of) in enumerate(boards.items()):
        for axis, board in zip(panels[:, column], of, strict=False):
            _draw_board(axis, board)
            axis.set_title(f"{name}, {board.horizon}", fontsize=10)
        panels[-1, column].set_xlabel("IC")


def _draw_board(axis: Axes, board: Board) -> None:
    places = {variant: k for k, variant in enumerate(VARIANTS)}
    for j, (model, (colour, marker)) in enumerate(_STYLES.items()):
        of = [one.run for one in board.entries if one.run.model == model]
        if not of:
            continue
        y = np.array([places[run.ofi] for run in of]) + 0.25 * (j - 1)
        value, low, high = np.array([(run.ic, run.ic_low, run.ic_high) for run in of]).T
        axis.errorbar(
            value,
            y,
            xerr=np.abs(np.stack([value - low, high - value])),
            fmt=marker,
            markersize=3,
            linewidth=1,
            color=colour,
            label=model,
        )
    axis.xaxis.set_major_locator(MaxNLocator(3))
    axis.axvline(0, color=DARK, linewidth=0.8)
    axis.set_yticks(range(len(VARIANTS)), VARIANTS, fontsize=9)
    axis.set_ylim(len(VARIANTS) - 0.5, -0.5)
