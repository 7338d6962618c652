"""Estimates and exponents by hand, orders of the truth on its tape, and the command."""

import json
import runpy
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from ofiml.backtest.orders import Queue
from ofiml.data.synthetic import simulate
from ofiml.data.synthetic.own_orders import follow_postings
from ofiml.errors import ConfigError, DataError
from ofiml.microstructure.fills import exponent, states
from ofiml.microstructure.fills.estimates import (
    MARKOUT_NAMES,
    DaySums,
    estimate_difference,
    estimate_mean,
    sum_days,
    sum_fills_within,
    sum_quoted,
    sum_wait_errors,
)
from ofiml.microstructure.fills.exponent import POWERS, find_crossing, fit_to_share, fit_to_waits
from ofiml.microstructure.fills.postings import QueueModel, add_spread, plan_postings, post_on_tape
from ofiml.microstructure.fills.states import estimate_states, find_edges
from ofiml.microstructure.fills.strategy import list_postings
from ofiml.samples.tape import TRADE, build_tape
from ofiml.strategy.decisions import QUOTE
from ofiml.units import SECOND
from tests.conftest import ROOT, in_process


def sums(total, weight):
    return DaySums(np.array(total, float), np.array(weight, float))


def day(*orders, lots=4):
    """Orders of a day: (filled lots, seconds to the first fill or None, markout, by quotes)."""
    filled, wait, move, by_quotes = zip(*orders, strict=True)
    return pl.DataFrame(
        {
            "lots": [lots] * len(orders), "filled": filled, "posted": [7 * SECOND] * len(orders),
            "first_fill": pl.Series([None if w is None else (7 + w) * SECOND for w in wait], dtype=pl.Int64),
            "by_quotes": by_quotes, **dict.fromkeys(MARKOUT_NAMES, pl.Series([float(m) for m in move])),
        }
    )  # fmt: skip


FIRST = day((4, 1, 2.0, False), (1, 3, -1.0, True), (0, None, np.nan, False))
SECOND_DAY = day((4, 5, np.nan, False))


def test_measures_by_hand():
    of = sum_days([FIRST, SECOND_DAY])
    assert of["fill_probability"].mean == 3 / 4
    assert of["filled_share"].mean == (1 + 1 / 4 + 0 + 1) / 4
    assert of["seconds_to_fill"].mean == 3.0
    assert of["markout_1s"].mean == 0.5  # the one of the second day is not known
    assert of["markout_1s"].weight.tolist() == [2.0, 0.0]
    within = sum_fills_within([FIRST, SECOND_DAY], [0.5, 1.0, 4.9, 5.0])
    assert [s.mean for s in within] == [0.0, 0.25, 0.5, 0.75]
    assert sum_quoted([FIRST, SECOND_DAY]).mean == 1 / 3
    # The third order waits 10 s by the one and 4 s by the other; the first two differ by 2 s and 0 s.
    other = day((4, 3, 0.0, False), (1, 3, 0.0, False), (1, 4, 0.0, False))
    assert sum_wait_errors([FIRST], [other], 10.0).mean == pytest.approx((2 + 0 + 6) / 3)


def test_the_error_of_a_mean_counts_days():
    """As many orders a day: that of the mean of the days' means; t is 4.303 with 2 degrees of freedom."""
    means = np.array([0.2, 0.5, 0.8])
    one = estimate_mean(sums(means * 40, [40] * 3))
    assert one.value == pytest.approx(0.5)
    assert one.high - one.value == pytest.approx(4.3027 * means.std(ddof=1) / np.sqrt(3), rel=1e-4)
    assert one.value - one.low == pytest.approx(one.high - one.value)


def test_a_difference_of_the_same_days_has_the_error_of_their_differences():
    means, other = np.array([0.2, 0.5, 0.8]), np.array([0.1, 0.5, 0.6])
    difference = estimate_difference(sums(means * 40, [40] * 3), sums(other * 20, [20] * 3))
    assert difference.value == pytest.approx(0.1)
    error = (means - other).std(ddof=1) / np.sqrt(3)
    assert difference.high - difference.value == pytest.approx(4.3027 * error, rel=1e-4)


def test_days_of_different_weights_count_by_orders():
    of = sums([10.0, 0.0], [10.0, 30.0])
    assert of.mean == 0.25
    assert of.influence == pytest.approx([(10 - 2.5) / 40, (0 - 7.5) / 40])


def test_nothing_and_a_single_day_have_no_interval():
    assert np.isnan(estimate_mean(sums([0.0, 0.0], [0.0, 0.0])).value)
    one = estimate_mean(sums([3.0], [4.0]))
    assert one.value == 0.75
    assert np.isnan([one.low, one.high]).all()


LINE = np.arange(len(POWERS)) / 100 + 0.5


@pytest.mark.parametrize(
    ("shares", "truth", "value", "reached"),
    [
        (LINE, 0.54, 1.0, True),
        (LINE, 0.545, np.sqrt(1.5), True),  # half-way between logarithms
        (1 - LINE, 0.46, 1.0, True),
        (np.where(np.array(POWERS) < 0.2, 0.6, LINE), 0.545, np.sqrt(1.5), True),  # of two the one nearest 1
        (LINE, 0.4, POWERS[0], False),
        (LINE, 0.9, POWERS[-1], False),
        (np.full(len(POWERS), 0.5), 0.6, POWERS[0], False),
    ],
)
def test_crossings_by_hand(shares, truth, value, reached):
    assert find_crossing(shares, truth) == (pytest.approx(value), reached)


def test_an_exponent_that_the_days_tell_is_fitted():
    """All days fill the share of exponent 2, up to a little that the shares of the day have, too."""
    noise = np.random.default_rng(1).normal(0, 0.1, 12)
    by_power = [sums((share + noise) * 50, [50] * 12) for share in LINE]
    fit = fit_to_share(sums((LINE[POWERS.index(2.0)] + noise) * 50, [50] * 12), by_power, 3)
    assert (fit.value, fit.low, fit.high) == pytest.approx((2.0, 2.0, 2.0))
    assert fit.identified
    assert fit.by_power == pytest.approx((LINE + noise.mean()).tolist())


def test_an_exponent_that_the_days_do_not_tell_is_not_identified():
    noise = np.random.default_rng(1).normal(0, 0.05, 12)
    by_power = [sums((0.5 + 1e-4 * i) * np.full(12, 50.0), [50] * 12) for i in range(len(POWERS))]
    fit = fit_to_share(sums((0.5005 + noise - noise.mean()) * 50, [50] * 12), by_power, 3)
    assert fit.reached
    assert not fit.identified
    assert (fit.low, fit.high) == (POWERS[0], POWERS[-1])


def test_the_exponent_of_the_smallest_error():
    errors = [sums([1.0 + abs(power - 3.0), 2.0], [10.0, 10.0]) for power in POWERS]
    fit = fit_to_waits(errors, 3)
    assert fit.value == 3.0
    assert min(fit.by_power) == pytest.approx(3.0 / 20)


def test_states_by_hand(monkeypatch):
    monkeypatch.setattr(states, "_LEAST_ORDERS", 2)
    spread, ahead = [1, 1, 2, 2, 5, None], [0, 10, 20, 30, 40, 50]
    orders = day(*[(4, 1, 0.0, False)] * 3, *[(0, None, np.nan, False)] * 3).with_columns(
        spread=pl.Series(spread, dtype=pl.Int64), ahead=pl.Series(ahead)
    )
    none = orders.with_columns(filled=pl.lit(0))
    edges = {name: ends.tolist() for name, ends in find_edges([orders]).items()}
    assert edges == {"spread": [1, 2], "ahead": [10, 30]}
    out = estimate_states([orders, orders], {"never": [none, none]}, find_edges([orders]))
    assert [(of.state, of.orders, of.truth.value) for of in out] == [
        ("spread up to 1 ticks", 4, 1.0),
        ("spread 2 ticks", 4, 0.5),
        ("spread above 2 ticks", 2, 0.0),
        ("ahead up to 10 lots", 4, 1.0),
        ("ahead 11 to 30 lots", 4, 0.5),
        ("ahead above 30 lots", 4, 0.0),
    ]
    assert [of.differences["never"].value for of in out] == [-1.0, -0.5, 0.0, -1.0, -0.5, 0.0]
    monkeypatch.setattr(states, "_LEAST_ORDERS", 3)
    assert len(estimate_states([orders, orders], {"never": [none, none]}, find_edges([orders]))) == 5


def test_states_that_are_one_are_not_listed():
    one = day((4, 1, 0.0, False), (0, None, np.nan, False)).with_columns(spread=pl.lit(1), ahead=pl.Series([3, 8]))
    assert {name: ends.tolist() for name, ends in find_edges([one]).items()} == {"spread": [], "ahead": [3]}
    assert estimate_states([one], {"same": [one]}, find_edges([one])) == []  # too few of each
    rare = [2] * 30 + [3] * 69 + [4]  # thirds of most spreads are no thirds
    many = pl.concat([one.head(1)] * 100).with_columns(spread=pl.Series(rare), ahead=pl.lit(5))
    assert find_edges([many])["spread"].tolist() == [2, 3]


# --- on the tape -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def followed(configure):
    """(config, truth with spreads, tape, session) of a few minutes; with a large tick quotes reach prices, too."""
    config = configure("dataset=synthetic_large_tick", "dataset.session_length=4m", "dataset.levels=3").dataset
    postings = plan_postings(config, lots=40, every=6 * SECOND, patience=5 * SECOND)
    (session,) = simulate(config, 0)
    tape = build_tape(session)
    return config, add_spread(follow_postings(config, 0, postings, replicas=2), tape.tick), tape, session


def test_postings_leave_time_for_their_markouts(configure):
    config = configure("dataset.session_length=4m").dataset
    plan = plan_postings(config, lots=3, every=20 * SECOND, patience=10 * SECOND)
    assert (plan.time / SECOND).tolist() == [10, 30, 50, 70, 90, 110, 130, 150]  # 170 s and 70 s are the whole session
    assert plan.side.tolist() == [-1, 1] * 4
    assert set(plan.lots.tolist()) == {3}
    with pytest.raises(ConfigError, match=r"orders wait 10 s and one is posted every 10 s: post less often"):
        plan_postings(config, lots=3, every=10 * SECOND, patience=10 * SECOND)
    with pytest.raises(ConfigError, match=r"session_length=1m leaves no time .* set a longer one"):
        plan_postings(replace(config, session_length="1m"), lots=3, every=20 * SECOND, patience=10 * SECOND)


def test_orders_are_filled_by_trades_or_quotes_while_they_wait(followed):
    _, truth, tape, session = followed
    queues = (Queue.THROUGH, Queue.EXACT, Queue.TOUCH)
    tables = post_on_tape(truth, tape, session.close, [QueueModel(queue) for queue in queues])
    once = truth.filter(pl.col("replica") == 0)
    trades = {int(tape.exchange[m]) for m in range(len(tape.exchange))
              if (tape.kind[tape.first[m] : tape.first[m + 1]] == TRADE).any()}  # fmt: skip
    for table in tables:
        for name in ("posting", "side", "lots", "price", "ahead", "spread"):
            assert table[name].to_list() == once[name].to_list()
        filled = table.filter(pl.col("filled") > 0)
        assert table.filter(pl.col("filled") == 0)["first_fill"].null_count() == table.height - filled.height
        waits = (filled["first_fill"] - filled["posted"]) / SECOND
        assert 0 < waits.min() <= waits.max() <= 5
        assert filled["by_quotes"].to_list() == [at not in trades for at in filled["first_fill"]]
    assert 0 < tables[1]["by_quotes"].sum() < (tables[1]["filled"] > 0).sum()
    shares = [sum_days([table])["filled_share"].mean for table in tables]
    assert 0 < shares[0] <= shares[1] < shares[2] < 1


def test_the_spread_is_that_of_the_book_at_the_posting(followed):
    _, truth, tape, _ = followed
    at = np.searchsorted(tape.exchange, truth["posted"].to_physical().to_numpy(), side="right") - 1
    assert truth["spread"].to_list() == (tape.ask - tape.bid)[at].tolist()


def test_the_tape_of_another_day_is_refused(followed):
    config, truth, _, _ = followed
    (other,) = simulate(replace(config, seed=config.seed + 1), 0)
    with pytest.raises(DataError, match="they meet another book"):
        post_on_tape(truth, build_tape(other), other.close, [QueueModel(Queue.EXACT)])


# --- the command -----------------------------------------------------------------------------------------------------


@pytest.fixture
def command(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "scripts")  # as python does with the folder of the script that it runs
    main = runpy.run_path(str(ROOT / "scripts" / "true_fills.py"))["main"]
    return lambda *arguments: in_process(main, *arguments)


@pytest.mark.slow
def test_command_writes_what_it_found(tmp_path, command, monkeypatch):
    monkeypatch.setattr(exponent, "_DRAWS", 50)
    given = "--lots", "1", "30", "--fit-days", "2", "--test-days", "2", "--replicas", "1"
    done = command("--out", str(tmp_path), *given, "--", "one=dataset=synthetic dataset.session_length=15m")
    assert done.returncode == 0, done.stderr
    record = json.loads((tmp_path / "results.json").read_text(), parse_constant=pytest.fail)  # NaN is no JSON
    assert record["settings"]["lots"] == [1, 30]
    first, second = record["markets"]["one"]["sizes"]
    assert first["orders"] == 2 * len(range(10, 15 * 60 - 70, 20))
    for of in (first, second):
        probability = {name: model["measures"]["fill_probability"]["value"] for name, model in of["models"].items()}
        assert 0 < probability["through"] <= probability["pessimistic"] <= probability["exact"] < probability["touch"]
        truth = of["truth"]["measures"]["fill_probability"]["value"]
        for name, model in of["models"].items():
            difference = model["differences"]["fill_probability"]["value"]
            assert difference == pytest.approx(probability[name] - truth, abs=1e-5)
            assert model["curve"][-1]["value"] == probability[name]
            assert model["curve"][0]["value"] == 0
    assert first["truth"]["measures"]["fill_probability"] == first["truth"]["measures"]["filled_share"]
    text = (tmp_path / "results.md").read_text()
    assert "## one, 1 lot\n" in text
    assert "## one, 30 lots\n" in text
    assert {path.name for path in (tmp_path / "figures").iterdir()} == {
        "fills.png", "time_to_fill.png", "markouts.png", "exponent.png"
    }  # fmt: skip


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (["a=dataset=lobster dataset.path=README.md"], "only the synthetic market tells"),
        (["--patience", "20s", "a=dataset=synthetic"], "post less often"),
        (["--every", "soon", "a=dataset=synthetic"], "not a duration"),
        (["--fit-days", "1", "a=dataset=synthetic"], "at least 2 days to fit"),
        (["--lots", "0", "--", "a=dataset=synthetic"], "lots of at least 1"),
    ],
)
def test_command_refuses_in_a_sentence(tmp_path, command, given, sentence):
    done = command("--out", str(tmp_path / "out"), *given)
    assert (done.returncode, done.stdout) == (2, "")
    assert sentence in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "out").exists()


EXPERIMENT = ROOT / "experiments" / "007-true-fills"
MODELS = ("truth", "through", "pessimistic", "proportional", "power, fitted", "power, default", "exact", "touch")


@pytest.mark.parametrize("name", MODELS)
def test_the_experiment_shows_its_results(name):
    markets = json.loads((EXPERIMENT / "results.json").read_text())["markets"]
    sizes = {market: of["sizes"][0] for market, of in markets.items()}
    assert write_row(name, sizes) in (EXPERIMENT / "README.md").read_text()


@pytest.mark.parametrize("name", [name for name in MODELS if name != "power, fitted"])
def test_the_experiment_shows_its_results_of_a_strategy(name):
    markets = json.loads((EXPERIMENT / "strategy_fills.json").read_text())["markets"]
    assert write_row(name, markets) in (EXPERIMENT / "README.md").read_text()


def write_row(name, markets):
    cells = [name]
    for market in ("synthetic", "large tick"):
        size = markets[market]
        outcome = size["truth"] if name == "truth" else size["models"][name]
        values = {measure: of["value"] for measure, of in outcome["measures"].items()}
        share = f"{values['fill_probability']:.3f}"
        if name != "truth":
            share += f" ({outcome['differences']['fill_probability']['value']:+.3f})"
        cells += [share, f"{values['seconds_to_fill']:.2f}", *(f"{values[f'markout_{s}s']:.2f}" for s in (1, 10, 60))]
    return f"| {' | '.join(cells)} |"


# --- the orders of a strategy ----------------------------------------------------------------------------------------


def test_orders_of_a_run_are_wanted_until_another_quote(configure):
    """Decisions each 10 s; orders arrive 2 s after theirs, and so do cancels. The third decision wants the same bid."""
    config = configure("dataset.session_length=4m").dataset
    start, late = 10**18, 2 * SECOND
    at = [start + 10 * k * SECOND for k in range(1, 6)]
    bid, size = [100, 99, 99, 0, 98], [7, 7, 7, 0, 5]
    decisions = pl.DataFrame(
        {"time": at, "kind": pl.Series([QUOTE] * 5, dtype=pl.UInt8), "bid": bid, "bid_size": size, "ask": [103] * 5,
         "ask_size": [4] * 5}
    )  # fmt: skip
    orders = pl.DataFrame(
        {"order": [0, 1, 2, 3, 4, 5], "reason": ["quote"] * 5 + ["close"], "side": ["buy", "sell", *["buy"] * 4],
         "decided": [at[0], at[0], at[1], at[4], at[4], at[4]],
         "arrived": [at[0] + late, at[0] + late, at[1] + late, at[4] + late, None, at[4]],
         "price": [100, 103, 99, 98, 98, 97], "lots": [7, 4, 7, 5, 5, 5]}
    )  # fmt: skip
    bids, asks = (list_postings(orders, decisions, config, start, side=side) for side in (1, -1))
    assert bids.time.tolist() == [12 * SECOND, 22 * SECOND, 52 * SECOND]
    assert bids.price.tolist() == [100, 99, 98]
    assert bids.lots.tolist() == [7, 7, 5]
    # The last one is wanted to the end, and withdrawn while its markouts can still be known.
    assert ((bids.time + bids.patience) / SECOND).tolist() == pytest.approx([22, 42, 180], abs=1e-5)
    assert asks.time.tolist() == [12 * SECOND]
    assert asks.side.tolist() == [-1]


@pytest.mark.slow
def test_command_follows_the_orders_of_a_run(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "scripts")
    main = runpy.run_path(str(ROOT / "scripts" / "strategy_fills.py"))["main"]
    small = (
        "dataset.sessions=3 dataset.session_length=20m split.n_folds=2 model=ridge tuning=off evaluation.controls=false"
    )
    done = in_process(
        main, "--out", str(tmp_path), "--replicas", "1", f"one=dataset=synthetic strategy=quoting {small}"
    )
    assert done.returncode == 0, done.stderr
    one = json.loads((tmp_path / "strategy_fills.json").read_text(), parse_constant=pytest.fail)["markets"]["one"]
    assert one["orders"] > 100
    filled = {name: model["measures"]["fill_probability"]["value"] for name, model in one["models"].items()}
    assert 0 < filled["through"] <= filled["pessimistic"] <= filled["exact"] < filled["touch"] < 1
    assert "| power, default |" in (tmp_path / "strategy_fills.md").read_text()
    done = in_process(main, "--out", str(tmp_path / "no"), f"one=dataset=synthetic strategy=threshold {small}")
    assert done.returncode == 2
    assert done.stderr.endswith("one: the run quoted nothing: choose strategy=quoting.\n")  # after its progress
