"""The whole config, and the schema of each choice of a group."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated

from ofiml.config import combination
from ofiml.config.backtest import Backtest
from ofiml.config.bars import ActivityBars, TimeBars
from ofiml.config.bounds import SEED, Schema, between, each, each_once
from ofiml.config.dataset import DATASETS, FileDataset, SyntheticDataset
from ofiml.config.evaluation import Evaluation
from ofiml.config.features import Features
from ofiml.config.model import MODELS, Model
from ofiml.config.ofi import DecayOfi, Ofi, RidgeOfi
from ofiml.config.parallel import Parallel
from ofiml.config.report import ReportFiles
from ofiml.config.split import Combinatorial, Split, WalkForward
from ofiml.config.strategy import STRATEGIES, Strategy
from ofiml.config.target import Horizon, Target
from ofiml.config.tracking import Tracking
from ofiml.config.tuning import Tuning

SCHEMAS: dict[str, type | Mapping[str, type]] = {
    "dataset": DATASETS,
    "bars": {"time": TimeBars, **dict.fromkeys(("volume", "dollar", "trades", "events"), ActivityBars)},
    "ofi": {
        "best_level": Ofi,
        "mlofi": Ofi,
        "mlofi_sum": Ofi,
        "mlofi_weighted": Ofi,
        "mlofi_decay": DecayOfi,
        "mlofi_ridge": RidgeOfi,
        "mlofi_powell": Ofi,
        "pca": Ofi,
    },
    "features": Features,
    "horizon": Horizon,
    "target": Target,
    "split": {"expanding": WalkForward, "rolling": WalkForward, "cpcv": Combinatorial, "session_out": Split},
    "model": MODELS,
    "tuning": Tuning,
    "evaluation": Evaluation,
    "strategy": STRATEGIES,
    "backtest": Backtest,
    "tracking": Tracking,
    "report": ReportFiles,
    "parallel": Parallel,
}


@dataclass(slots=True)
class Config(Schema):
    """The config of a study.

    `seed` determines every random choice. The model of each fold is also fitted with each of `seeds`. `threads` is the
    number of folds or sessions that run in parallel, on this machine; results do not depend on it, nor on `parallel`.
    """

    seed: Annotated[int, SEED]
    threads: Annotated[int, between(1, 1024)]
    seeds: Annotated[list[int], each(SEED), each_once("one")]
    dataset: SyntheticDataset | FileDataset
    bars: TimeBars | ActivityBars
    ofi: Ofi
    features: Features
    horizon: Horizon
    target: Target
    split: Split
    model: Model
    tuning: Tuning
    evaluation: Evaluation
    strategy: Strategy
    backtest: Backtest
    tracking: Tracking = field(repr=False)  # its uri may hold a password
    report: ReportFiles
    parallel: Parallel

    def __post_init__(self) -> None:
        Schema.__post_init__(self)
        combination.check_model(self.model, self.target)
        combination.check_quantile(self.model, self.tuning, self.backtest, self.target)
        combination.check_block(self.evaluation, self.target, self.horizon, self.bars)
        if self.target.kind == "forecast":
            combination.check_forecast(self.target, self.horizon, self.bars, self.backtest)
            combination.check_strategy(self.strategy, self.target, self.bars, self.backtest)
        else:
            combination.check_impact(self.horizon, self.ofi, self.features)
