"""Shares of R² against the definition: what a column adds, averaged over all orders."""

from itertools import permutations

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression

from ofiml.metrics.r2_shares import share_r2


def draw(columns, rows=200):
    rng = np.random.default_rng(columns)
    x = rng.normal(size=(rows, columns)) @ rng.normal(size=(columns, columns)) * 50 + 7
    return x, x @ rng.normal(size=columns) + 80 * rng.normal(size=rows)


def test_shares_are_what_columns_add_averaged_over_all_orders():
    x, y = draw(4)

    def r2(columns):
        return LinearRegression().fit(x[:, columns], y).score(x[:, columns], y) if columns else 0.0

    added = np.zeros(4)
    orders = list(permutations(range(4)))
    for order in orders:
        for place, column in enumerate(order):
            added[column] += r2(list(order[: place + 1])) - r2(list(order[:place]))
    shares = share_r2(x, y)
    assert shares == pytest.approx(added / len(orders))
    assert shares.sum() == pytest.approx(r2([0, 1, 2, 3]))
    assert np.ptp(shares) > 0.01


def test_constant_columns_have_none_and_equal_ones_the_same():
    x, y = draw(2)
    shares = share_r2(np.column_stack([x, x[:, 1], np.full(len(y), 3.0)]), y)
    assert shares[3] == pytest.approx(0, abs=1e-12)
    assert shares[1] == pytest.approx(shares[2])
    assert shares.sum() == pytest.approx(share_r2(x, y).sum())


def test_a_constant_outcome_has_no_shares_and_too_many_columns_are_refused():
    x, y = draw(2)
    assert np.isnan(share_r2(x, np.ones_like(y))).all()
    with pytest.raises(ValueError, match="13 columns: at most 12"):
        share_r2(np.zeros((20, 13)), np.arange(20.0))
