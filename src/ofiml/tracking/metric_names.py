"""The names of metrics that other modules read, and the earlier names of metrics, which logged runs may have."""

from collections.abc import Mapping

FOLDS = "folds"  # the number of folds; also a tag, which a run has before its first fold is fitted
TRIALS = "trials"  # the number of tuning trials, over all folds
SECONDS_LOGGING = "seconds_logging"  # beside `seconds`, which the report has

_EARLIER = {
    "pooled/ic": "ic",
    "pooled/ic_low": "ic_low",
    "pooled/ic_high": "ic_high",
    "pooled/r2": "r2",
    "backtest/net_pnl": "net",
    "backtest/sharpe_net": "net_sharpe",
    "tuning/trials": TRIALS,
}


def rename_metrics(metrics: Mapping[str, float]) -> dict[str, float]:
    """Return the metrics of a run, those with an earlier name under their present one.

    >>> rename_metrics({"pooled/ic": 0.1, "folds": 5.0})
    {'ic': 0.1, 'folds': 5.0}
    """
    return {_EARLIER.get(name, name): value for name, value in metrics.items()}
