"""The sentences about a backtest: what a reader is told, and what is left out."""

from dataclasses import replace
from typing import Any

import pytest

from ofiml.backtest.summary import Costs, VariantResult
from ofiml.evaluation.profit import Performance, measure_performance
from ofiml.evaluation.scores import BootstrapSettings, Scores
from ofiml.metrics.estimates import Estimate
from ofiml.metrics.hac import HacStatistics, SlopeTest, TTest
from ofiml.reporting.profit import describe_backtest, describe_balance, describe_survival
from tests.backtest.fills import Fees, make_money
from tests.backtest.traded import (
    BOOTSTRAP,
    collect,
    make_config,
    make_predictions,
    make_targets,
    trade,
    trade_walk,
    walk,
)

CONFIG = make_config(latency_curve=["0ms", "1s"], sizes=[1.0, 2.0], markouts=["1s", "2s"])


def make_scores(blocks: int = 20, low: float = 0.1) -> Scores:
    nothing = TTest(0.0, 1.0)
    return Scores(
        pooled={"ic": Estimate(0.2, low, 0.3)},
        folds=[],
        bootstrap=BootstrapSettings(100, 0.95, blocks),
        hac=HacStatistics(1, nothing, SlopeTest(0.0, 0.0, 1.0)),
    )


def measure(least: int = 30, **keys: Any) -> Performance:
    result = collect([trade_walk(0, knows=0.95, config=CONFIG, **keys)], config=CONFIG)
    return measure_performance(result, make_predictions(result), BOOTSTRAP, least)


def test_profit_costs_and_what_they_rest_on():
    money = make_money(taker=Fees(per_unit=0.001))
    b = measure(money=money)
    text = describe_backtest(b, make_scores())
    form = ",.2f"
    commission, spread = b.costs_by_kind.commission, b.costs_by_kind.spread
    assert text[0] == (
        f"Backtest, in USD: gross {b.gross_pnl:{form}} - costs {b.costs:{form}} (spread {spread:{form}}, commission "
        f"{commission:{form}}) = net {b.net_pnl:{form}}. The recorded book does not react to own orders. "
        "The forecast survives trading costs."
    )
    assert text[1].startswith(f"Net Sharpe ratio {b.sharpe_net:.2f} ({b.sharpe_low:.2f} … {b.sharpe_high:.2f}) per 1s")
    assert "from daily returns unknown (it takes 5 days)" in text[1]
    assert f"in 1 day, 0 with a loss; turnover {b.turnover:.2f} times that capital a day; maximum drawdown" in text[1]
    assert text[2].startswith(f"Trades: {b.trades.round_trips:,.0f} round trips, ")
    assert f"{b.traded:,.0f} lots in {b.fills:,.0f} fills of {b.orders.sent:,.0f} orders" in text[2]
    assert (
        f"markouts in ticks: marketable {b.markouts[0].taker:+.2f} after 1s, {b.markouts[1].taker:+.2f} after"
        in text[2]
    )
    assert "resting" not in text[2]
    curve = ", ".join(f"{v.name} {v.net_pnl:{form}}" for v in b.latency_curve)
    assert f"net by latency: {curve}; by size: 1x {b.net_pnl:{form}}, 2x {2 * b.net_pnl:{form}}." in text[3]
    assert text[4].startswith("Basis: gross profit between sessions")
    assert "without the best day" not in text[4]  # there is one
    assert text[5].startswith("Executable return (crossing the spread at entry and exit, after the latency): IC ")
    assert len(text) == 6


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"obstacles": []}, "The forecast survives trading costs."),
        ({"obstacles": ["no_profit"]}, "The forecast does not survive trading costs."),
        ({"obstacles": ["interval"]}, "The net profit may be chance: the interval of the Sharpe ratio contains 0."),
        ({"obstacles": ["interval"], "sharpe_low": float("nan")},
         "The net profit may be chance: the Sharpe ratio has no interval."),
        ({"obstacles": ["hac", "round_trips"], "net_p": 0.214, "min_round_trips": 1000},
         "The net profit may be chance: the HAC test of the net gain has p = 0.21; 242 round trips are fewer than 1000 "
         "(backtest.min_round_trips)."),
        ({"obstacles": ["no_fills"]}, ""),
    ],
)  # fmt: skip
def test_the_verdict_names_what_is_missing(change: dict[str, Any], sentence: str) -> None:
    b = measure()
    b = replace(b, trades=replace(b.trades, round_trips=242), **change)
    assert describe_survival(b, make_scores()) == sentence
    # With too few data to judge the forecast, there is no verdict on its costs.
    assert describe_survival(b, make_scores(blocks=7)) == ""
    assert describe_survival(b, make_scores(low=float("nan"))) == ""


def test_what_fills_earned_is_no_cost():
    nothing = Costs(**dict.fromkeys(Costs.__dataclass_fields__, 0.0))
    costs = replace(nothing, spread=-58.27, waiting=-33.33, commission=8.06)
    b = replace(
        measure(), gross_pnl=-136.51, costs=-83.54, net_pnl=-52.97, costs_by_kind=costs, obstacles=["no_profit"]
    )
    b = replace(b, earned=replace(nothing, spread=60.0, waiting=33.33, commission=0.5))
    assert describe_backtest(b, make_scores())[0] == (
        "Backtest, in USD: gross -136.51 + earned 93.83 (spread 60.00, waiting 33.33, commission 0.50) - costs 10.29 "
        "(spread 1.73, commission 8.56) = net -52.97. The recorded book does not react to own orders. There is no "
        "profit before trading costs: fills earned 93.83, no more than what they lost against the mids of their "
        "decisions."
    )
    assert describe_balance(b, by_kind=False) == "gross -136.51 + earned 93.83 - costs 10.29 = net -52.97"
    early = replace(b, earned=None)  # of an earlier version
    assert describe_balance(early, by_kind=False) == "gross -136.51 - costs -83.54 = net -52.97"
    assert describe_survival(early, make_scores()) == "There is no profit before trading costs."
    # What is earned may be more than the loss, and the costs more than what is left.
    assert describe_survival(replace(b, gross_pnl=-90.0), make_scores()).endswith("does not survive trading costs.")


def test_the_ratio_is_deflated_or_the_sentence_says_why_not():
    b, others = measure(), "`ofiml compare` counts the other runs of the experiment."
    assert b.deflated is not None
    for deflated, sentence in (
        (replace(b.deflated, trials=41, probability=0.0214),
         "Deflated by 41 trials, this run and its tuning: the true ratio lies above the luck of the best trial with a "
         "probability of 0.021; "),
        (replace(b.deflated, probability=0.9),
         "Deflated by 1 trial, without tuning: the true ratio lies above 0 with a probability of 0.900; "),
        (replace(b.deflated, blocks=7, probability=float("nan")), "is not deflated: it takes 8 blocks of time; "),
        (replace(b.deflated, probability=float("nan")), "The Sharpe ratio is not deflated; "),
        (None, "The Sharpe ratio is not deflated; "),
    ):  # fmt: skip
        text = describe_backtest(replace(b, deflated=deflated), make_scores())[1]
        assert text.endswith(sentence + others)


def test_slippage_and_turnover_are_in_the_lines():
    b = replace(measure(), slippage_ticks=1.664, turnover=1234.5)
    text = describe_backtest(b, make_scores())
    assert "; turnover 1,234.50 times that capital a day; " in text[1]
    assert "; slippage 1.66 ticks a lot from the mid of the decision; " in text[2]


def test_one_round_trip_is_singular():
    b = measure()
    b = replace(b, trades=replace(b.trades, round_trips=1), obstacles=["round_trips"])
    assert "1 round trip is fewer than 30 (backtest.min_round_trips)" in describe_survival(b, make_scores())
    assert describe_backtest(b, make_scores())[2].startswith("Trades: 1 round trip, ")


def test_no_fill_says_why():
    idle = collect([trade(walk([100] * 40), make_targets(range(1, 30), [0] * 29))])
    b = measure_performance(idle, make_predictions(idle), BOOTSTRAP, 30)
    text = describe_backtest(b, make_scores())
    assert text[0].startswith("Backtest: no order was filled. No forecast exceeded the cost of a trade")
    assert len(text) == 2
    sent = replace(b, orders=replace(b.orders, sent=1234, expired=1234))
    assert "1,234 orders were sent." in describe_backtest(sent, make_scores())[0]


def test_orders_that_rest_have_a_queue():
    b = measure()
    bounds = [VariantResult(name=n, gross_pnl=0, net_pnl=v, costs=0, fills=0, traded=0) for n, v in
              (("through", -5.0), ("touch", 99.0))]  # fmt: skip
    orders = replace(b.orders, fill_rate=0.25, unfilled=12, beyond_shown=3)
    for queue, words in (("exact", "the place in the queue is exact"), ("power", "the queue is a model (power)")):
        text = describe_backtest(replace(b, queue=queue, queues=bounds, orders=orders), make_scores())
        line = next(t for t in text if t.startswith("Queue: "))
        assert words in line
        assert "-5.00 if orders are filled only when traded through, and 99.00 if as soon as touched" in line
        assert "25% of the lots of resting orders were filled; 12 lots found no size; 3 lots were closed" in text[2]


def test_costs_of_nothing_leave_no_empty_brackets():
    b = replace(measure(), costs=0.0, costs_by_kind=Costs(**dict.fromkeys(Costs.__dataclass_fields__, 0.0)))
    assert "costs 0.00 = net" in describe_backtest(b, make_scores())[0]


def test_a_label_that_cannot_be_earned_is_a_warning():
    b = measure()
    for ic, label, warned in ((0.1, 0.3, True), (0.2, 0.3, False), (-0.1, -0.3, False), (float("nan"), 0.3, True)):
        skill = replace(b.executable, ic=ic, label_ic=label)
        line = describe_backtest(replace(b, executable=skill), make_scores())[-1]
        assert ("Warning: much of the label cannot be earned." in line) == warned


def test_a_label_that_no_bar_could_have_earned_has_no_skill_to_show():
    b = measure()
    skill = replace(b.executable, ic=float("nan"), label_ic=-0.1, earnable=0.0)
    line = describe_backtest(replace(b, executable=skill), make_scores())[-1]
    assert line.startswith(
        "Executable return (crossing the spread at entry and exit, after the latency): no bar has a "
    )
    assert line.endswith("Warning: the label cannot be earned.")


def test_one_best_round_trip_is_not_counted():
    b = measure()
    for count, named in ((1, "net without the best round trip 5.00"), (7, "the best 7 round trips (1 %) 5.00")):
        best = replace(b.concentration, best_trades=count, net_without_best_trades=5.0)
        assert any(named in line for line in describe_backtest(replace(b, concentration=best), make_scores()))


def test_the_best_day_of_several_paths_has_no_name():
    sessions = [trade_walk(0, knows=0.95, path=path) for path in range(2)]
    result = collect(sessions)
    b = measure_performance(result, make_predictions(result), BOOTSTRAP, 30)
    text = describe_backtest(replace(b, days=2), make_scores())
    assert ", mean of 2 paths" in text[0]
    assert "without the best day 0.00" in text[4]
