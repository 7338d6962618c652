"""The labels, quotes and thresholds of the smoothed-label experiment, against loops over one small session."""

import numpy as np
import pytest

from ofiml.bars.time import find_quotes_at, select_states
from ofiml.experiments.bench import Bench, Market
from ofiml.experiments.recipes._smoothed_scores import SHARES, add_smoothed_labels, forecast_folds, measure_smoothed
from ofiml.experiments.rows import fold_rows
from ofiml.overrides.arguments import compose_config
from ofiml.samples.prepare import prepare_session
from ofiml.samples.settings import SampleSettings
from ofiml.splits.fold import Fold
from ofiml.ui.progress import Stages

MARKET = Market("small", ("dataset=synthetic", "dataset.sessions=1", "dataset.session_length=20m"))
STUDY = ("experiment=smoothed_labels", "horizon.length=4s", "evaluation.bootstrap_samples=50")
K = 4


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    store = f"features.store={tmp_path_factory.mktemp('store')}"
    with Stages() as stages:
        yield Bench([MARKET], lambda given: compose_config([*given, store], "dataset=synthetic"), stages)


@pytest.fixture(scope="module")
def session_rows(bench):
    config = bench.configure(MARKET, *STUDY)
    (session,) = bench.read_sessions(MARKET, *STUDY)
    settings = SampleSettings.of(config)
    samples = prepare_session(session, settings)
    return session, samples.rows, add_smoothed_labels(session, samples, settings)


def test_labels_lags_and_quotes_are_those_of_a_loop(session_rows):
    session, before, rows = session_rows
    mid, close = rows["mid"].to_numpy(), rows["bar_close"].to_numpy()
    book = select_states(session, "message")
    for i in (3, 10, 500, rows.height - 5 - 1):
        past, future = mid[i - K + 1 : i + 1].mean(), mid[i + 1 : i + 1 + K].mean()
        assert rows["next"][i] == pytest.approx(future - mid[i])
        assert rows["both"][i] == pytest.approx(future - past)
        assert rows["gap"][i] == pytest.approx(mid[i] - past)
        assert [rows[f"lag_{j}"][i] for j in (1, 2, 3)] == pytest.approx(
            [mid[i - j + 1] - mid[i - j] for j in (1, 2, 3)]
        )
        later = find_quotes_at(book, np.array([close[i] + 50_000_000, close[i] + 4_050_000_000]))
        ticks = [value / session.tick for side in ("bid", "ask") for value in later[side]]
        assert [rows[c][i] for c in ("entry_bid", "exit_bid", "entry_ask", "exit_ask")] == ticks
        moved = (ticks[1] + ticks[3] - ticks[0] - ticks[2]) / 2
        assert rows["y"][i] == before["y"][i] == pytest.approx(moved)
        # The first move that a row uses begins at the mid of three bars before.
        assert rows["first_used"][i] <= close[i - K + 1]
    assert rows["y"].is_null()[: K - 1].all()
    assert rows["y"].is_null()[-K:].all()


def test_no_label_reaches_beyond_the_interval_that_is_purged(session_rows):
    _, _, rows = session_rows
    assert (rows["label_end"] >= rows["bar_close"] + 4_000_000_000).all()


def test_nothing_of_the_rows_before_knows_a_later_mid(bench):
    folded = fold_rows(bench, MARKET, *STUDY, extend=add_smoothed_labels)
    for fold in folded.folds:
        train, test = folded.rows[fold.train], folded.rows[fold.test]
        assert train["label_end"].max() < test["first_used"].min()


def test_forecasts_and_thresholds_are_of_the_train_rows():
    rng, none = np.random.default_rng(0), np.empty(0, np.int64)
    x, y = rng.normal(size=(300, 2)), rng.normal(size=300)
    folds = [Fold(0, np.arange(100), np.arange(100, 200), none, none)]
    folds.append(Fold(1, np.arange(200), np.arange(200, 300), none, none))
    y_hat, means, cuts = forecast_folds(x, y, folds)
    design = np.column_stack([np.ones(300), x])
    weights = np.linalg.lstsq(design[:100], y[:100], rcond=None)[0]
    assert y_hat[:100] == pytest.approx(design[100:200] @ weights)
    assert means.tolist() == pytest.approx([y[:100].mean()] * 100 + [y[:200].mean()] * 100)
    exceeding = np.mean(np.abs(design[:100] @ weights)[:, None] >= cuts[0], axis=0)
    assert exceeding == pytest.approx(SHARES, abs=0.011)
    x[200:], y[200:] = 5.0, -5.0
    later = forecast_folds(x, y, folds)
    np.testing.assert_array_equal(later[0][:100], y_hat[:100])
    np.testing.assert_array_equal(later[1], means)
    np.testing.assert_array_equal(later[2], cuts)


def test_scores_agree_with_each_other(bench):
    scores = measure_smoothed(bench, MARKET, *STUDY)
    assert scores.k == K
    for label, score in scores.foresight.items():
        assert score.r2 == pytest.approx(1)
        assert score.ics[label] == pytest.approx(1)
    plain = scores.foresight["y"]
    assert plain.gross[1.0] > 0
    for score in scores.forecasts.values():
        assert score.net[1.0].value == pytest.approx(score.skill.mean_ticks)
        assert all(score.net[share].value <= score.gross[share] for share in SHARES if score.traded[share] > 0)
        assert list(score.traded.values()) == sorted(score.traded.values(), reverse=True)
    assert bench.sessions["small"]
