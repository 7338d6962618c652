"""The typed config.

`load` turns a composed mapping into a `Config` and rejects unknown keys, wrong types and impossible combinations with a
`ConfigError`. Below `run.py` only these classes are seen. A name in the config looks up a class in `SCHEMAS`; nothing
that a config brings is ever imported or called, because logged configs come from strangers: of models, which come with
their schemas, only the project's own files are (`config.model.Models`).
"""

from ofiml.config.dataset import AlgoseekDataset, FileDataset, Policy, QuotesDataset, SyntheticDataset, files
from ofiml.config.evaluation import Evaluation
from ofiml.config.load import load, unknown_key, without_credentials
from ofiml.config.model import MODELS, Kind, Model, Range
from ofiml.config.schema import (
    PARTS,
    SCHEMAS,
    ActivityBars,
    Backtest,
    Config,
    DecayOfi,
    Features,
    Ofi,
    RidgeOfi,
    TimeBars,
    Tracking,
    Tuning,
)
from ofiml.config.split import Combinatorial, Split, WalkForward
from ofiml.config.target import Horizon, Target

__all__ = [
    "MODELS",
    "PARTS",
    "SCHEMAS",
    "ActivityBars",
    "AlgoseekDataset",
    "Backtest",
    "Combinatorial",
    "Config",
    "DecayOfi",
    "Evaluation",
    "Features",
    "FileDataset",
    "Horizon",
    "Kind",
    "Model",
    "Ofi",
    "Policy",
    "QuotesDataset",
    "Range",
    "RidgeOfi",
    "Split",
    "SyntheticDataset",
    "Target",
    "TimeBars",
    "Tracking",
    "Tuning",
    "WalkForward",
    "files",
    "load",
    "unknown_key",
    "without_credentials",
]
