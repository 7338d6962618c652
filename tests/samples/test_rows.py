"""Rows of bars: other symbols' flow among them, how far they look back, and the cache that keeps them."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from ofiml.errors import DataError
from ofiml.parallel import Workers
from ofiml.samples import prepare as rows_room
from ofiml.samples.settings import SampleSettings
from ofiml.study import run as experiment
from ofiml.ui.progress import Stages
from tests.conftest import slow_but_each

SMALL = [
    "dataset.session_length=20m",
    "dataset.sessions=2",
    "split.n_folds=2",
    "evaluation.bootstrap_samples=50",
    "tuning=off",
]


def prepared(config):
    with Stages() as stages:
        return rows_room.prepare_sessions(SampleSettings.of(config), Workers(config.threads), stages)


@pytest.fixture
def counted(monkeypatch):
    """Counts the sessions whose features are computed."""
    calls, prepare = [], rows_room.prepare_session
    monkeypatch.setattr(rows_room, "prepare_session", lambda s, c: calls.append(s.date) or prepare(s, c))
    return calls


def keeping(config, folder):
    return replace(config, features=replace(config.features, store=str(folder)))


@pytest.mark.slow
def test_a_sweep_over_models_and_reductions_computes_features_once(configure, counted, tmp_path):
    hashes = {}
    for overrides in (["model=ols"], ["model=ols"], ["model=ridge"], ["model=ols", "ofi=pca"]):
        config = keeping(configure(*SMALL, "features=full", *overrides), tmp_path)
        with Stages() as stages:
            study = experiment.run(config, stages)
        hashes.setdefault(" ".join(overrides), []).append(study.report.predictions.sha256)
        assert len(counted) == 2
    assert hashes["model=ols"][0] == hashes["model=ols"][1]
    assert len({h for values in hashes.values() for h in values}) == 3
    fresh = experiment.run(configure(*SMALL, "features=full", "model=ols"), stages)
    assert fresh.report.predictions.sha256 == hashes["model=ols"][0]
    assert [t.news for t in study.truths] == [t.news for t in fresh.truths]


@pytest.mark.parametrize(
    "change",
    slow_but_each(
        6,
        [
            "horizon=30s",
            "bars.step=5s",
            "ofi.windows=[bar,5s]",
            "features=core",
            "dataset.seed=3",
            "backtest.latency=1s",
            "features.trade_size=7",
            "dataset.max_events=20000",
            "bars.per=row",
            "ofi.levels=2",
            "target=impact",
            "horizon=events",
            "target=volatility",
            "target=triple_barrier",
            "target=direction target.dead_band=0.3",
        ],
    ),
)
def test_what_rows_depend_on_makes_other_rows(configure, counted, tmp_path, change):
    prepared(keeping(configure(*SMALL), tmp_path))
    prepared(keeping(configure(*SMALL, *change.split()), tmp_path))
    assert len(counted) == 4


def test_dead_bands_of_any_width_share_their_rows(configure, counted, tmp_path):
    for share in ("0.3", "0.6"):
        prepared(keeping(configure(*SMALL, "target=dead_band", f"target.dead_band={share}"), tmp_path))
    assert len(counted) == 2


def test_rows_that_were_altered_are_made_again(configure, counted, tmp_path):
    config = keeping(configure(*SMALL, "features=core"), tmp_path)
    first = prepared(config)
    rows = [path for path in tmp_path.glob("*.arrow") if "bar_close" in pl.read_ipc_schema(path)]
    rows[0].write_bytes(rows[0].read_bytes()[:-9])  # the other files are tapes
    again = prepared(config)
    assert len(counted) == 3
    for a, b in zip(first, again, strict=True):
        assert a.rows.equals(b.rows)
        assert a.rows.schema == b.rows.schema
        for name in (
            "key",
            "levels",
            "flow_levels",
            "size_unit",
            "open",
            "close",
            "scheduled_close",
            "quality",
            "planted",
            "digest",
        ):
            assert getattr(a, name) == getattr(b, name), name


@pytest.mark.slow
def test_other_symbols_flow_is_their_last_closed_bar(configure):
    config = configure("dataset=synthetic_basket", "dataset.sessions=1", "dataset.session_length=10m",
                       "features.cross=[SYN2,SYN1]", "features.cross_delay=15s",
                       "features.cross_max_age=15s")  # fmt: skip
    by_symbol = {p.key[0]: p.rows for p in prepared(config)}
    own, other = by_symbol["SYN1"], by_symbol["SYN2"]
    # Bars of 10 s: what closed at least 15 s before t closed 20 s before, which is older than 15 s.
    assert own["cross_SYN2"].is_nan().all()
    config.features.cross_max_age = "20s"
    by_symbol = {p.key[0]: p.rows for p in prepared(config)}
    own, other = by_symbol["SYN1"], by_symbol["SYN2"]
    assert own["cross_SYN2"].to_list()[2:] == other["ofi_00"].to_list()[:-2]
    assert own["cross_SYN1"].to_list()[2:] == own["ofi_00"].to_list()[:-2]
    assert own["cross_SYN2"].is_nan().sum() == 2
    assert own["cross_SYN2_age"].to_list()[2:] == [20.0] * (own.height - 2)
    # Purging knows that the row looks back to the open of that bar.
    assert (own["first_used"][2:] == own["bar_open"][:-2]).all()


def test_a_symbol_that_is_not_there_is_named(configure):
    with pytest.raises(DataError, match=r"features\.cross: no session of XYZ\. Use symbols of the data: SYN"):
        prepared(configure(*SMALL, "features.cross=[XYZ]"))


@pytest.mark.parametrize(
    ("overrides", "bars", "seconds"),
    [
        (["features.columns=[queue_imbalance]"], 1, 0),
        (["features.columns=[return_6]"], 6, 0),
        (["features.columns=[ofi_60s,return_1]"], 1, 60),
        (["ofi.windows=[bar,2m]"], 1, 120),
        (["target=volatility", "target.look_back=90s"], 1, 90),
        (["features.columns=[realised_spread]"], 1, 15),  # of trades since 5 s before the bar, which lasts 10 s
    ],
)
def test_how_far_rows_look_back_is_known_to_the_purge(configure, overrides, bars, seconds):
    (session, *_) = prepared(configure(*SMALL, *overrides))
    rows = session.rows
    for k in (0, 3, 40):
        expected = min(rows["bar_open"][max(k - bars + 1, 0)], rows["bar_close"][k] - seconds * 10**9)
        assert rows["first_used"][k] == max(expected, session.open)
    (session, *_) = prepared(configure(*SMALL, "features.columns=[vpin]"))
    assert set(session.rows["first_used"]) == {session.open}


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    slow_but_each(
        4,
        [
            (["ofi.levels=20"], "ofi.levels=20, but the data have 10"),
            (["ofi=pca", "ofi.windows=[bar,19m]"], "No two train rows of a fold have flow over all of ofi.windows"),
            (["target=volatility", "target.look_back=2h"], "No bar has a unit for its label"),
            (["horizon=volume", "horizon.size=1e9"], "No bar has both a mid and a label"),
            (["target=triple_barrier", "target.stop=1e5", "target.take_profit=1e5", "model=logistic"], "the same way"),
            (["ofi.windows=[bar,2h]"], "No bar has flow over the look-back 2h"),
            (["bars.step=10us", "horizon=1s", "backtest.latency=10us"], "bars in one session: raise bars.step"),
            (["bars=volume", "bars.size=1e12"], "the session does not fill one bar"),
            (
                ["features.columns=[vpin]", "features.vpin_bucket=7.5"],
                "is not a whole number of lots of 1: choose a multiple",
            ),
        ],
    ),
)
def test_what_the_data_cannot_answer_is_one_sentence(configure, overrides, sentence):
    with Stages() as stages, pytest.raises(DataError, match=sentence):
        experiment.run(configure(*SMALL, "model=ols", *overrides), stages)


def test_a_feed_without_types_has_no_flow_by_type(configure, data):
    path = data("quotes/sample_quotes_20180102_03.csv.gz")
    with Stages() as stages, pytest.raises(DataError, match="does not separate adds from cancels"):
        experiment.run(configure("dataset=quotes", f"dataset.path={path}", "ofi.parts=types", "model=ols"), stages)


def test_bars_of_activity_carry_labels(configure):
    (session, *_) = prepared(configure(*SMALL, "bars=trades", "bars.size=25", "features=core"))
    rows = session.rows
    assert rows.height > 30
    assert (rows["bar_open"][1:] == rows["bar_close"][:-1]).all()
    assert (rows["label_start"] == rows["bar_close"]).all()
    assert rows.filter(pl.col("y").is_not_null()).height > rows.height // 2
    assert np.isfinite(rows["queue_imbalance"].to_numpy()).all()
