"""The params of a run: flat, with names that MLflow takes."""

import json
import re

import pytest

from ofiml.config import resolve_config
from ofiml.tracking.params import flatten_params

_MLFLOW_NAME = re.compile(r"[/\w.\- :]*")  # letters, digits, _ - . : / and spaces


@pytest.mark.parametrize("own", ["instrument=binance_usdm", "+dataset.instruments={ES?*: {taker: {bps: 1}}}"])
def test_patterns_of_symbols_are_no_names_of_params(configure, own):
    config = configure(own)
    params = flatten_params(resolve_config(config))
    assert all(_MLFLOW_NAME.fullmatch(name) for name in params)
    assert json.loads(params["dataset.instruments"]) == config.dataset.instruments
