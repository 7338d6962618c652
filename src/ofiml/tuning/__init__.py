"""Tuning inside a fold: Optuna on purged inner folds of the train rows. The result has the same bits after any number
of interruptions and with any number of processes.
"""

from ofiml.tuning.inner import TrainRows
from ofiml.tuning.places import check_storage
from ofiml.tuning.study import TrialResult, TuningResult, tune

__all__ = ["TrainRows", "TrialResult", "TuningResult", "check_storage", "tune"]
