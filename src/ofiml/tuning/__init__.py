"""Tuning inside a fold: Optuna on purged inner folds of the train rows, the same to the bit however often it was cut
short and however many processes worked on it.
"""

from ofiml.tuning.inner import Train
from ofiml.tuning.study import TrialResult, Tuned, tune

__all__ = ["Train", "TrialResult", "Tuned", "tune"]
