"""Price-impact regressions on a day of AMZN, to the numbers of an independent computation."""

import json

import numpy as np
import pytest

from ofiml.bars.time import build_bar_table, cut_time_bars, select_states
from ofiml.config import Ofi, RidgeOfi
from ofiml.data.sessions import list_sources
from ofiml.ofi.flow import build_flow_matrix, compute_bar_flow
from ofiml.ofi.reduce import build_reducer
from tests.conftest import slow_but_each, slow_except
from tests.golden.test_aapl import file_dataset

SECOND = 1_000_000_000
STEPS = ["1s", "10s", "60s"]
PLAIN = {"levels": None, "normalise": "none", "parts": "net", "windows": ["bar"]}
RIDGE = RidgeOfi(**PLAIN | {"name": "mlofi_ridge"}, log10_alpha_low=-2.0, log10_alpha_high=4.0, alphas=25)
PCA = Ofi(**PLAIN | {"name": "pca"})


@pytest.fixture(scope="module")
def golden(data):
    return json.loads(data("golden/amzn_20120621_impact.json").read_text())


@pytest.fixture(scope="module", params=[5, 1])
def day(request, data):
    path = data(f"lobster/LOBSTER_SampleFile_AMZN_2012-06-21_{request.param}.zip")
    (session,) = list_sources(file_dataset("lobster", path))[0]()
    return session


def impact(session, step):
    """(flow of all levels, mid change in ticks) of the bars that have both ends."""
    book = select_states(session, "message")
    bars = cut_time_bars(session, book, int(step[:-1]) * SECOND)
    flow = build_flow_matrix(compute_bar_flow(session, "message", bars), session.levels, "none")
    mid = build_bar_table(session, book, bars)["mid"].to_numpy()
    return flow[1:], np.diff(mid)


def r2(y, y_hat, mean):
    return 1 - ((y - y_hat) ** 2).sum() / ((y - mean) ** 2).sum()


def line(x, y):
    slope = np.cov(x, y, ddof=0)[0, 1] / x.var()
    return lambda new: y.mean() + slope * (new - x.mean())


def test_events_and_spread(day, golden):
    expected = golden[f"amzn_l{day.levels}"]
    assert day.events.height == expected["events"]
    spread = ((day.events["ask_px_00"] - day.events["bid_px_00"]) / day.tick).mean()
    assert spread == pytest.approx(expected["spread_ticks_mean"], abs=1e-6)


@pytest.mark.parametrize("step", STEPS)
def test_best_level_pooled(day, golden, step):
    expected = golden[f"amzn_l{day.levels}"][step]
    flow, move = impact(day, step)
    assert len(move) == expected["n"]
    assert np.corrcoef(flow[:, 0], move)[0, 1] ** 2 == pytest.approx(expected["pooled_r2"], abs=1e-6)
    assert (move == 0).mean() == pytest.approx(expected["zero_dm"], abs=1e-6)
    following = np.corrcoef(flow[:-1, 0], move[1:])[0, 1]
    assert following == pytest.approx(expected["pred_corr_next"], abs=1e-6)


@pytest.mark.parametrize("step", slow_but_each(3, STEPS))
def test_levels_in_and_out_of_sample(data, golden, step):
    (session,) = list_sources(file_dataset("lobster", data("lobster/LOBSTER_SampleFile_AMZN_2012-06-21_5.zip")))[0]()
    expected = golden["amzn_l5"][step]
    flow, move = impact(session, step)
    k = int(0.7 * len(move))
    y, y_test, mean = move[:k], move[k:], move[:k].mean()

    best = line(flow[:k, 0], y)
    assert r2(y, best(flow[:k, 0]), mean) == pytest.approx(expected["ofi1_r2_in"], abs=1e-6)
    assert r2(y_test, best(flow[k:, 0]), mean) == pytest.approx(expected["ofi1_r2_oos"], abs=1e-6)

    ridge = build_reducer(RIDGE, 5).fit(flow[:k], y)
    assert ridge.alpha == pytest.approx(expected["mlofi_ridge_alpha"])
    reduced = ridge.transform(flow)[:, 0]
    centred = y.mean() + reduced - reduced[:k].mean()  # the intercept, which the reduction leaves to the model
    assert r2(y, centred[:k], mean) == pytest.approx(expected["mlofi_ridge_r2_in"], abs=1e-6)
    assert r2(y_test, centred[k:], mean) == pytest.approx(expected["mlofi_ridge_r2_oos"], abs=1e-6)

    x = np.column_stack([np.ones(len(flow)), flow])
    beta = np.linalg.lstsq(x[:k], y, rcond=None)[0]
    assert r2(y, x[:k] @ beta, mean) == pytest.approx(expected["mlofi_ols_r2_in"], abs=1e-6)
    assert r2(y_test, x[k:] @ beta, mean) == pytest.approx(expected["mlofi_ols_r2_oos"], abs=1e-6)


@pytest.mark.parametrize("step", slow_but_each(3, STEPS))
def test_principal_components(data, golden, step):
    (session,) = list_sources(file_dataset("lobster", data("lobster/LOBSTER_SampleFile_AMZN_2012-06-21_5.zip")))[0]()
    expected = golden["amzn_l5"][step]
    flow, move = impact(session, step)
    pca = build_reducer(PCA, 5).fit(flow, move)
    # The golden file prints shares to 4 and weights to 3 digits.
    assert pca.explained[:4] == pytest.approx(expected["pca_evr_cov"], abs=5.1e-5)
    assert pca.weights == pytest.approx(expected["integrated_ofi_w"], abs=5.1e-4)
    standard = build_reducer(PCA, 5).fit(flow / flow.std(axis=0), move)
    assert standard.explained[:4] == pytest.approx(expected["pca_evr_corr"], abs=5.1e-5)
    integrated = pca.transform(flow)[:, 0]
    assert np.corrcoef(integrated, move)[0, 1] ** 2 == pytest.approx(expected["integrated_r2_pooled"], abs=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize(("levels", "step"), slow_except([(5, "10s")], [(n, step) for n in (1, 5) for step in STEPS]))
def test_the_study_reports_the_windows(run, data, golden, step, levels):
    path = data(f"lobster/LOBSTER_SampleFile_AMZN_2012-06-21_{levels}.zip")
    study = run("dataset=lobster", f"dataset.path={path}", "target=impact", "model=ols", "ofi=best_level",
                f"bars.step={step}", "evaluation.bootstrap_samples=50")  # fmt: skip
    expected = golden[f"amzn_l{levels}"][step]
    assert study.report.kind == "impact"
    assert study.report.impact.r2_windows == pytest.approx(expected["cks_r2_windows"], abs=5.1e-5)
    assert study.report.impact.r2_window_mean == pytest.approx(expected["cks_r2_mean"], abs=1e-6)


def test_both_files_give_the_same_best_level_flow(data):
    flows = []
    for levels in (1, 5):
        path = data(f"lobster/LOBSTER_SampleFile_AMZN_2012-06-21_{levels}.zip")
        (session,) = list_sources(file_dataset("lobster", path))[0]()
        flows.append(impact(session, "1s")[0][:, 0])
    np.testing.assert_array_equal(*flows)
