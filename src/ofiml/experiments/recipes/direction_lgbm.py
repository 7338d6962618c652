"""The notebooks' strategy and its promises: direction by LightGBM, traded where OFI confirms it, with a stop."""

import itertools
from dataclasses import asdict, dataclass

import numpy as np
from matplotlib.figure import Figure

from ofiml.backtest.result import BacktestResult
from ofiml.config import Model, Strategy
from ofiml.evaluation.bootstrap import BlockBootstrap
from ofiml.evaluation.profit import Performance
from ofiml.experiments.bench import Bench, Market
from ofiml.experiments.choices import SKILL_ONLY
from ofiml.experiments.intervals import drop_interval, name_lack, read_measures
from ofiml.experiments.page import Page, Picture, Table, list_ends, show_estimate
from ofiml.experiments.registry import Experiment
from ofiml.labels.span import measure_label_span
from ofiml.metrics.bootstrap import MIN_BLOCKS
from ofiml.metrics.estimates import Estimate
from ofiml.metrics.sharpe import sharpe
from ofiml.reporting.finding import Survival, judge_study
from ofiml.study.json_border import Json
from ofiml.study.run import Study
from ofiml.ui.figure import BLUE, DARK, GREY, RED, style_figure
from ofiml.ui.format import choose_money_form, format_number

DIRECTION = ("experiment=direction_lgbm", *SKILL_ONLY)
MAGNITUDE = (
    *("target=forecast", "features=full", "model=lgbm", "model.num_leaves=31", "model.max_depth=6"),
    *("model.learning_rate=0.05", "tuning=off", "backtest=off", *SKILL_ONLY),
)
HORIZONS = ("60s", "300s")
PROMISED_ACCURACY, PROMISED_SHARPE = 0.52, 2.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the strategy does on a market at a horizon.

    `accuracy` is the hit rate of all forecasts and `usual` the share of the more frequent direction; `gross` and `net`
    are annualised Sharpe ratios. `ic` and `r2` are of the forecast of the move itself. Intervals need 8 `blocks` of
    time.
    """

    horizon: str
    blocks: int
    accuracy: Estimate
    usual: float
    auc: Estimate
    ic: Estimate
    r2: Estimate
    performance: Performance
    gross: Estimate
    net: Estimate
    survives: Survival
    equity: BacktestResult


def run(bench: Bench) -> Page:
    """Run the strategy at both horizons on each market, and judge the promises."""
    config = bench.configure(bench.markets[0], *DIRECTION)
    outcomes = {market.name: [_study(bench, market, horizon) for horizon in HORIZONS] for market in bench.markets}
    return Page(
        blocks=[
            describe_strategy(config.model, config.strategy),
            *(
                Table(f"{name}, out of sample, 95 % intervals. {_name_money(of)}", ["", *HORIZONS], _list_rows(of))
                for name, of in outcomes.items()
            ),
            Picture(
                "equity",
                style_figure(lambda figure: _draw_equity(figure, outcomes), legend_columns=4),
                "Cumulative profit before and after costs, over the tested bars.",
            ),
        ],
        verdict=[judge(name, one) for name, of in outcomes.items() for one in of],
        limits=[
            "Fees are those that each market has or is given; the notebooks have 0.001 a share, less than a retail "
            "broker asks.",
            "An annualised ratio of a few days is no forecast of a year.",
            f"With fewer than {MIN_BLOCKS} blocks of time (five minutes, or ten horizons if that is longer) there is "
            "no interval and no judgement.",
        ],
        numbers={name: {one.horizon: _list_numbers(one) for one in of} for name, of in outcomes.items()},
        inputs=bench.sessions,
    )


EXPERIMENT = Experiment(
    title="Direction by LightGBM, confirmed by OFI",
    question="Does the notebooks' strategy keep its promises, an accuracy above 52 % and a gross Sharpe ratio above 2, "
    "for directions of one and five minutes, and what is left after costs?",
    run=run,
    markets={"synthetic": "dataset=synthetic"},
)


# --- studies ---------------------------------------------------------------------------------------------------------


def _study(bench: Bench, market: Market, horizon: str) -> Outcome:
    """Forecast and trade the direction, and forecast the move, at a horizon."""
    ahead = (f"horizon.length={horizon}", f"split.embargo={horizon}")
    traded = bench.run_study(market, *DIRECTION, *ahead)
    moves = read_measures(bench.run_study(market, *MAGNITUDE, *ahead).report)
    performance, blocks = traded.report.performance, traded.report.metrics.bootstrap.blocks
    assert performance is not None
    assert traded.trades is not None
    pooled, y = read_measures(traded.report), traded.predictions["y"].to_numpy()
    moved = y[y != 0]
    up = float(np.mean(moved > 0)) if len(moved) else float("nan")
    return Outcome(
        horizon=horizon,
        blocks=blocks,
        accuracy=pooled["hit_rate"],
        usual=max(up, 1 - up),
        auc=pooled["auc"],
        ic=moves["ic"],
        r2=moves["r2"],
        performance=performance,
        gross=drop_interval(_measure_gross_sharpe(traded), blocks),
        net=drop_interval(Estimate(performance.sharpe_net, performance.sharpe_low, performance.sharpe_high), blocks),
        survives=judge_study(traded.report, None).survives,
        equity=traded.trades,
    )


def _measure_gross_sharpe(study: Study) -> Estimate:
    """Measure the annualised Sharpe ratio of gains before costs, with the interval of the net one."""
    assert study.trades is not None
    equity = study.trades.equity
    gains = np.diff(equity["gross"].to_numpy(), prepend=0.0)
    bootstrap = BlockBootstrap.of(study.config.evaluation, study.config.seed)
    low, high = bootstrap.estimate_sharpe_interval(
        gains, bootstrap.number_blocks(equity, measure_label_span(study.predictions))
    )
    annual = study.trades.annual
    return Estimate(sharpe(gains) * annual, low * annual, high * annual)


# --- tables and words ------------------------------------------------------------------------------------------------


def describe_strategy(model: Model, strategy: Strategy) -> str:
    """Describe the model and the rule of the strategy, with their numbers."""
    trees, rule = asdict(model), asdict(strategy)
    return (
        f"LightGBM (depth {trees['max_depth']}, {trees['num_leaves']} leaves, rate {trees['learning_rate']}) on all "
        f"features forecasts the direction, and the move itself. The strategy buys where the probability of a rise is "
        f"above {rule['probability']} and the bar's OFI at the best level is positive and larger than the "
        f"{rule['ofi_quantile']} quantile of its size in the train rows; it sells in the mirrored case. It holds for "
        f"the horizon, or until it has lost {rule['stop_ticks']} ticks. Orders are marketable."
    )


def _name_money(of: list[Outcome]) -> str:
    return f"Money in {of[0].performance.currency}."


def _list_rows(of: list[Outcome]) -> list[list[str]]:
    money = choose_money_form(amount for one in of for amount in (one.performance.gross_pnl, one.performance.net_pnl))
    rows: dict[str, list[str]] = {
        "blocks of time": [str(one.blocks) for one in of],
        "accuracy (promised: above 0.52)": [show_estimate(one.accuracy) for one in of],
        "share of the more frequent direction": [format_number(one.usual) for one in of],
        "AUC": [show_estimate(one.auc) for one in of],
        "IC of the forecast of the move": [show_estimate(one.ic) for one in of],
        "R² of the forecast of the move": [show_estimate(one.r2, ".4f") for one in of],
        "round trips": [format_number(one.performance.trades.round_trips, ",.0f") for one in of],
        "share of them with a gain": [format_number(one.performance.trades.hit_rate, ".2f") for one in of],
        "gross profit": [format_number(one.performance.gross_pnl, money) for one in of],
        "costs": [format_number(one.performance.costs, money) for one in of],
        "net profit": [format_number(one.performance.net_pnl, money) for one in of],
        "gross Sharpe ratio, annualised (promised: above 2)": [show_estimate(one.gross, ".1f") for one in of],
        "net Sharpe ratio, annualised": [show_estimate(one.net, ".1f") for one in of],
        "break-even costs, bps of the traded value": [format_number(one.performance.break_even_bps) for one in of],
    }
    return [[name, *cells] for name, cells in rows.items()]


def _list_numbers(one: Outcome) -> Json:
    performance = one.performance
    return {
        "blocks": one.blocks,
        "accuracy": list_ends(one.accuracy),
        "usual": one.usual,
        "auc": list_ends(one.auc),
        "ic": list_ends(one.ic),
        "r2": list_ends(one.r2),
        "round_trips": performance.trades.round_trips,
        "share_with_gain": performance.trades.hit_rate,
        "gross": performance.gross_pnl,
        "costs": performance.costs,
        "net": performance.net_pnl,
        "break_even_bps": performance.break_even_bps,
        "gross_sharpe": list_ends(one.gross),
        "net_sharpe": list_ends(one.net),
    }


def judge(name: str, one: Outcome) -> str:
    """Say whether the promises hold, by the lower ends of the intervals, and what costs leave."""
    start = f"On {name}, {one.horizon} ahead:"
    if lack := name_lack(one.blocks):
        return (
            f"{start} no judgement: {lack}. The accuracy is {format_number(one.accuracy.value)}, the gross Sharpe "
            f"ratio {format_number(one.gross.value, '.1f')}, the net profit {_name_sign(one.performance.net_pnl)}."
        )
    accuracy = _judge_promise(one.accuracy, PROMISED_ACCURACY, ".3f")
    gross = _judge_promise(one.gross, PROMISED_SHARPE, ".1f")
    if not one.performance.fills:
        return f"{start} accuracy {accuracy}; no forecast was confirmed, so nothing was traded."
    left = _name_sign(one.performance.net_pnl)
    return f"{start} accuracy {accuracy}; gross Sharpe ratio {gross}; {left} after costs{_SURVIVAL[one.survives]}."


_SURVIVAL: dict[Survival, str] = {
    "yes": ": it survives them",
    "no": ": it does not survive them",
    "may be chance": ", which may be chance",
    "no verdict": "",
    "not traded": "",
}


def _name_sign(profit: float) -> str:
    return "a profit" if profit > 0 else "a loss"


def _judge_promise(estimate: Estimate, promised: float, form: str) -> str:
    if estimate.value != estimate.value:
        return "not defined"
    if estimate.low > promised:
        return f"{estimate.value:{form}}, above the promise with its whole interval"
    if estimate.value > promised:
        return f"{estimate.value:{form}}, above the promise, but its interval is not"
    return f"{estimate.value:{form}}, below the promise"


# --- figures ---------------------------------------------------------------------------------------------------------


_DASHES = dict(zip(itertools.product(HORIZONS, ("gross", "net")), ("--", "-", ":", "-."), strict=True))


def _draw_equity(figure: Figure, outcomes: dict[str, list[Outcome]]) -> None:
    """Draw gross and net profit of each horizon, one panel a market."""
    panels = np.atleast_1d(figure.subplots(1, len(outcomes)))
    for axis, (name, of) in zip(panels, outcomes.items(), strict=True):
        for one, colours in zip(of, ((GREY, BLUE), (DARK, RED)), strict=True):
            equity = one.equity.equity
            for kind, colour in zip(("gross", "net"), colours, strict=True):
                dash = _DASHES[one.horizon, kind]
                label = f"{one.horizon}, {kind}"
                axis.plot(equity[kind].to_numpy(), color=colour, linestyle=dash, linewidth=1, label=label)
        axis.axhline(0, color=GREY, linewidth=0.6)
        axis.set_title(name, fontsize=10)
        axis.set_xlabel("tested bars, in order")
        axis.set_ylabel(f"profit ({of[0].performance.currency})")
