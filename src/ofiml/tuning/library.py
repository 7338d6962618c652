"""Optuna, imported where it is used, as that takes a second; it says nothing unless something is wrong."""

from functools import cache
from typing import Any


@cache
def optuna() -> Any:
    """The module; its loggers are set once, so that what it tells does not depend on who asks first."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna
