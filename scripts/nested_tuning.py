"""Compare tuning inside the folds with tuning on the test rows, in markets without a signal.

    python scripts/nested_tuning.py --out FOLDER [--seeds 50] [overrides]

Each seed makes one `synthetic_null` market, which is studied in two ways. The first tunes inside the train rows of each
fold, as `ofiml run` does. The second draws as many parameter sets as there are trials, and each fold takes the set that
does best on its own test rows; this is not valid and shows the size of the error. The mean IC of the first should be 0
within its standard error. The script prints the table and writes nested_tuning.json and nested_tuning.md into FOLDER.
"""

import argparse
import json
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from hydra import compose, initialize_config_dir
from rich.console import Console
from rich.progress import track

from ofiml.cli.exits import run_command
from ofiml.config import Config, load
from ofiml.metrics.scores import ic, r2
from ofiml.overrides.conf import CONF
from ofiml.study import run as experiment
from ofiml.ui.format import format_markdown_table
from ofiml.ui.progress import Stages

MARKET = ["dataset=synthetic_null", "dataset.sessions=4", "dataset.session_length=1h", "split.n_folds=4"]
CHEAP = [
    *(
        "tracking=off",
        "backtest=off",
        "evaluation.bootstrap_samples=50",
        "evaluation.controls=false",
        "evaluation.leak_check=false",
    ),
    *("evaluation.decay=[]", "evaluation.permutation_repeats=0", "evaluation.interactions=0"),
]


def configured(overrides: list[str]) -> Config:
    with initialize_config_dir(str(CONF), version_base=None):
        return load(compose("config", overrides=overrides))


def predictions(config: Config) -> pl.DataFrame:
    with Stages(Console(quiet=True)) as stages:
        return experiment.run(config, stages).predictions


def drawn(config: Config, rng: np.random.Generator) -> Config:
    """The config with each tuned parameter drawn from its space, tuning off."""
    values: dict[str, Any] = {}
    for name, r in config.model.space.items():
        value = np.exp(rng.uniform(np.log(r.low), np.log(r.high))) if r.log else rng.uniform(r.low, r.high)
        values[name] = round(value) if isinstance(getattr(config.model, name), int) else float(value)
    return replace(config, model=replace(config.model, **values), tuning=replace(config.tuning, enabled=False))


def studied(seed: int, overrides: list[str], store: str) -> tuple[float, float]:
    """(IC of the study tuned inside its folds, IC of the best parameters of each fold by its test rows)."""
    own = [f"dataset.seed={seed}", f"seed={seed}", f"tuning.storage={store}/tuning", f"features.store={store}/rows"]
    config = configured([*MARKET, *CHEAP, *own, *overrides])
    nested = predictions(config)
    rng = np.random.default_rng(seed)
    tried = [predictions(drawn(config, rng)) for _ in range(config.tuning.trials)]
    chosen = []
    for fold in nested["fold"].unique().sort():
        parts = [one.filter(pl.col("fold") == fold) for one in tried]
        chosen.append(max(parts, key=lambda p: r2(*(p[c].to_numpy() for c in ("y", "y_hat", "train_mean")))))
    cheated = pl.concat(chosen)
    return tuple(ic(one["y"].to_numpy(), one["y_hat"].to_numpy()) for one in (nested, cheated))  # type: ignore[return-value]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("overrides", nargs="*", metavar="override", help="overrides as for ofiml run")
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="folder for the results")
    parser.add_argument("--seeds", type=int, default=50, help="number of markets (default: 50)")
    options = parser.parse_intermixed_args()
    return run_command(lambda: run(options.out, options.seeds, options.overrides))


def run(out: Path, seeds: int, overrides: list[str]) -> int:
    found = []
    for seed in track(range(seeds), "null markets"):
        with tempfile.TemporaryDirectory() as store:
            found.append(studied(seed, overrides, store))
    both = np.array(found)
    mean, error = both.mean(axis=0), both.std(axis=0, ddof=1) / np.sqrt(seeds)
    names = ("inside the folds", "on the test rows (not valid)")
    rows = [[name, f"{mean[i]:.4f}", f"{error[i]:.4f}", f"{mean[i] / error[i]:.1f}"] for i, name in enumerate(names)]
    lines = [
        f"{seeds} null markets, seeds 0 to {seeds - 1}; IC out of sample, no signal:",
        "",
        format_markdown_table(["tuning", "mean IC", "standard error", "mean / error"], rows),
    ]
    out.mkdir(parents=True, exist_ok=True)
    (out / "nested_tuning.md").write_text("\n".join(lines) + "\n")
    result = {"overrides": overrides, "nested": both[:, 0].tolist(), "cheated": both[:, 1].tolist()}
    (out / "nested_tuning.json").write_text(json.dumps(result, indent=1))
    print("\n".join(lines))
    return 0


if __name__ == "__main__":
    sys.exit(main())
