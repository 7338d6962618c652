"""The kernel of flow and features: against the slow oracle, its plain twin, its own past, mirrors and scales."""

import ast
import inspect
import math
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest

from ofiml._numba import callees
from ofiml.bars import cut_bars
from ofiml.bars.time import select_states
from ofiml.config import ActivityBars, TimeBars
from ofiml.data.schema import extract_times
from ofiml.data.sessions import list_sources
from ofiml.features import batch, kernel, layout
from ofiml.features.batch import compute_bars, pack_rows
from ofiml.features.catalogue import CATALOGUE, FAMILIES, INDEX
from ofiml.features.entry import EVEN, ODD
from ofiml.features.families import spread, toxicity
from ofiml.features.machine import Plan, describe_market
from ofiml.features.state import STATE
from ofiml.live.stream import Stream
from ofiml.microstructure.toxicity.vpin import Vpin
from tests.books import busy_session, mirrored, session
from tests.conftest import slow_but_each, slow_except
from tests.features import slow

S = 10**9
BARS = [
    TimeBars("time", "2s", "message"),
    TimeBars("time", "1s", "row"),
    ActivityBars("events", 7, "message"),
    ActivityBars("volume", 30, "row"),
    ActivityBars("trades", 4, "message"),
]
PLAN = Plan(flow_levels=2, windows=(S, 10 * S), look_back=300 * S, trade_size=5, vpin_bucket=20)
PARTS = ("bid_flow", "ask_flow", "adds", "cancels", "trades")


def computed(session, bars=BARS[0], plan=PLAN):
    edges = cut_bars(session, select_states(session, bars.per), bars).edges
    return edges, compute_bars(session, describe_market(session, bars.per), plan, edges)


def test_a_column_is_the_place_in_the_catalogue():
    (record, at), (columns, same) = (STATE.fields[name][:2] for name in ("features", "columns"))
    assert at == same
    assert list(record.names) == list(CATALOGUE) == [e.name for f in FAMILIES for e in f.ENTRIES]
    assert [record.fields[name][1] for name in CATALOGUE] == [8 * i for i in INDEX.values()]
    assert columns.shape == (len(CATALOGUE),)
    assert list(INDEX.values()) == list(range(kernel.FEATURES))


def written(family):
    """The fields of `out` that a family's module assigns."""
    nodes = ast.walk(ast.parse(inspect.getsource(family)))
    stored = [n for n in nodes if isinstance(n, ast.Attribute) and isinstance(n.ctx, ast.Store)]
    return {n.attr for n in stored if isinstance(n.value, ast.Name) and n.value.id == "out"}


@pytest.mark.parametrize("family", FAMILIES, ids=lambda f: f.__name__.rpartition(".")[2])
def test_each_family_fills_its_own_entries_and_no_others(family):
    assert written(family) == {entry.name for entry in family.ENTRIES}
    assert {entry.group for entry in family.ENTRIES} == {family.__name__.rpartition(".")[2]}


def test_the_kernel_fills_every_family():
    called = {n.func.value.id for n in ast.walk(ast.parse(inspect.getsource(kernel.fill_features)))
              if isinstance(n, ast.Call) and getattr(n.func, "attr", "") == "fill"}  # fmt: skip
    assert called == {family.__name__.rpartition(".")[2] for family in FAMILIES}


def test_each_function_has_one_signature():
    """A second one would double its compile time: of batch, stream and tests, all hand it the same types."""
    s = busy_session(0, 60)
    computed(s)
    stream = Stream(describe_market(s, "message"), BARS[0], PLAN)
    bars = [bar for rows in pack_rows(s) for row in rows for bar in stream.push_row(row)]
    assert bars
    for entry in (kernel.run, kernel.step, kernel.begin, kernel.features, kernel.sums, kernel.close_bar):
        assert len(entry.signatures) == 1, entry
    for function, dispatcher in callees.items():
        if function.__module__.startswith("ofiml.features"):
            assert len(dispatcher.signatures) == 1, function


@pytest.mark.parametrize("seed", slow_but_each(3, range(6)))
@pytest.mark.parametrize("bars", BARS, ids=lambda b: f"{b.label}-{b.per}")
def test_every_feature_and_all_flow_equal_the_slow_oracle(bars, seed):
    session = busy_session(seed, 150, levels=3 + 3 * (seed % 2))
    edges, c = computed(session, bars)
    known = dict.fromkeys(CATALOGUE, 0)
    for k in range(0, len(edges) - 1, max(1, len(edges) // 10)):
        expected = slow.features(session, bars.per, edges, k, trade_size=5, bucket=20, ofi_levels=2, utc_offset=0,
                                 scheduled_close=session.close)  # fmt: skip
        for name, value in expected.items():
            got = c.features[k, INDEX[name]]
            known[name] += not math.isnan(value)
            assert got == pytest.approx(value, rel=1e-9, abs=1e-9, nan_ok=True), (name, k)
        for w, window in enumerate((None, *PLAN.windows)):
            flows = slow.flows(session, bars.per, edges, k, levels=2, window=window)
            for p, part in enumerate(PARTS):
                if flows[part][0] is None:
                    assert c.known[k] < w
                else:
                    assert c.flow[k, w, 2 * p : 2 * p + 2].tolist() == flows[part]
            size, sides = c.flow[k, w, 10 + layout.DEPTH], c.flow[k, w, 10 + layout.SIDES]
            if flows["depth"][0] is not None and c.known[k] >= w:
                assert (size / sides if sides else math.nan) == pytest.approx(flows["depth"][0], nan_ok=True)
    assert sum(known.values()) > len(known)


def test_the_oracle_comparison_sees_every_feature():
    """In the sessions above each entry is known somewhere, so that nothing equals only in being NaN."""
    seen = np.zeros(len(CATALOGUE), bool)
    for seed in range(6):
        _, c = computed(busy_session(seed, 150, levels=3 + 3 * (seed % 2)), BARS[seed % 3])
        seen |= np.isfinite(c.features).any(axis=0)
    assert [n for n, s in zip(CATALOGUE, seen, strict=True) if not s] == []


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("kind", ["volume", "trades", "events", "dollar"])
@pytest.mark.parametrize("per", ["message", "row"])
def test_activity_bars_equal_the_slow_oracle(kind, per, seed):
    unit = (0.1, 0.001, 0.3, 1.0)[seed]
    session = replace(busy_session(seed, 200), size_unit=unit)
    size = {"volume": 35 * unit, "trades": 6, "events": 11, "dollar": 300.5 * unit}[kind]
    edges, _ = computed(session, ActivityBars(kind, size, per))
    threshold = 35 if kind == "volume" else size
    assert edges.tolist() == slow.activity_edges(session, per, kind, threshold)


def test_ten_lots_of_a_tenth_are_one():
    rows = [{"t": t, "book": [(100, 5, 102, 5)], "action": "T", "price": 101} for t in range(1, 45)]
    session_ = replace(session(rows, close=50), size_unit=0.1)
    for bars in (ActivityBars("volume", 1.0, "message"), ActivityBars("dollar", 1.01, "message")):  # a lot pays 0.101
        assert cut_bars(session_, select_states(session_, "message"), bars).edges.tolist() == [
            0,
            10 * S,
            20 * S,
            30 * S,
            40 * S,
        ]


class Record:
    """A record whose fields are attributes, as compiled code has them."""

    def __init__(self, array):
        vars(self)["_array"] = array

    def __getattr__(self, name):
        field = self._array[name]
        return Record(field) if field.dtype.names else field[0]

    def __setattr__(self, name, value):
        self._array[name][0] = value


class Plain:
    """An array (1,) of a record; its fields by name."""

    def __init__(self, array):
        self._array = array

    def __getitem__(self, key):
        return self._array[key] if isinstance(key, str) else Record(self._array)

    def __setitem__(self, name, value):
        self._array[name] = value


def plain_computed(monkeypatch, session):
    """As `computed`, by the functions as plain Python."""
    machine = batch.Machine

    def plain(*arguments):
        made = machine(*arguments)
        made.memory = made.memory._replace(state=Plain(made.memory.state))
        return made

    monkeypatch.setattr(batch, "kernel", SimpleNamespace(run=kernel.run_py))
    monkeypatch.setattr(batch, "Machine", plain)
    with np.errstate(invalid="ignore"):
        return computed(session)[1]


@pytest.mark.parametrize("seed", slow_but_each(3, range(3)))
def test_the_compiled_kernel_equals_its_plain_source(monkeypatch, seed):
    session = busy_session(seed, 200)
    _, c = computed(session)
    p = plain_computed(monkeypatch, session)
    np.testing.assert_allclose(p.features, c.features, rtol=1e-13, atol=0, equal_nan=True)  # log, exp: last bit
    np.testing.assert_array_equal(p.flow, c.flow)
    np.testing.assert_array_equal(p.known, c.known)


def test_the_comparison_with_the_plain_source_can_fail(monkeypatch):
    session = busy_session(0, 200)
    _, c = computed(session)
    monkeypatch.setattr(spread, "DUE_MID2", spread.DUE_PRICE)
    p = plain_computed(monkeypatch, session)
    differs = ~((p.features == c.features) | (np.isnan(p.features) & np.isnan(c.features))).all(axis=0)
    assert "price_impact" in [name for name, d in zip(CATALOGUE, differs, strict=True) if d]


@pytest.fixture(scope="module")
def pasts():
    """The features of the bars up to t, of data that end at t and of all data."""
    pairs = []
    for seed, bars in ((0, BARS[0]), (1, BARS[2])):
        session = busy_session(seed, 260)
        edges, whole = computed(session, bars)
        for where in (3, len(edges) // 2, len(edges) - 2):
            t = edges[where]
            past = replace(session, events=session.events.filter(pl.Series(extract_times(session.events) <= t)))
            c = compute_bars(past, describe_market(session, bars.per), PLAN, edges[: where + 1])
            pairs.append((c.features, whole.features[:where]))
    return pairs


@pytest.mark.parametrize("name", CATALOGUE)
def test_a_feature_up_to_t_needs_no_data_after_t(pasts, name):
    i = INDEX[name]
    assert len(pasts) == 6
    for past, whole in pasts:
        np.testing.assert_array_equal(past[:, i], whole[:, i])


def test_the_prefix_test_can_fail():
    """One bar of the future shows in every feature that has two values in these data, which are nearly all."""
    session = busy_session(0, 260)
    _, whole = computed(session)
    ahead = ~((whole.features[1:] == whole.features[:-1]) | np.isnan(whole.features[1:])).all(axis=0)
    varies = np.array([len(np.unique(column[~np.isnan(column)])) > 1 for column in whole.features.T])
    assert [n for n, seen, v in zip(CATALOGUE, ahead, varies, strict=True) if v and not seen] == []
    assert varies.mean() > 0.9


@pytest.mark.parametrize("seed", range(4))
def test_mirrored_books_flip_signs_and_keep_sizes(seed):
    session = busy_session(seed, 260)
    (_, ours), (_, theirs) = computed(session), computed(mirrored(session))
    for name, entry in CATALOGUE.items():
        if entry.relative:  # the mirror moves the price level
            continue
        value = theirs.features[:, INDEX[name]]
        other = ours.features[:, INDEX[name if entry.mirror in (EVEN, ODD) else entry.mirror]]
        sign = -1 if entry.mirror == ODD else 1
        np.testing.assert_allclose(value, sign * other, rtol=1e-9, atol=1e-9, err_msg=name)


@pytest.mark.parametrize("seed", range(4))
def test_doubled_sizes_have_the_documented_effect(seed):
    session = busy_session(seed, 260)
    sizes = [c for c in session.events.columns if c == "size" or "_sz_" in c]
    doubled = replace(session, events=session.events.with_columns(pl.col(sizes) * 2))
    edges, ours = computed(session)
    twice = compute_bars(
        doubled, describe_market(doubled, "message"), replace(PLAN, trade_size=10, vpin_bucket=40), edges
    )
    for name, entry in CATALOGUE.items():
        expected = ours.features[:, INDEX[name]] * 2.0**entry.size
        np.testing.assert_allclose(twice.features[:, INDEX[name]], expected, rtol=1e-9, atol=1e-12, err_msg=name)


@pytest.mark.parametrize("seed", range(4))
def test_shifted_prices_change_what_is_relative_and_nothing_else(seed):
    session = busy_session(seed, 260)
    prices = [c for c in session.events.columns if c == "price" or "_px_" in c]
    shifted = replace(session, events=session.events.with_columns(pl.col(prices) + 5000 * session.tick))
    (_, ours), (_, theirs) = computed(session), computed(shifted)
    for name, entry in CATALOGUE.items():
        a, b = ours.features[:, INDEX[name]], theirs.features[:, INDEX[name]]
        if entry.relative:
            assert (b[a > 0] < a[a > 0]).all(), name
            np.testing.assert_array_equal(np.isnan(a), np.isnan(b))
        else:
            np.testing.assert_allclose(a, b, rtol=1e-7, atol=1e-9, err_msg=name)


@pytest.mark.parametrize("bucket", [1, 7, 400])
def test_vpin_is_that_of_the_room_of_toxicity(bucket):
    session = busy_session(6, 600, resets=0)
    edges, c = computed(session, plan=replace(PLAN, vpin_bucket=bucket))
    tape = session.events.filter((pl.col("action") == "T") & (pl.col("ts_recv").to_physical() > session.open))
    sign = tape["side"].cast(pl.String).replace_strict({"B": 1, "A": -1, "N": 0}, return_dtype=pl.Int64)
    room = Vpin(bucket, layout.BUCKETS, toxicity.FEWEST_BUCKETS)
    closed = room.feed(extract_times(tape), tape["size"].to_numpy(), (tape["size"] * sign).to_numpy())
    place = np.searchsorted(closed["known_at"].to_numpy(), edges[1:], side="right")
    expected = np.array([np.nan, *closed["vpin"]])[place]
    np.testing.assert_allclose(c.features[:, INDEX["vpin"]], expected, rtol=1e-14, equal_nan=True)
    assert np.isfinite(expected).sum() > (20 if bucket < 400 else -1)


def test_nothing_signed_is_no_vpin_and_no_type_is_no_flow_by_type():
    rows = [
        {"t": t, "book": [(100, 5 + t % 3, 102, 5)], "action": "T" if t % 2 else "M", "side": "N", "price": 101}
        for t in range(1, 200)
    ]
    _, c = computed(session(rows, close=200), plan=replace(PLAN, vpin_bucket=2))
    assert np.isnan(c.features[:, [INDEX[n] for n in ("vpin", "ofi_adds", "ofi_cancels", "ofi_trades")]]).all()
    rows[100]["side"], rows[101]["action"] = "B", "A"
    _, c = computed(session(rows, close=200), plan=replace(PLAN, vpin_bucket=2))
    assert np.isfinite(c.features[-1, [INDEX[n] for n in ("vpin", "ofi_adds", "ofi_cancels", "ofi_trades")]]).all()


def test_trading_in_a_crossed_book_pays_less_than_the_mid():
    _, c = computed(session([{"t": 0, "book": [(104, 9, 102, 9)]}, {"t": 1, "book": [(104, 9, 102, 9)]}], close=2))
    assert c.features[0, [INDEX["cost_buy"], INDEX["cost_sell"]]].tolist() == [-1, -1]


def test_queues_grow_and_lose_nothing(monkeypatch):
    session = busy_session(3, 1500, resets=0)
    edges, whole = computed(session)
    machine = batch.Machine

    def small(*arguments):
        made = machine(*arguments)
        ring, due = made.memory.ring, made.memory.due
        made.memory = made.memory._replace(ring=ring[:2].copy(), due=due[:2].copy())
        return made

    monkeypatch.setattr(batch, "Machine", small)
    c = compute_bars(session, describe_market(session, "message"), PLAN, edges)
    np.testing.assert_array_equal(c.features, whole.features)
    np.testing.assert_array_equal(c.flow, whole.flow)


@pytest.mark.slow
def test_memory_is_that_of_the_longest_look_back_however_long_the_session(monkeypatch):
    made, machine = [], batch.Machine
    monkeypatch.setattr(batch, "Machine", lambda *a: made.append(machine(*a)) or made[-1])
    for n in (1000, 8000):
        computed(busy_session(7, n, resets=0), plan=replace(PLAN, look_back=60 * S))
    short, long = ([len(a) for a in m.arrays] for m in made)
    assert short == long


def test_pieces_of_a_session_give_the_same(monkeypatch):
    session = busy_session(4, 700)
    _, whole = computed(session)
    monkeypatch.setattr(batch, "_PIECE", 7)
    _, c = computed(session)
    np.testing.assert_array_equal(c.features, whole.features)


def test_a_window_that_nobody_asked_for_is_not_kept():
    session = busy_session(5, 500, resets=0)
    _, c = computed(session, plan=replace(PLAN, look_back=10 * S))
    _, whole = computed(session)
    np.testing.assert_array_equal(c.features[:, INDEX["ofi_10s"]], whole.features[:, INDEX["ofi_10s"]])
    assert np.isnan(c.features[:, INDEX["ofi_60s"]]).all()


REAL = [
    ("lobster", "lobster/LOBSTER_SampleFile_AMZN_2012-06-21_5.zip", 10),
    ("databento", "databento/aapl_20241021_mbp10.csv", 10),
    ("binance", "binance/usdm_btcusdt_20240808.gz", 2),
]


@pytest.mark.parametrize(("name", "path", "step"), slow_except(REAL[:1], REAL), ids=[r[0] for r in REAL])
def test_real_sessions_have_no_infinity_and_are_nan_by_rule_only(data, configure, name, path, step):
    session = next(list_sources(configure(f"dataset={name}", f"dataset.path={data(path)}").dataset)[0]())
    bars = TimeBars("time", f"{step}s", "message")
    plan = replace(PLAN, trade_size=100 * session.size_unit, vpin_bucket=500 * session.size_unit)
    edges, c = computed(session, bars, plan)
    assert not np.isinf(c.features).any()
    few = replace(session, events=session.events.head(2500))
    last = np.searchsorted(edges, extract_times(few.events)[-1], side="right") - 2
    for k in np.linspace(0, last, 8).astype(int):
        expected = slow.features(few, "message", edges, int(k), trade_size=100, bucket=500, ofi_levels=2, utc_offset=0,
                                 scheduled_close=describe_market(session, "message").scheduled_close)  # fmt: skip
        for feature, value in expected.items():
            got = c.features[k, INDEX[feature]]
            assert got == pytest.approx(value, rel=1e-9, abs=1e-9, nan_ok=True), (feature, k)
