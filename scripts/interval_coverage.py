"""Measure how often the intervals of a report contain the true value, on simulated studies.

    python scripts/interval_coverage.py --out FOLDER [--studies 300]

Each simulated study has sessions of bars with an AR(1) signal, moves that depend on it, volatility that clusters and is
U-shaped over the session, fat tails, and overlapping labels. Predictions are the signal plus noise. The true IC, rank
IC, R² and hit rate are those of one simulation of four million bars. The intervals of each study come from the code of
`ofiml run`. The script prints the shares of intervals that contain the true value, and writes interval_coverage.json
and interval_coverage.md into FOLDER.
"""

import argparse
import json
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from hydra import compose, initialize_config_dir
from numpy.typing import NDArray
from rich.progress import track
from scipy.stats import binom

from ofiml.cli.exits import run_command
from ofiml.config import Config, load
from ofiml.evaluation.bootstrap import BlockBootstrap
from ofiml.evaluation.scores import score_predictions
from ofiml.metrics.measures import Forecast, Measure
from ofiml.overrides.conf import CONF
from ofiml.ui.format import format_markdown_table
from ofiml.units import SECOND

Float = NDArray[np.float64]
MEASURES: tuple[Measure, ...] = ("ic", "rank_ic", "r2", "hit_rate")
STEP = 10 * SECOND


@dataclass(frozen=True)
class Design:
    """How many tested sessions of how many bars, labels of how many bars, how strong a signal."""

    name: str
    sessions: int
    bars: int
    overlap: int
    strength: float


DESIGNS = (
    Design("4 sessions of 3 h, labels of a bar", 4, 1080, 1, 0.15),
    Design("4 sessions of 3 h, labels of six bars", 4, 1080, 6, 0.15),
    Design("one session of 4 h, labels of a bar", 1, 1440, 1, 0.15),
    Design("one session of 4 h, labels of six bars", 1, 1440, 6, 0.15),
    Design("20 sessions of 1 h (a block each), labels of six bars", 20, 360, 6, 0.15),
    Design("4 sessions of 3 h, no signal", 4, 1080, 6, 0.0),
)


def session(rng: np.random.Generator, design: Design) -> tuple[Float, Float]:
    """(y, y_hat) of the bars of a session that have a label."""
    n = design.bars + design.overlap
    signal = autoregressive(rng, n, 0.7)
    volatility = np.exp(0.4 * autoregressive(rng, n, 0.98)) * (1 + 0.6 * (2 * np.arange(n) / n - 1) ** 2)
    move = volatility * (design.strength * signal + rng.standard_t(4, n) / np.sqrt(2))
    y = np.lib.stride_tricks.sliding_window_view(move[1:], design.overlap).sum(axis=1)[: design.bars]
    y_hat = 0.2 * (signal[: len(y)] + 0.7 * autoregressive(rng, len(y), 0.7))
    # In ticks, as mids are: half of the moves of a bar are none.
    return np.round(y), y_hat


def autoregressive(rng: np.random.Generator, n: int, phi: float) -> Float:
    """Gaussian, of variance 1."""
    from scipy.signal import lfilter

    start = rng.standard_normal()
    noise = np.sqrt(1 - phi**2) * rng.standard_normal(n)
    return lfilter([1.0], [1.0, -phi], noise, zi=[phi * start])[0]


def truth(design: Design, sessions: int) -> dict[Measure, float]:
    rng = np.random.default_rng([99, design.sessions, design.overlap])
    y, y_hat = (np.concatenate(part) for part in zip(*(session(rng, design) for _ in range(sessions)), strict=True))
    forecast = Forecast(y, y_hat, np.zeros(len(y)))
    return {name: forecast.measure(name) for name in MEASURES}


def study(rng: np.random.Generator, design: Design) -> pl.DataFrame:
    """Predictions as a study's."""
    days = []
    for day in range(design.sessions):
        y, y_hat = session(rng, design)
        close = (np.arange(len(y), dtype=np.int64) + 1) * STEP + day * 86_400 * SECOND
        days.append(
            pl.DataFrame({"bar_close": close, "y": y, "y_hat": y_hat}).with_columns(
                pl.lit(f"day {day:03d}").alias("session")
            )
        )
    return pl.concat(days).with_columns(
        pl.lit("SIM").alias("symbol"),
        pl.lit(0, pl.Int32).alias("fold"),
        pl.lit(0.0).alias("train_mean"),
        pl.col("bar_close").alias("label_start"),
        (pl.col("bar_close") + design.overlap * STEP).alias("label_end"),
    )


def covered(design: Design, config: Config, studies: int) -> dict[Measure, dict[str, float]]:
    """Return, per measure, the true value and the shares of intervals that contain it, lie above it and below it."""
    bootstrap = BlockBootstrap.of(config.evaluation, config.seed)
    true = truth(design, 4_000_000 // design.bars)
    found: dict[Measure, list[tuple[float, float]]] = {name: [] for name in MEASURES}
    for i in track(range(studies), design.name):
        predictions = study(np.random.default_rng([i, design.sessions, design.overlap]), design)
        pooled = score_predictions(predictions, bootstrap, task="regression", quantile=None).pooled
        for name in MEASURES:
            found[name].append((pooled[name].low, pooled[name].high))
    out = {}
    for name, ends in found.items():
        low, high = np.array(ends).T
        out[name] = {
            "truth": true[name],
            "held": float(np.mean((low <= true[name]) & (true[name] <= high))),
            "above": float(np.mean(low > true[name])),
            "below": float(np.mean(high < true[name])),
            "width": float(np.mean(high - low)),
        }
    return out


def run(out: Path, studies: int) -> int:
    with initialize_config_dir(str(CONF), version_base=None):
        config = load(compose("config", overrides=["tracking=off"]))
    found = {design.name: covered(design, config, studies) for design in DESIGNS}
    level = config.evaluation.confidence_level
    few, many = binom.interval(0.95, studies, level)
    rows = [
        [name, *(f"{m['held']:.1%} of {m['truth']:.4f}" for m in by_measure.values())]
        for name, by_measure in found.items()
    ]
    lines = [
        f"{studies} simulated studies each; with correct coverage, a {level:.0%} interval contains the true value in "
        f"{few / studies:.1%} to {many / studies:.1%} of them (95% range).",
        "",
        format_markdown_table(["study", *MEASURES], rows),
    ]
    out.mkdir(parents=True, exist_ok=True)
    (out / "interval_coverage.md").write_text("\n".join(lines) + "\n")
    (out / "interval_coverage.json").write_text(json.dumps(found, indent=1))
    print("\n".join(lines))
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="folder for the results")
    parser.add_argument("--studies", type=int, default=300, help="number of studies per design (default: 300)")
    options = parser.parse_args()
    return run_command(lambda: run(options.out, options.studies))


if __name__ == "__main__":
    sys.exit(main())
