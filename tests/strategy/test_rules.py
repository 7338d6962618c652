"""Each rule by hand, and laws that hold for every rule: mirrored bars, missing forecasts, sizes and caps."""

from dataclasses import fields, replace

import numpy as np
import polars as pl
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from ofiml.config import RULES, STRATEGIES
from ofiml.errors import ConfigError
from ofiml.strategy.bars import ForecastBars
from ofiml.strategy.build import TradedSession, decide_session
from ofiml.strategy.decisions import HOLD, LAST, QUOTE, TARGET
from ofiml.strategy.fit import FittedRule
from ofiml.strategy.limits import set_limits
from ofiml.strategy.sizing import compute_lots
from tests.books import SECOND, TICK
from tests.conftest import ROOT
from tests.strategy.plans import measure_linear_fee

KEY, NO_TABLE = TradedSession("X", "day"), pl.DataFrame()
VARIANTS = {
    "threshold": ("threshold", {}),
    "quantile": ("threshold", {"threshold": "quantile"}),
    "confirmed": ("confirmed", {}),
    "reversion": ("reversion", {"z": 1.0}),
    "reversion of forecasts": ("reversion", {"of": "forecast", "z": 1.0}),
    "quoting": ("quoting", {}),
    "quoting far": ("quoting", {"distance_ticks": 1.5, "skew": 0.5}),
}


def strategy_of(name, **changes):
    """The strategy of a YAML, with changes."""
    pages = [yaml.safe_load((ROOT / "conf" / "strategy" / f"{page}.yaml").read_text()) for page in ("_base", name)]
    values = pages[0] | pages[1]
    values.pop("defaults")
    return STRATEGIES[name](**(values | changes))


def bars_of(edge, *, bid=100, ask=102, p_up=np.nan, p_down=np.nan, ofi=0.0, volatility=1.0, fee=0.1):
    """Bars of 10 s from ticks; None for a missing best price."""
    n = len(edge)

    def column(value):
        return np.array([value] * n if np.ndim(value) == 0 else value, np.float64)  # None is NaN

    bids, asks = column(bid), column(ask)
    return ForecastBars(
        tick=TICK,
        bar_close=10 * SECOND * np.arange(1, n + 1),
        bid=np.nan_to_num(bids).astype(np.int64) * TICK,
        ask=np.nan_to_num(asks).astype(np.int64) * TICK,
        has_bid=~np.isnan(bids),
        has_ask=~np.isnan(asks),
        mid=(bids + asks) / 2,
        spread=asks - bids,
        edge=column(edge),
        p_up=column(p_up),
        p_down=column(p_down),
        ofi=column(ofi),
        volatility=column(volatility),
        fee=column(fee),
        table=NO_TABLE,
    )


def mirror(bars):
    """Prices p -> -p with bid and ask swapped, and the opposite forecasts and flow."""
    return replace(
        bars,
        bid=-bars.ask,
        ask=-bars.bid,
        has_bid=bars.has_ask,
        has_ask=bars.has_bid,
        mid=-bars.mid,
        edge=-bars.edge,
        p_up=bars.p_down,
        p_down=bars.p_up,
        ofi=-bars.ofi,
    )


def decide(strategy, bars, numbers=None, *, train=None, volatility=1.0):
    """The decisions of bars, by numbers or by a fit on train bars."""
    if numbers is None:
        numbers = RULES[strategy.name].fit(strategy, bars if train is None else train)
    rule = FittedRule(0, {"X": numbers}, {"X": volatility})
    return decide_session(bars, bars.bar_close + 20 * SECOND, strategy, KEY, rule)


# --- by hand ---------------------------------------------------------------------------------------------------------


def test_the_threshold_of_costs_by_hand():
    # Half the spread is 1 tick, the fee 0.1.
    made = decide(strategy_of("threshold"), bars_of([1.05, 1.15, -1.15, -1.05, np.nan]))
    assert made.kind.tolist() == [HOLD, TARGET, TARGET, HOLD, HOLD]
    assert made.target.tolist() == [0, 100, -100, 0, 0]
    assert made.until.tolist() == [0, 40 * SECOND, 50 * SECOND, 0, 0]
    assert made.time.tolist() == [10 * SECOND * k for k in range(1, 6)]
    assert not made.bid_size.any()
    assert not made.ask_size.any()
    twice = decide(strategy_of("threshold", edge_multiple=2.0), bars_of([2.15, 2.25]))
    assert twice.kind.tolist() == [HOLD, TARGET]
    free = decide(strategy_of("threshold", edge_multiple=0.0), bars_of([0.0, 1e-9]))
    assert free.kind.tolist() == [HOLD, TARGET], "no forecast of a move is no signal, even where trading is free"


def test_the_threshold_of_a_quantile_by_hand():
    strategy = strategy_of("threshold", threshold="quantile", quantile=0.75)
    train = bars_of([0, -1, 2, -3, np.nan, 4])
    assert RULES["threshold"].fit(strategy, train) == {"threshold": 3.0}
    made = decide(strategy, bars_of([3.0, 3.1, -3.1, -3.0]), train=train)
    assert made.target.tolist() == [0, 100, -100, 0]


def test_a_confirmed_direction_by_hand():
    strategy = strategy_of("confirmed", ofi_quantile=0.5)
    train = bars_of([0] * 5, ofi=[1, -2, 3, -4, 5])
    assert RULES["confirmed"].fit(strategy, train) == {"ofi": 3.0}
    up, down = [0.6, 0.6, 0.55, 0.1, 0.1, 0.1, 0.6, np.nan], [0.1, 0.1, 0.1, 0.6, 0.6, 0.6, 0.1, np.nan]
    bars = bars_of([1] * 8, p_up=up, p_down=down, ofi=[3.1, 3.0, 9, -3.1, 3.1, 2, -9, 9])
    assert decide(strategy, bars, train=train).target.tolist() == [100, 0, 0, -100, 0, 0, 0, 0]


def test_reversion_by_hand():
    strategy = strategy_of("reversion", z=1.5)
    train = bars_of([0] * 4, ofi=[8, 8, 12, 12])
    assert RULES["reversion"].fit(strategy, train) == {"mean": 10.0, "deviation": 2.0}
    bars = bars_of([0, 0, 0, 0, np.nan], ofi=[13.1, 13.0, 6.9, 7.0, 99])
    assert decide(strategy, bars, train=train).target.tolist() == [-100, 0, 100, 0, 0]
    still = decide(strategy, bars, {"mean": 10.0, "deviation": 0.0})
    assert not still.kind.any(), "flow that never varied has no extremes"


def test_quotes_by_hand():
    # Without a forecast at the touch; up with it, to the nearest tick, and never at or beyond the other side.
    made = decide(strategy_of("quoting"), bars_of([0, 0.4, 0.6, -1.2, 7, -7, np.nan], bid=100, ask=104))
    assert made.kind.tolist() == [QUOTE] * 7
    assert (made.bid // TICK).tolist() == [100, 100, 101, 99, 103, 93, 0]
    assert (made.ask // TICK).tolist() == [104, 104, 105, 103, 111, 101, 0]
    assert made.bid_size.tolist() == made.ask_size.tolist() == [10] * 6 + [0]
    assert not made.target.any()
    # 1.5 ticks from the shifted mid of 102 + 0.5·edge.
    far = decide(strategy_of("quoting", distance_ticks=1.5, skew=0.5), bars_of([1.4, -1.4], bid=100, ask=104))
    assert (far.bid // TICK).tolist() == [101, 100]
    assert (far.ask // TICK).tolist() == [104, 103]


def test_a_missing_side_has_no_quote_and_the_other_one_does_not_improve():
    made = decide(
        strategy_of("quoting"), bars_of([2, -2, 2, 2], bid=[100, 100, None, None], ask=[None, None, 104, None])
    )
    assert made.bid_size.tolist() == [10, 10, 0, 0]
    assert made.ask_size.tolist() == [0, 0, 10, 0]
    assert (made.bid[:2] // TICK).tolist() == [100, 98]
    assert made.ask[2] // TICK == 106
    assert made.bid[2:].tolist() == [0, 0]


def test_sizes_by_hand():
    strength, volatility = np.array([1.0, 2.5, 30.0, np.inf]), np.array([2.0, 4.0, 0.0, np.nan])
    known = {"base": 10, "cap": 100, "strength": strength, "volatility": volatility, "typical_volatility": 3.0}
    assert compute_lots("fixed", **known).tolist() == [10, 10, 10, 10]
    assert compute_lots("proportional", **known).tolist() == [10, 25, 100, 100]
    assert compute_lots("volatility", **known).tolist() == [15, 7, 100, 0]
    assert compute_lots("volatility", **(known | {"typical_volatility": np.nan})).tolist() == [0, 0, 0, 0]
    assert compute_lots("volatility", **(known | {"volatility": np.array([3.0, 0.3, 0.1, 1000.0])})).tolist() == [
        10, 100, 100, 0,
    ]  # fmt: skip


def test_sizes_of_a_rule():
    sized = strategy_of("threshold", sizing="proportional", lots=10)
    made = decide(sized, bars_of([1.65, -2.2, 200, 0.5]))
    assert made.target.tolist() == [15, -20, 100, 0]  # the threshold is 1.1 ticks
    calm = decide(strategy_of("threshold", sizing="volatility", lots=10), bars_of([9, 9, 9], volatility=[1, 2, np.nan]))
    assert calm.target.tolist() == [10, 5, 0]
    quotes = decide(strategy_of("quoting", sizing="volatility"), bars_of([0, 0], volatility=[0.5, 2]))
    assert quotes.bid_size.tolist() == quotes.ask_size.tolist() == [20, 5]


def test_limits():
    off = set_limits(strategy_of("threshold"), close=1000 * SECOND)
    assert off == (100, 0, 0, 1000 * SECOND, float("inf"), False)
    on = strategy_of(
        "quoting", max_position=50, stop_ticks=3, take_profit_ticks=4, flat_before_close="1m", loss_limit=12.5
    )
    assert set_limits(on, close=1000 * SECOND) == (50, 3, 4, 940 * SECOND, 12.5, True)
    assert np.iinfo(np.int64).max == LAST


def test_the_fee_of_a_lot_in_ticks():
    # 0.001 currency are 0.1 ticks of 0.01; 20 bps of 101 ticks are 0.202 ticks, at any sign of the price.
    fee = measure_linear_fee(0.001, 20.0)(np.array([101.0, -101.0, np.nan]), TICK)
    assert fee[:2] == pytest.approx([0.302, 0.302])
    assert np.isnan(fee[2])


# --- laws ------------------------------------------------------------------------------------------------------------

numbers = st.floats(-9, 9) | st.just(float("nan"))
one_bar = st.tuples(
    numbers, st.integers(-50, 50), st.integers(-1, 5), st.floats(0, 1), st.floats(0, 1), st.integers(-20, 20),
    st.floats(0, 5) | st.just(float("nan")), st.sampled_from(["both", "both", "bid", "ask", "none"]),
)  # fmt: skip


def drawn_bars(rows):
    edge, bid, spread, up, down, ofi, volatility, sides = (list(column) for column in zip(*rows, strict=True))
    ask = [b + s for b, s in zip(bid, spread, strict=True)]
    return bars_of(
        edge,
        bid=[b if side in ("both", "bid") else None for b, side in zip(bid, sides, strict=True)],
        ask=[a if side in ("both", "ask") else None for a, side in zip(ask, sides, strict=True)],
        p_up=[np.nan if e != e else u for e, u in zip(edge, up, strict=True)],
        p_down=[np.nan if e != e else d for e, d in zip(edge, down, strict=True)],
        ofi=ofi,
        volatility=volatility,
    )


some_bars = st.lists(one_bar, min_size=1, max_size=12).map(drawn_bars)


@pytest.mark.parametrize("variant", VARIANTS)
@settings(max_examples=10)
@given(bars=some_bars, train=some_bars, sizing=st.sampled_from(["fixed", "proportional", "volatility"]))
def test_laws_of_every_rule(variant, bars, train, sizing):
    name, changes = VARIANTS[variant]
    sizing = sizing if sizing in STRATEGIES[name].SIZINGS else "fixed"
    strategy = strategy_of(name, **changes, sizing=sizing, lots=7, max_position=30)
    made = decide(strategy, bars, train=train)
    assert all(len(column) == len(bars) for column in made)
    # No forecast, no order.
    unknown = np.isnan(bars.edge)
    assert not (made.kind[unknown] == TARGET).any()
    assert not made.bid_size[unknown].any()
    assert not made.ask_size[unknown].any()
    # The cap holds.
    assert (np.abs(made.target) <= 30).all()
    assert (made.bid_size <= 30).all()
    assert (made.ask_size <= 30).all()
    assert (made.bid_size >= 0).all()
    assert (made.ask_size >= 0).all()
    # No quote on a missing side, none that crosses the market or the other quote.
    assert not made.bid_size[~bars.has_bid].any()
    assert not made.ask_size[~bars.has_ask].any()
    two = (made.bid_size > 0) & (made.ask_size > 0)
    assert (made.bid[two] < bars.ask[two]).all()
    assert (made.ask[two] > bars.bid[two]).all()
    assert (made.bid[two] < made.ask[two]).all()
    # A decision carries only what belongs to its kind.
    assert not made.target[made.kind != TARGET].any()
    assert not made.bid_size[made.kind != QUOTE].any()
    # The mirrored market has the mirrored decisions.
    other = decide(strategy, mirror(bars), train=mirror(train))
    assert other.kind.tolist() == made.kind.tolist()
    assert other.target.tolist() == (-made.target).tolist()
    assert other.until.tolist() == made.until.tolist()
    assert other.bid_size.tolist() == made.ask_size.tolist()
    assert other.bid.tolist() == (-made.ask).tolist()
    # Later bars change nothing.
    per_row = {f.name for f in fields(bars)} - {"tick", "table"}
    for cut in range(1, len(bars)):
        head = replace(bars, **{f: getattr(bars, f)[:cut] for f in per_row})
        part = decide(strategy, head, train=train)
        assert all(a[:cut].tolist() == b.tolist() for a, b in zip(made, part, strict=True))


def test_a_symbol_that_did_not_train_is_not_traded():
    bars = bars_of([9, -9])
    rule = FittedRule(0, {"Y": {}}, {"Y": 1.0})
    made = decide_session(bars, bars.bar_close, strategy_of("threshold"), KEY, rule)
    assert not made.kind.any()


def test_what_is_known_later_is_not_in_reach_of_a_rule():
    later = ["y", "move_ticks", "label_end", "hold_until", "fill_bid", "fill_time", "oracle", "scale", "y_hat_seed_3"]
    rows = pl.DataFrame(
        {name: [1.0] for name in [*later, "spread_bps", "ofi_00", "bid_03_30s", "mid", "spread_ticks"]}
        | {"bar_close": [1], "bid": [1], "ask": [2], "tick": [1]}
    )
    bars = ForecastBars.of(rows, ["spread_bps"], measure_linear_fee(0.0, 0.0))
    assert set(bars.table.columns) == {"spread_bps", "ofi_00", "bid_03_30s", "mid", "spread_ticks", "bar_close"}
    assert bars.read_column("bid_03_30s").tolist() == [1.0]
    for name in later:
        with pytest.raises(ConfigError, match=f"reads {name}, which the study does not have"):
            bars.read_column(name)


def test_every_file_is_a_strategy_with_a_yaml_and_a_row_in_the_docs():
    folder = ROOT / "src" / "ofiml" / "strategy" / "rules"
    files = {path.stem for path in folder.glob("*.py") if not path.stem.startswith("_")}
    pages = {path.stem for path in (ROOT / "conf" / "strategy").glob("*.yaml")} - {"_base"}
    assert set(RULES) == set(STRATEGIES) == files == pages
    assert {name for name, _ in VARIANTS.values()} == files, "the laws cover every rule"
    table = (ROOT / "docs" / "strategies.md").read_text()
    for name in files:
        assert f"| `{name}` |" in table
