"""Optuna, imported on first use because the import takes a second. It logs warnings only."""

from functools import cache
from typing import Any


@cache
def import_optuna() -> Any:
    """Import Optuna and set its log level, once."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna
