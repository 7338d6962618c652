"""The typed config.

`load` turns a composed mapping into a `Config` and rejects unknown keys, wrong types and impossible combinations with a
`ConfigError`. Everything below `cli` receives these classes. A name in a config selects a class in `SCHEMAS`. Nothing
in a config is ever imported or called, because logged configs come from strangers. Each model, reader and
strategy has its own schema; installed packages declare more (`config.registry`). Their folders are the only other rooms
that the config knows, as names (`config.folders`).
"""

from ofiml.config.backtest import Backtest
from ofiml.config.bars import ActivityBars, TimeBars
from ofiml.config.bounds import Schema
from ofiml.config.dataset import DATASETS, FileDataset, SyntheticDataset
from ofiml.config.evaluation import Evaluation
from ofiml.config.features import Features
from ofiml.config.instrument import Fees, Instrument
from ofiml.config.load import describe_unknown_key, load, require_no_credential, resolve_config
from ofiml.config.model import MODELS, Kind, Model, Range
from ofiml.config.ofi import PARTS, DecayOfi, Ofi, RidgeOfi
from ofiml.config.parallel import Parallel
from ofiml.config.paths import describe_missing_path, files, is_document
from ofiml.config.policy import Policy
from ofiml.config.report import ReportFiles
from ofiml.config.schema import SCHEMAS, Config
from ofiml.config.split import Combinatorial, Split, WalkForward
from ofiml.config.strategy import RULES, STRATEGIES, Rule, Strategy
from ofiml.config.target import Horizon, Target
from ofiml.config.tracking import Tracking
from ofiml.config.tuning import Tuning

__all__ = [
    "DATASETS",
    "MODELS",
    "PARTS",
    "RULES",
    "SCHEMAS",
    "STRATEGIES",
    "ActivityBars",
    "Backtest",
    "Combinatorial",
    "Config",
    "DecayOfi",
    "Evaluation",
    "Features",
    "Fees",
    "FileDataset",
    "Horizon",
    "Instrument",
    "Kind",
    "Model",
    "Ofi",
    "Parallel",
    "Policy",
    "Range",
    "ReportFiles",
    "RidgeOfi",
    "Rule",
    "Schema",
    "Split",
    "Strategy",
    "SyntheticDataset",
    "Target",
    "TimeBars",
    "Tracking",
    "Tuning",
    "WalkForward",
    "describe_missing_path",
    "describe_unknown_key",
    "files",
    "is_document",
    "load",
    "require_no_credential",
    "resolve_config",
]
