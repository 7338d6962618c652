"""Compare classifiers on FI-2010's own labels: fitted on a train file, scored on test files.

    python scripts/fi2010.py Train_Dst_NoAuction_ZScore_CF_7.txt Test_Dst_NoAuction_ZScore_CF_7.txt [--out FOLDER]

The files are the published text files (Ntakaris et al. 2018, arXiv 1705.03233): 149 rows, a column per sample. Several
test files are scored as one. A model is a choice of conf/model with settings, as in --models logistic "lgbm
objective=three_class"; all that it learns, scaling included, is learned on the train file. The predicted class is that
of the largest probability. Prints a table and, with --out, writes fi2010.json and fi2010.md into FOLDER. Scores compare
models on these labels and say nothing about what can be traded (docs/data.md).
"""

import argparse
import json
import sys
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from ofiml._typing import Float
from ofiml.cli.exits import run_command
from ofiml.config import Model as ModelConfig
from ofiml.data.formats.fi2010 import (
    BOOK_ROWS,
    EVENTS_PER_SAMPLE,
    HORIZONS,
    INPUT_ROWS,
    Samples,
    check_both_directions,
    check_train_and_tests,
    read_samples,
)
from ofiml.errors import ConfigError
from ofiml.models.registry import build_model
from ofiml.overrides.arguments import compose_config
from ofiml.splits.inner import Inner
from ofiml.splits.rows import Intervals
from ofiml.ui.format import DASH, format_markdown_table

MODELS = ("logistic", "lgbm objective=three_class")
INPUTS = {"book": BOOK_ROWS, "all": INPUT_ROWS}
MAJORITY, LAST_LABEL = "majority class of train", "last label known"
CLASSES = (-1.0, 0.0, 1.0)
COLUMNS = ["events", "forecast", "accuracy", "macro F1", "macro precision", "macro recall", "kappa"]


@dataclass(frozen=True, slots=True)
class Scores:
    """The scores of a forecast on the test samples. Macro averages are over the three classes; a class that is never
    predicted has precision 0. `kappa` is Cohen's, None where it is undefined.
    """

    horizon: int
    forecast: str
    accuracy: float
    macro_f1: float
    macro_precision: float
    macro_recall: float
    kappa: float | None


def compose_models(texts: Sequence[str]) -> dict[str, ModelConfig]:
    """Return the configs of models by their text, `NAME KEY=VALUE …`. Raises ConfigError for an invalid one."""
    models: dict[str, ModelConfig] = {}
    if len(set(texts)) < len(texts):
        raise ConfigError("--models: a model occurs twice: give each model once.")
    for text in texts:
        words = text.split()
        if not words:
            raise ConfigError('--models: a model has no name: write --models "NAME KEY=VALUE …".')
        overrides = ["target=direction", f"model={words[0]}", *(f"model.{setting}" for setting in words[1:])]
        models[text] = compose_config(overrides, '--models "lgbm objective=three_class"').model
    return models


def score_forecast(horizon: int, forecast: str, y_true: Float, y_pred: Float) -> Scores:
    """Score predicted directions (n,) against the true ones."""
    from sklearn.exceptions import UndefinedMetricWarning
    from sklearn.metrics import accuracy_score, cohen_kappa_score, precision_recall_fscore_support

    precision, recall, f1, _ = precision_recall_fscore_support(
        y_true, y_pred, labels=CLASSES, average="macro", zero_division=0
    )
    with warnings.catch_warnings():
        # 0 / 0 if all samples are of one class and predicted so; the versions of scikit-learn warn differently.
        warnings.simplefilter("ignore", RuntimeWarning)
        warnings.simplefilter("ignore", UndefinedMetricWarning)
        kappa = float(cohen_kappa_score(y_true, y_pred, labels=CLASSES))
    accuracy = float(accuracy_score(y_true, y_pred))
    return Scores(
        horizon, forecast, accuracy, float(f1), float(precision), float(recall), kappa if np.isfinite(kappa) else None
    )


def find_majority(y: Float) -> float:
    """Find the most frequent of the directions; the lowest of equally frequent ones."""
    return CLASSES[int(np.argmax([np.sum(y == value) for value in CLASSES]))]


def predict_directions(model: ModelConfig, train: Samples, x_test: Float, horizon: int, width: int, seed: int) -> Float:
    """Fit a model on the first `width` inputs of the train samples; predict the most probable direction (n,)."""
    position = np.arange(len(train), dtype=np.int64)  # samples have no times: their order is the clock
    inner = Inner(Intervals(position, position, position + horizon // EVENTS_PER_SAMPLE), embargo=0)
    fitted = build_model(model, task="classification", seed=seed).fit(
        train.x[:, :width], train.directions(horizon), inner
    )
    proba = fitted.probabilities(x_test)
    assert proba is not None, "only a classifier has probabilities"
    return np.array(CLASSES)[np.argmax(proba, axis=1)]


def score_all(
    train: Samples,
    tests: Sequence[Samples],
    models: dict[str, ModelConfig],
    horizons: Sequence[int],
    *,
    width: int,
    seed: int,
) -> Iterator[Scores]:
    """Yield the scores of both baselines and of each model, horizon by horizon.

    Raises DataError, before any fit, for train labels from which no direction can be learned.
    """
    for horizon in horizons:
        check_both_directions(train, horizon)
    x_test = np.concatenate([test.x[:, :width] for test in tests])
    for horizon in horizons:
        y_true = np.concatenate([test.directions(horizon) for test in tests])
        majority = find_majority(train.directions(horizon))
        last = np.concatenate([test.last_known_directions(horizon, majority) for test in tests])
        yield score_forecast(horizon, MAJORITY, y_true, np.full(len(y_true), majority))
        yield score_forecast(horizon, LAST_LABEL, y_true, last)
        for name, model in models.items():
            y_pred = predict_directions(model, train, x_test, horizon, width, seed)
            yield score_forecast(horizon, name, y_true, y_pred)


def describe_limits(train: Samples) -> list[str]:
    """Describe what the scores mean and what cannot be done with these files, in sentences."""
    return [
        f"The publishers of the data normalised prices and sizes, {train.normalisation}; whether their constants knew "
        "the test days cannot be checked.",
        "No order flow, bar, spread or cost can be computed: the files have one sample for ten events, no times, no "
        "trades and no currency.",
        "Five stocks follow each other without a mark, so a last label, or a validation row, may be of another stock.",
        "Train and test files are separate days as published, so no train label reaches into a test file.",
        "A two-class model (logistic, or lgbm without three_class) has the same probability of stationary for all "
        "samples, the share in train; where that is large, it predicts the majority class.",
        "The scores compare models on these labels. They say nothing about what can be traded.",
    ]


def format_row(scores: Scores) -> list[str]:
    """Format the cells of `COLUMNS`."""
    values = (scores.accuracy, scores.macro_f1, scores.macro_precision, scores.macro_recall, scores.kappa)
    return [str(scores.horizon), scores.forecast, *(DASH if value is None else f"{value:.4f}" for value in values)]


def describe_files(train: Samples, tests: Sequence[Samples]) -> str:
    """Describe the files and their numbers of samples."""
    parts = [f"{test.name} ({len(test):,})" for test in tests]
    return f"Train: {train.name} ({len(train):,} samples). Test: {', '.join(parts)}."


def print_scores(train: Samples, tests: Sequence[Samples], scores: Sequence[Scores], console: Console) -> None:
    """Print the table and what cannot be done."""
    console.print(describe_files(train, tests), highlight=False, markup=False)
    table = Table(box=None, pad_edge=False)
    for i, name in enumerate(COLUMNS):
        table.add_column(name, justify="left" if i == 1 else "right", no_wrap=True)
    for row in map(format_row, scores):
        table.add_row(*row)
    console.print(table)
    for sentence in describe_limits(train):
        console.print(f"- {sentence}", highlight=False, markup=False)


def files_to_json(files: Sequence[Samples]) -> list[dict[str, Any]]:
    """Convert names, digests, sizes and the counts of labels 1, 2, 3 by horizon to JSON-compatible data."""
    out = []
    for one in files:
        labels = {str(h): [int(np.sum(one.labels[:, i] == c)) for c in (1, 2, 3)] for i, h in enumerate(HORIZONS)}
        out.append({"name": one.name, "sha256": one.sha256, "samples": len(one), "labels_1_2_3": labels})
    return out


def write_scores(
    out: Path, train: Samples, tests: Sequence[Samples], scores: Sequence[Scores], settings: dict[str, Any]
) -> None:
    """Write fi2010.json and fi2010.md into the folder `out`."""
    out.mkdir(parents=True, exist_ok=True)
    record = {
        "settings": settings,
        "train": files_to_json([train])[0],
        "tests": files_to_json(tests),
        "normalised": train.normalisation,
        "scores": [asdict(one) for one in scores],
        "limits": describe_limits(train),
    }
    text = json.dumps(record, indent=1, ensure_ascii=False, allow_nan=False)
    (out / "fi2010.json").write_text(text + "\n", encoding="utf-8")
    lines = [
        describe_files(train, tests),
        "",
        format_markdown_table(COLUMNS, [format_row(one) for one in scores]),
        "",
        *(f"- {sentence}" for sentence in describe_limits(train)),
    ]
    (out / "fi2010.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


def run(args: argparse.Namespace) -> int:
    """Read, fit, score and print; return the exit code. Raises ConfigError and DataError."""
    models = compose_models(args.models)
    horizons = sorted(set(args.horizons))
    train = read_samples(args.train)
    tests = [read_samples(path) for path in args.tests]
    check_train_and_tests(train, tests)
    steps = score_all(train, tests, models, horizons, width=INPUTS[args.inputs], seed=args.seed)
    total = len(horizons) * (2 + len(models))
    progress = Console(stderr=True, quiet=not sys.stderr.isatty())
    scores = list(track(steps, "fits", total=total, console=progress, transient=True))
    console = Console(width=160)
    print_scores(train, tests, scores, console)
    if args.out is not None:
        settings = {
            "models": {text: asdict(model) for text, model in models.items()},
            "horizons": horizons,
            "inputs": args.inputs,
            "seed": args.seed,
        }
        write_scores(args.out, train, tests, scores, settings)
        console.print(f"{args.out}: fi2010.json, fi2010.md", highlight=False, markup=False, soft_wrap=True)
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("train", type=Path, metavar="TRAIN", help="published train file")
    parser.add_argument("tests", type=Path, nargs="+", metavar="TEST", help="published test files of the same fold on")
    parser.add_argument(
        "--horizons", type=int, nargs="+", choices=HORIZONS, default=HORIZONS, help="horizons in events (all)"
    )
    parser.add_argument(
        "--models", nargs="+", default=MODELS, metavar="MODEL", help=f"models with settings ({', '.join(MODELS)})"
    )
    parser.add_argument("--inputs", choices=INPUTS, default="all", help="rows 1-40 (book) or 1-144 (all, the default)")
    parser.add_argument("--seed", type=int, default=7, help="seed of the models (7)")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="folder of fi2010.json and fi2010.md")
    args = parser.parse_args()
    return run_command(lambda: run(args), remedy="Run the same command again.")


if __name__ == "__main__":
    sys.exit(main())
