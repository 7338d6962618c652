"""False discoveries: a known example, by hand."""

import numpy as np
import pytest

from ofiml.metrics.false_discovery import compute_q_values


def by_hand(p, scale=1.0):
    """The smallest p·m/rank of all p that are as large (Benjamini & Hochberg 1995), at most 1."""
    p = np.asarray(p)
    rank = {value: int((p <= value).sum()) for value in p}
    return [min(1.0, min(scale * q * len(p) / rank[q] for q in p if q >= value)) for value in p]


P = [0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.3240, 0.4262, 0.5719, 0.6528, 0.7590, 1]


def test_the_example_of_benjamini_and_hochberg():
    """Their 15 p-values (1995, section 4.1): 4 discoveries at 5 %, where Bonferroni has 3."""
    q, q_any = compute_q_values(np.array(P))
    assert (q <= 0.05).sum() == 4
    assert (np.array(P) * 15 <= 0.05).sum() == 3
    np.testing.assert_allclose(q, by_hand(P))
    np.testing.assert_allclose(q_any, by_hand(P, sum(1 / i for i in range(1, 16))))


def test_what_cannot_be_asked_is_not_counted():
    q, _ = compute_q_values(np.array([0.01, np.nan, 0.04]))
    np.testing.assert_allclose(q, [0.02, np.nan, 0.04])
    assert np.isnan(compute_q_values(np.array([np.nan]))[0]).all()


@pytest.mark.slow
def test_a_study_of_several_symbols_has_a_table(run):
    study = run("debug=tiny", "dataset=synthetic_basket", "dataset.max_sessions=6", "model=ols", "tuning=off")
    symbols = study.report.metrics.symbols
    assert [one.symbol for one in symbols] == ["SYN1", "SYN2", "SYN3", "SYN4", "SYN5"]
    assert sum(one.rows for one in symbols) == study.predictions.height
    for one in symbols:
        assert one.low < one.ic < one.high
        assert one.p <= one.q <= one.q_any
    q, q_any = compute_q_values(np.array([one.p for one in symbols]))
    assert [one.q for one in symbols] == pytest.approx(q.tolist())
    assert [one.q_any for one in symbols] == pytest.approx(q_any.tolist())
