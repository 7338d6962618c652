"""Controls: known answers for what they are made of; what they say of a study that is sound, and of one that is not."""

import json
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from ofiml.reporting.controls import NAMES
from ofiml.reporting.figures import choose_figures
from ofiml.reporting.sentences import write_sentences
from ofiml.study import run as experiment
from ofiml.tracking.metrics import list_control_metrics
from ofiml.validation.control_labels import permute_labels, shift_rows, walk_labels
from ofiml.validation.controls import WITHOUT_SIGNAL

S = 10**9


def day(bars=12, step=10, span=10.25, mid=None):
    """One session's bars of `step` s from 0, labels over the `span` s after each."""
    close = (np.arange(bars) + 1) * step * S
    return pl.DataFrame(
        {
            "bar_open": close - step * S,
            "bar_close": close,
            "label_start": close,
            "label_end": close + round(span * S),
            "scale": np.ones(bars),
            "mid": np.arange(bars, dtype=np.float64) ** 2 + 100 if mid is None else mid,
        }
    )


def shifted(rows, config):
    return shift_rows(rows, config.features.columns, config.ofi)


def random_walk(rows, config, rng):
    return walk_labels(rows, config.target, config.horizon, rng)


def test_shifted_is_the_nearest_bar_that_is_far_enough(configure):
    # A label of 10.25 s and a bar of 10 s: more than 20.25 s before is 30 s before.
    assert shifted(day(6), configure()).tolist() == [-1, -1, -1, 0, 1, 2]
    # With a look-back of 25 s, more than 35.25 s.
    assert shifted(day(6), configure("ofi.windows=[bar,25s]")).tolist() == [-1, -1, -1, -1, 0, 1]
    # Exactly as long ago is not more: 20 s of label and bar.
    assert shifted(day(6, span=10), configure()).tolist() == [-1, -1, -1, 0, 1, 2]
    assert shifted(day(6, span=9.9), configure()).tolist() == [-1, -1, 0, 1, 2, 3]


def test_shifted_counts_the_look_back_of_features(configure):
    config = configure()
    for columns, back in (([], 3), (["ofi_60s"], 8)):
        config.features.columns = columns
        assert shifted(day(12), config).tolist() == [*[-1] * back, *range(12 - back)]


def test_a_random_walk_has_the_bars_own_changes_and_labels_that_overlap(configure):
    config, rows = configure("horizon=30s"), day(40, span=30.25)
    walk = random_walk(rows, config, np.random.default_rng(1))
    one = random_walk(day(40, span=10.25), configure(), np.random.default_rng(1))
    # Over one bar, the bar's own change, up or down.
    np.testing.assert_allclose(np.abs(one[:-1]), np.diff(rows["mid"].to_numpy()))
    assert 0 < (one[:-1] > 0).sum() < 39
    assert np.isnan(one[-1])
    # Over three bars, the sum of the next three.
    np.testing.assert_allclose(walk[:-3], np.convolve(one[:-1], np.ones(3), "valid"))
    assert np.isnan(walk[-1])


@pytest.mark.slow
def test_a_random_walk_in_other_units_and_bars(configure):
    ticks = random_walk(day(), configure(), np.random.default_rng(1))
    scaled = day().with_columns(scale=1e-4 * pl.col("mid"))
    bps = random_walk(scaled, configure("target.unit=bps"), np.random.default_rng(1))
    sign = random_walk(day(), configure("target=direction", "model=logistic"), np.random.default_rng(1))
    np.testing.assert_allclose(bps, 1e4 * ticks / day()["mid"].to_numpy())
    np.testing.assert_array_equal(sign, np.sign(ticks))
    barrier = configure("target=triple_barrier", "model=logistic", "target.take_profit=5", "target.stop=9")
    touched = random_walk(day(), barrier, np.random.default_rng(1))
    known = ~np.isnan(ticks)
    assert touched[known].tolist() == [1 if m >= 5 else -1 if m <= -9 else 0 for m in ticks[known]]
    assert {-1, 0, 1} == set(touched[known])
    # A label shorter than the bar still spans one.
    np.testing.assert_array_equal(random_walk(day(span=3), configure(), np.random.default_rng(1)), ticks)
    # Of impact, the bar itself.
    impact = configure("target=impact", "model=ols")
    same = day().with_columns(label_start="bar_open", label_end="bar_close")
    walk = random_walk(same, impact, np.random.default_rng(1))
    assert np.isnan(walk[0])
    np.testing.assert_array_equal(walk[1:], ticks[:-1])


def test_permuted_labels_stay_with_their_symbol():
    symbol, y = np.array(["B", "A"] * 50), np.arange(100.0)
    y[[4, 5]] = np.nan
    table = pl.Series(symbol)
    dealt = permute_labels(table, y, 7)
    # One draw after the other, in the order of the names.
    rng, by_hand = np.random.default_rng([7, 0]), y.copy()
    for name in ("A", "B"):
        known = np.flatnonzero((symbol == name) & ~np.isnan(y))
        by_hand[known] = y[rng.permutation(known)]
    np.testing.assert_array_equal(dealt, by_hand)
    assert (np.isnan(dealt) == np.isnan(y)).all()
    for name in ("A", "B"):
        assert sorted(dealt[(symbol == name) & ~np.isnan(y)]) == sorted(y[(symbol == name) & ~np.isnan(y)])
    assert (dealt != y).sum() > 80
    assert (dealt[~np.isnan(y)] == permute_labels(table, y, 7)[~np.isnan(y)]).all()
    assert (dealt != permute_labels(table, y, 8)).sum() > 80


MARKET = ["debug=tiny", "tuning=off", "dataset.max_events=null", "dataset.session_length=40m", "split.n_folds=3"]


def test_a_sound_study_is_above_what_is_empty(run):
    study = run(*MARKET, "model=ols", "target=impact", "evaluation.controls=true")
    controls = json.loads(study.report.to_json())["controls"]
    assert list(controls) == [*("permuted", "random_walk", "shifted"), "zero", "ofi_sign"]
    for name in WITHOUT_SIGNAL:
        assert abs(controls[name]["ic"]) < 0.3
        assert controls[name]["above"]["ic"]["low"] > 0.3
        assert not controls[name]["skill"]
    assert controls["zero"]["ic"] is None
    assert controls["zero"]["above"]["r2"]["low"] > 0.3
    line = next(s for s in write_sentences(study) if s.startswith("Controls, gain of the model in IC: "))
    assert all(f"against {NAMES[name]}" in line or name == "zero" for name in controls)
    assert "controls.png" in choose_figures(study)
    logged = {m.name: m.value for m in list_control_metrics(study.report.controls)}
    assert logged["above_permuted"] == controls["permuted"]["above"]["ic"]["value"]
    assert logged["above_permuted_low"] == controls["permuted"]["above"]["ic"]["low"]
    assert "above_zero" not in logged


@pytest.mark.slow
@pytest.mark.parametrize(
    "overrides",
    [
        ["model=logistic", "target=direction"],
        ["model=zero", "ofi.windows=[30s]"],
        pytest.param(["model=ridge", "target=volatility", "horizon.delay=3s"], marks=pytest.mark.slow),
        pytest.param(["model=logistic", "target=dead_band", "horizon=events"], marks=pytest.mark.slow),
        pytest.param(
            ["model=lgbm", "features=full", "bars=events", "bars.size=1000", "target.unit=bps"],
            marks=pytest.mark.slow,
        ),
        pytest.param(["model=lgbm", "target=triple_barrier", "split=cpcv"], marks=pytest.mark.slow),
    ],
    ids=" ".join,
)
def test_each_variant_has_its_controls(run, overrides):
    study = run("debug=tiny", "tuning=off", "evaluation.controls=true", *overrides)
    assert set(study.report.controls) == set(NAMES)
    assert all(c.rows <= study.predictions.height for c in study.report.controls.values())
    assert sum("Controls, gain of the model in IC" in s for s in write_sentences(study)) == 1


@pytest.mark.slow
def test_switched_off_nothing_is_said(run):
    study = run("debug=tiny", "tuning=off", "model=ols", "evaluation.controls=false")
    assert study.report.controls is None
    assert not any("Controls" in s for s in write_sentences(study))
    assert "controls.png" not in choose_figures(study)


def test_rows_that_are_trained_on_and_tested_show_in_labels_that_have_no_skill(run, monkeypatch):
    """A splitter that lets test rows into the training makes the pipeline find skill where there is none."""
    divide = experiment.divide_rows

    def careless(judged, *asked):
        everything, divided = np.arange(judged.height, dtype=np.int64), divide(judged, *asked)
        return replace(divided, folds=[replace(fold, train=everything) for fold in divided.folds])

    large = ["model=lgbm", "model.num_leaves=63", "model.min_child_samples=2", "model.learning_rate=0.3"]
    quick = [
        "model.n_estimators=40",
        "evaluation.interactions=0",
        "evaluation.permutation_repeats=0",
        "evaluation.decay=[]",
    ]
    asked = [*MARKET, *large, *quick, "evaluation.controls=true", "evaluation.block_length=120s"]
    assert not any(s.startswith("Warning") for s in write_sentences(run(*asked)))
    monkeypatch.setattr(experiment, "divide_rows", careless)
    study = run(*asked)
    assert study.report.controls["permuted"].skill
    assert any("finds skill with permuted labels, where there is none" in s for s in write_sentences(study))
