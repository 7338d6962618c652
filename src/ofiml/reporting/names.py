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

_PARAMETERS = {
    "num_leaves": "leaves",
    "min_child_samples": "least rows of a leaf",
    "reg_lambda": "L2 penalty",
    "alpha": "penalty α",
    "l1_ratio": "L1 share of the penalty",
    "c": "inverse penalty C",
}
_STAGES = {
    "sessions": "reading data, samples",
    "folds": "tuning and fitting",
    "leak_check": "leak check",
    "evaluation": "scores and intervals",
}


def name_parameter(key: str) -> str:
    """Name a parameter of a model that tuning searches.

    >>> name_parameter("reg_lambda"), name_parameter("learning_rate")
    ('L2 penalty', 'learning rate')
    """
    return _PARAMETERS.get(key, key.replace("_", " "))


def name_stage(key: str) -> str:
    """Name a stage of the runtime.

    >>> name_stage("leak_check"), name_stage("some_stage")
    ('leak check', 'some stage')
    """
    return _STAGES.get(key, key.replace("_", " "))
