"""The sums over blocks of the terms of a correlation, in one pass over the rows and without a copy of them."""

from ofiml._numba import compiled
from ofiml._typing import Float, Int64


def add_correlation_terms_py(
    y: Float, y_hat: Float, y_centre: float, y_hat_centre: float, block: Int64, sums: Float
) -> None:
    """Add 1, a, b, a², b², ab of each row to the `sums` (blocks, 6) of its `block` (n,), row after row, with a and b
    the y and y_hat (n,) less their centres.
    """
    for i in range(len(block)):
        total, a, b = sums[block[i]], y[i] - y_centre, y_hat[i] - y_hat_centre
        total[0] += 1.0
        total[1] += a
        total[2] += b
        total[3] += a * a
        total[4] += b * b
        total[5] += a * b


add_correlation_terms = compiled(add_correlation_terms_py)
