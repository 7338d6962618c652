"""The typed config.

`load` turns a composed mapping into a `Config` and rejects unknown keys, wrong types and impossible combinations with a
`ConfigError`. Below `run.py` only these classes are seen. A name in the config looks up a class in `SCHEMAS`; nothing
that a config brings is ever imported or called, because logged configs come from strangers. Models and readers bring
their own schemas: those of the project's folders, and those that installed packages declare (`config.registry`).
"""

from ofiml.config.dataset import DATASETS, FileDataset, Policy, SyntheticDataset, files
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
    "DATASETS",
    "MODELS",
    "PARTS",
    "SCHEMAS",
    "ActivityBars",
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
