"""What the environment sets beside the overrides, as conf/tracking/mlflow.yaml reads it."""

import os


def read_default_uri() -> str:
    """Read the address of the store of runs from MLFLOW_TRACKING_URI; without it, that of the working folder."""
    return os.environ.get("MLFLOW_TRACKING_URI", "sqlite:///mlflow.db")
