"""A future whose price passes through zero: numbers of the file as computed from its text, by other means."""

import csv
import gzip
import math
from fractions import Fraction
from itertools import pairwise

import numpy as np
import polars as pl
import pytest

from ofiml.data.sessions import list_sources
from ofiml.samples.prepare import prepare_session
from ofiml.samples.settings import SampleSettings
from tests.conftest import ROOT, slow_but_each
from tests.trading import Traded

FILE = ROOT / "tests" / "cases" / "040-databento-prices-through-zero" / "clk0_mbp1.csv.gz"
S = 10**9


@pytest.fixture(scope="module")
def rows():
    """(ns since midnight, action, price, size, bid, ask) of each row, prices in ticks as exact fractions."""
    out = []
    with gzip.open(FILE, "rt") as stream:
        for row in csv.DictReader(stream):
            clock, fraction = row["ts_recv"].rstrip("Z").split("T")[1].split(".")
            hours, minutes, seconds = map(int, clock.split(":"))
            at = (hours * 3600 + minutes * 60 + seconds) * S + int(fraction)
            price, bid, ask = (Fraction(row[c]) * 100 for c in ("price", "bid_px_00", "ask_px_00"))
            out.append((at, row["action"], price, int(row["size"]), bid, ask))
    return out


@pytest.fixture(scope="module")
def prepared(configure):
    """The session, and a function that prepares its samples for some overrides."""
    choices = ["dataset=databento", f"dataset.path={FILE}"]
    (session,) = (s for source in list_sources(configure(*choices).dataset) for s in source())

    def samples(*overrides):
        config = configure(*choices, *overrides)
        return config, prepare_session(session, SampleSettings.of(config))

    return session, samples


def mid_at(rows, at):
    """Twice the mid in ticks at each of `at`; None before the first row."""
    stamps = [row[0] for row in rows]
    index = np.searchsorted(stamps, at, side="right") - 1
    return [None if i < 0 else rows[i][4] + rows[i][5] for i in index]


def test_every_price_is_read(rows, prepared):
    session, _ = prepared
    for column, i in (("bid_px_00", 4), ("ask_px_00", 5), ("price", 2)):
        assert session.events[column].to_list() == [int(row[i] * session.tick) for row in rows]
    assert session.events["bid_px_00"].null_count() == session.events["ask_px_00"].null_count() == 0
    assert (session.events["bid_px_00"] == 0).sum() == sum(row[4] == 0 for row in rows) > 0


@pytest.mark.parametrize("choice", slow_but_each(2, [["target=forecast", "horizon=10s"], ["target=impact"]], first=1))
def test_returns_in_bps_have_the_sign_of_the_move(rows, prepared, choice):
    session, samples = prepared
    config, made = samples(*choice, "target.unit=bps")
    table = made.rows
    midnight = session.open - session.open % (86_400 * S)
    impact = config.target.kind == "impact"
    begin = (table["bar_open"] if impact else table["bar_close"] + config.horizon.delay_ns) - midnight
    end = table["bar_close"] - midnight if impact else begin + config.horizon.length_ns
    wrong = 0
    for y, a, b, at in zip(table["y"], mid_at(rows, begin), mid_at(rows, end), end, strict=True):
        if a is None or a == 0 or at > session.close - midnight:
            assert y is None
        else:
            assert y == pytest.approx(float(10_000 * (b - a) / abs(a)), rel=1e-12)
            wrong += a < 0 and b != a
    assert wrong > 500  # bars whose sign was wrong when the divisor was the mid itself
    known = table.filter(pl.col("mid") != 0)
    np.testing.assert_allclose(known["scale"], 1e-4 * known["mid"].abs(), rtol=1e-15)
    assert table.filter(pl.col("mid") == 0)["scale"].null_count() == (table["mid"] == 0).sum()


def test_features_of_the_level_of_prices(rows, prepared):
    session, samples = prepared
    names = ["spread_bps", "realised_volatility", "amihud", "return_1", "spread_ticks"]
    _, made = samples(f"features.columns=[{','.join(names)}]")
    table, stamps = made.rows.filter(pl.col("mid").is_not_null()), np.array([row[0] for row in rows])
    midnight = session.open - session.open % (86_400 * S)
    mids = [row[4] + row[5] for row in rows if row[1] == "A"]  # the end of each message
    ends = np.array([row[0] for row in rows if row[1] == "A"])
    assert not np.isinf(table.select(names).to_numpy()).any()
    for k in range(0, table.height, 7):
        opens, closes = table["bar_open"][k] - midnight, table["bar_close"][k] - midnight
        i = int(np.searchsorted(stamps, closes, side="right")) - 1
        spread, mid = rows[i][5] - rows[i][4], rows[i][4] + rows[i][5]
        expected = float(20_000 * spread / abs(mid)) if mid else math.nan
        assert table["spread_bps"][k] == pytest.approx(expected, rel=1e-12, nan_ok=True)
        first, last = np.searchsorted(ends, [opens, closes], side="right")
        of_bar = mids[max(first - 1, 0) : last]
        squares = [math.log(b / a) ** 2 if min(of_bar) > 0 else math.nan for a, b in pairwise(of_bar)]
        squares += [0.0 if min(of_bar) > 0 else math.nan]
        assert table["realised_volatility"][k] == pytest.approx(1e4 * math.sqrt(sum(squares)), rel=1e-9, nan_ok=True)
    below = table.filter((pl.col("mid") < 0) & (pl.col("mid").shift(1) < 0))
    assert below.height > 900
    assert below["realised_volatility"].is_nan().all()
    assert (below["spread_bps"] > 0).all()


def test_dollar_bars_are_of_money_that_changes_hands(rows, prepared):
    session, samples = prepared
    _, made = samples("bars=dollar", "bars.size=500")
    midnight = session.open - session.open % (86_400 * S)
    closes, money = [], Fraction(0)
    for (at, action, price, size, *_), (later, *_) in zip(rows, [*rows[1:], (10**18,)], strict=True):
        money += abs(price) * size / 100 if action == "T" else 0
        if later > at and money >= 500:  # never within a timestamp
            closes.append(at)
            money = Fraction(0)
    assert (made.rows["bar_close"] - midnight).to_list() == closes
    assert len(closes) == 113


def test_a_commission_in_bps_is_paid_at_every_price(configure):
    instrument = "+dataset.instruments={CLK0: {taker: {bps: 20}, quote: USD}}"
    choices = ["dataset=databento", f"dataset.path={FILE}", "strategy.edge_multiple=0", instrument]
    result = Traded(configure(*choices)).run()
    fills = result.fills
    fees = fills.select(pl.col("commission") - pl.col("lots").abs() * pl.col("price").abs() * 1e-9 * 20e-4).to_series()
    assert fees.abs().max() < 1e-8
    assert (fills["commission"] >= 0).all()
    assert (fills["price"] < 0).sum() > 100 < (fills["price"] > 0).sum()
    assert result.summary.costs_by_kind.commission == pytest.approx(fills["commission"].sum())
