"""Optuna, imported on first use, as the import takes a second; it logs warnings only."""

from functools import cache
from typing import Any


@cache
def optuna() -> Any:
    """Import Optuna and set its log level, once."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna
