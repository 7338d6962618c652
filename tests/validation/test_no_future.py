"""Nothing available at or before t changes when every event after t does."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from ofiml.data.schema import extract_times
from ofiml.data.sessions import Source
from ofiml.data.synthetic import simulate
from ofiml.samples import prepare as rows_room
from ofiml.samples.settings import SampleSettings
from ofiml.study import run as experiment
from ofiml.ui.progress import Stages
from tests.conftest import slow_but_each, slow_except

LATER = ["label_end", "hold_until", "move_ticks", "y"]
LATER += [f"ahead_{i:02d}" for i in range(7)]
MARKET = ["dataset.sessions=2", "dataset.session_length=25m", "split.n_folds=3", "evaluation.bootstrap_samples=50"]
CORE = ["features=core", *MARKET]
# Bars of activity are tested by row below: how many come after t decides where folds are cut, as a share of all rows.
STUDIES = [
    ["model=lgbm", "ofi=mlofi", "tuning.trials=2", "model.n_estimators=15", *CORE],
    ["model=ols", "ofi=mlofi_ridge", *CORE],
    ["model=ridge", "ofi=pca", "tuning.trials=3", "split=rolling", *CORE],
    ["model=logistic", "ofi=mlofi_decay", "target=direction", "tuning=off", *CORE],
    ["model=ols", "ofi=best_level", "target=impact", *MARKET],
    ["model=lgbm", "target=dead_band", "tuning.trials=2", "model.n_estimators=15", *CORE],
    ["model=logistic", "target=triple_barrier", "horizon=events", "horizon.size=150", "tuning=off", *CORE],
    ["model=ridge", "target=volatility", "tuning=off", *CORE],
    [
        "model=lgbm",
        "ofi=mlofi_powell",
        "tuning=off",
        "features=full",
        "ofi.windows=[bar,30s]",
        "ofi.parts=sides",
        *MARKET,
    ],
]


def corrupted(session, t, seed=0):
    """The session with every price, size, side and action after t replaced by random ones; times stay."""
    rng = np.random.default_rng(seed)
    events = session.events
    after = pl.Series(extract_times(events) > t)
    n = events.height
    shift = pl.Series(rng.integers(-50, 50, n).cumsum() * session.tick)
    changed = {}
    for m in range(session.levels):
        for side in ("bid", "ask"):
            changed[f"{side}_px_{m:02d}"] = pl.col(f"{side}_px_{m:02d}") + shift
            changed[f"{side}_sz_{m:02d}"] = pl.Series(rng.integers(1, 500, n))
    changed["size"] = pl.Series(rng.integers(1, 500, n))
    changed["action"] = pl.Series(rng.choice(["A", "C", "T"], n)).cast(events["action"].dtype)
    changed["side"] = pl.Series(rng.choice(["A", "B"], n)).cast(events["side"].dtype)
    picked = {k: pl.when(after).then(v).otherwise(pl.col(k)) for k, v in changed.items()}
    return replace(session, events=events.with_columns(**picked))


def studied(config, monkeypatch, change=lambda session: session):
    """The study of `config` with each of its sessions changed."""
    sessions = [change(s) for i in range(config.dataset.sessions) for s in simulate(config.dataset, i)]
    monkeypatch.setattr(rows_room, "list_sources", lambda dataset: [Source(lambda s=s: iter([s])) for s in sessions])
    with Stages() as stages:
        return experiment.run(config, stages)


def moments(config):
    """A time in the middle of a bar of each session's tested part."""
    last = simulate(config.dataset, config.dataset.sessions - 1)[0]
    return last.open + (last.close - last.open) * 2 // 5 + 3_333_333_333, last.close - 400 * 10**9


# Of a tuned tree model and an impact at once; of every other study in `make test-slow`.
QUICK = [STUDIES[0], STUDIES[4]]


@pytest.mark.parametrize(
    "overrides",
    slow_except(QUICK, STUDIES),
    ids=lambda o: "-".join(o[:2]),
)
def test_predictions_up_to_t_ignore_everything_after_t(configure, monkeypatch, overrides):
    config = configure(*overrides)
    before = studied(config, monkeypatch)
    for t in moments(config):
        after = studied(config, monkeypatch, lambda session, t=t: corrupted(session, t))
        known = pl.col("bar_close") <= t
        known_before, known_after = (s.predictions.filter(known) for s in (before, after))
        assert 0 < known_before.height < before.predictions.height
        for column in ("bar_close", "fold", "y_hat", "edge_ticks", "mid", "spread_ticks", "train_mean"):
            assert known_before[column].equals(known_after[column]), column
        # The corruption is seen: what comes after t is different.
        assert not before.predictions.filter(~known)["mid"].equals(after.predictions.filter(~known)["mid"])


def prepared(config, session):
    return rows_room.prepare_session(session, SampleSettings.of(config)).rows


@pytest.mark.parametrize(
    "bars",
    [
        [],
        ["bars=volume", "bars.size=2000", "horizon=volume"],
        ["bars=events", "bars.size=700", "target=triple_barrier"],
    ],
)
@pytest.mark.parametrize("where", slow_but_each(3, [0.1, 0.5, 0.9], first=1))
def test_rows_up_to_t_ignore_everything_after_t(configure, where, bars):
    config = configure(*MARKET, "features=full", "ofi.windows=[bar,5s,1m]", "ofi.parts=types", *bars)
    session = simulate(config.dataset, 0)[0]
    t = session.open + int(where * (session.close - session.open)) + 1
    whole, cut = prepared(config, session), prepared(config, corrupted(session, t))
    known = pl.col("bar_close") <= t
    names = [c for c in whole.columns if c not in LATER]
    assert whole.filter(known).select(names).equals(cut.filter(known).select(names))
    # Labels that end by t are known by t.
    ended = pl.col("label_end") <= t
    assert whole.filter(ended).select("y", "move_ticks").equals(cut.filter(ended).select("y", "move_ticks"))


def test_a_feature_that_looks_ahead_is_caught(configure, monkeypatch):
    """The test above can fail: one bar of the future in one feature shows."""
    compute = rows_room.compute_bars

    def ahead(session, market, plan, edges, names):
        computed = compute(session, market, plan, edges, names)
        values = computed.features.copy()
        j = names.index("return_1")
        values[:-1, j] = values[1:, j]
        return replace(computed, features=values)

    monkeypatch.setattr(rows_room, "compute_bars", ahead)
    config = configure(*CORE)
    session = simulate(config.dataset, 0)[0]
    t = session.open + (session.close - session.open) // 2 + 1
    whole, cut = prepared(config, session), prepared(config, corrupted(session, t))
    known = pl.col("bar_close") <= t
    assert not whole.filter(known)["return_1"].equals(cut.filter(known)["return_1"])


@pytest.mark.slow
def test_permuted_labels_give_no_skill(configure, monkeypatch, tmp_path):
    pool_samples = experiment.pool_samples
    config = configure("model=ridge", "tuning.trials=3", "dataset.sessions=3", "evaluation.interactions=0",
                       "evaluation.permutation_repeats=0", "evaluation.decay=[]")  # fmt: skip
    config.features.store = str(tmp_path)  # the four studies have the same rows, but for the labels

    ics = []
    for seed in range(4):

        def permuted(*pooled, seed=seed):
            rows, dropped = pool_samples(*pooled)
            rows = rows.filter(pl.col("y").is_not_null())
            order = np.random.default_rng(seed).permutation(rows.height)
            return rows.with_columns(pl.Series("y", rows["y"].to_numpy()[order])), dropped

        monkeypatch.setattr(experiment, "pool_samples", permuted)
        with Stages() as stages:
            study = experiment.run(config, stages)
        ics.append(study.report.metrics.pooled["ic"])
    # Of 1,900 labels that tell nothing an IC is 0 within 0.03 or so; a leak would move all of them, and far.
    assert max(abs(ic.value) for ic in ics) < 0.1
    assert abs(np.mean([ic.value for ic in ics])) < 0.045
