"""Means of mids over bars, from which smoothed labels are made.

Two labels of the literature on deep learning: the mean of the next k mids less the mid (Ntakaris et al. 2018), and the
mean of the next k mids less that of the last k (Zhang, Zohren & Roberts 2019). No order trades at a mean, and a part
of the second label is known when the forecast is made. They are for comparison; `labels.table` makes what a study fits.
"""

import numpy as np

from ofiml._typing import Float


def average_last(mid: Float, k: int) -> Float:
    """Average the last k mids, (n,), up to and including each of `mid` (n,), the bars of one session in order.

    NaN where there are fewer, or one is NaN. Known when the mid is.
    """
    means = np.full(len(mid), np.nan)
    if len(mid) >= k:
        means[k - 1 :] = np.lib.stride_tricks.sliding_window_view(mid, k).mean(axis=1)
    return means


def average_next(mid: Float, k: int) -> Float:
    """Average the k mids after each of `mid` (n,), without its own; NaN where there are fewer, or one is NaN.

    Known k bars later: a label, never a feature.
    """
    means = np.full(len(mid), np.nan)
    if len(mid) > k:
        means[: len(mid) - k] = average_last(mid, k)[k:]
    return means


def compute_martingale_r2(k: int) -> float:
    """Compute the R² that a forecast without any skill has on the label `average_next - average_last`.

    The forecast is mid - average_last, which is known. If the moves of bars are independent with equal variance, the
    known part has (k - 1)(2k - 1)/6k times that variance and the unknown one (k + 1)(2k + 1)/6k. It tends to 1/2.
    """
    known, unknown = (k - 1) * (2 * k - 1), (k + 1) * (2 * k + 1)
    return known / (known + unknown)
