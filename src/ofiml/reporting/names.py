"""What the keys of reports and configs are called where people read them."""

from ofiml.metrics.measures import Measure

MEASURES: dict[Measure, str] = {
    "r2": "R²",
    "ic": "IC",
    "rank_ic": "rank IC",
    "hit_rate": "hit rate",
    "auc": "AUC",
    "log_loss": "log loss",
    "brier": "Brier score",
    "pinball": "pinball loss",
    "coverage": "coverage",
}

_STAGES = {
    "sessions": "reading data, samples",
    "folds": "tuning and fitting",
    "leak_check": "leak check",
    "evaluation": "scores and intervals",
}


def name_stage(key: str) -> str:
    """Name a stage of the runtime.

    >>> name_stage("leak_check"), name_stage("some_stage")
    ('leak check', 'some stage')
    """
    return _STAGES.get(key, key.replace("_", " "))
