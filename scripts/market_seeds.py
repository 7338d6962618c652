"""Measure the default market by seed: the variance of its prices, and what flow says of the next ten seconds.

    python scripts/market_seeds.py --out scripts/results [LABEL="dataset=… dataset.path=…" ...]

prints the table of docs/market.md and writes its numbers into market_seeds.json (a minute on one core).

Each seed has six days. Mids are sampled each half second from a minute after the open on, and the autocorrelations of
their moves, and of the ranks of these, are also measured in the market without information and in each market that is
named. Bars have ten seconds and no delay: the features of a bar forecast the mid's move over the next one. Ridge is
fitted on the even days and tested on the odd ones, and the reverse; the R² of the same bar is that of a least-squares
fit within a half hour, averaged over half hours. The main job is run with the weakest of the seeds.
"""

import argparse
import json
import math
import sys
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from market_facts import read_markets
from scipy.stats import rankdata
from sklearn.linear_model import Ridge

import ofiml
from ofiml._typing import Float
from ofiml.bars.time import select_states
from ofiml.cli.exits import run_command
from ofiml.config import Config, SyntheticDataset
from ofiml.data.schema import Session
from ofiml.data.sessions import list_sources
from ofiml.data.synthetic import simulate
from ofiml.data.synthetic.oracle import compute_expected_move
from ofiml.microstructure.facts.price import sample_mids
from ofiml.study.run import run as run_study
from ofiml.ui.format import format_markdown_table
from ofiml.ui.progress import Stages
from ofiml.units import SECOND, parse_duration

SEEDS = (42, 100, 101, 102, 103, 104)
WEAK = 101
NULL = "without information"
STEP = 10 * SECOND
GRID = SECOND // 2
LAGS = (1, 2, 5, 30, 60, 120, 300)  # seconds
FLOW = [f"ofi_{level:02d}" for level in range(10)]
#: Penalties of ridge, of ten levels and of all features.
FEW, MANY = 100.0, 1000.0
#: What a market remembers of its returns, the columns of the table of markets.
MEMORY = ("autocorrelation of returns at 1 s, 10 s", "of their ranks", "pairs of returns")
#: The columns of the table of seeds, each with the form of its numbers.
COLUMNS = {
    f"variance per second at {', '.join(map(str, LAGS))} s over that at 10 s": ".2f",
    MEMORY[0]: ".3f",
    MEMORY[1]: ".3f",
    "IC and rank IC of the last return": ".3f",
    "best-level OFI": ".3f",
    "ten levels": ".3f",
    "all features": ".3f",
    "oracle": ".3f",
    "R² of the same bar: best, ten levels": ".2f",
}

#: The numbers of a row by column.
Row = dict[str, list[float]]


def sample_path(session: Session) -> Float:
    """Sample the mid in ticks each half second, from a minute after the open on; NaN without both sides."""
    at = np.arange(session.open + 60 * SECOND, session.close, GRID)
    return sample_mids(session, select_states(session, "message"), at)


def measure_variance(paths: list[Float], seconds: int) -> float:
    """Measure the variance of moves over so many seconds, per second, of all paths together."""
    k = seconds * SECOND // GRID
    moves = np.concatenate([path[k:] - path[:-k] for path in paths])
    return float(np.nanmean(moves**2)) / seconds


def pair_moves(paths: list[Float], seconds: int) -> tuple[Float, Float]:
    """Pair each move over so many seconds with the one before, of all paths together, where both are known."""
    moves = [np.diff(path[:: seconds * SECOND // GRID]) for path in paths]
    now, before = np.concatenate([m[1:] for m in moves]), np.concatenate([m[:-1] for m in moves])
    known = ~(np.isnan(now) | np.isnan(before))
    return now[known], before[known]


def correlate(a: Float, b: Float) -> float:
    """Correlate where both are known."""
    known = ~(np.isnan(a) | np.isnan(b))
    return float(np.corrcoef(a[known], b[known])[0, 1])


def correlate_ranks(a: Float, b: Float) -> float:
    """Correlate the ranks where both are known; equal values share their mean rank."""
    known = ~(np.isnan(a) | np.isnan(b))
    return correlate(rankdata(a[known]), rankdata(b[known]))


def measure_memory(paths: list[Float]) -> dict[str, list[float]]:
    """Measure the autocorrelations of moves over 1 s and 10 s, those of their ranks, and the number of pairs."""
    pairs = [pair_moves(paths, seconds) for seconds in (1, 10)]
    return {
        MEMORY[0]: [correlate(*pair) for pair in pairs],
        MEMORY[1]: [correlate_ranks(*pair) for pair in pairs],
        MEMORY[2]: [float(len(now)) for now, _ in pairs],
    }


def tabulate_day(config: SyntheticDataset, day: int, session: Session, features: list[str] | None) -> pl.DataFrame:
    """Tabulate features and oracle of the bars of a day, with the moves (ticks) of the bar and of the next one."""
    bars = ofiml.compute_features(session, features, "10s")
    close = bars["bar_close"].cast(pl.Int64).to_numpy()
    delay = parse_duration("50ms")
    return bars.with_columns(
        pl.lit(day).alias("day"),
        pl.col("mid").diff().alias("last"),
        pl.col("mid").diff().shift(-1).alias("next"),
        pl.Series("oracle", compute_expected_move(session, config, close, delay, STEP)),
    )


def forecast(x: Float, y: Float, day: Float, penalty: float) -> Float:
    """Fit ridge on the even days and predict the odd ones, and the reverse; inputs are clipped at 5 deviations."""
    out = np.empty(len(y))
    for half in (0, 1):
        train = day % 2 == half
        z = np.clip((x - x[train].mean(axis=0)) / (x[train].std(axis=0) + 1e-12), -5, 5)
        out[~train] = Ridge(alpha=penalty).fit(z[train], y[train]).predict(z[~train])
    return out


def explain_bars(x: Float, y: Float, part: Float) -> float:
    """Explain the moves of bars by their own flow within each half hour of 100 or more; return the mean R²."""
    found = []
    for one in np.unique(part):
        chosen = part == one
        if chosen.sum() >= 100:
            design = np.column_stack([x[chosen], np.ones(chosen.sum())])
            rest = y[chosen] - design @ np.linalg.lstsq(design, y[chosen], rcond=None)[0]
            found.append(1 - rest.var() / y[chosen].var())
    return float(np.mean(found))


def measure_seed(config: SyntheticDataset) -> Row:
    """Measure all columns of the table for one seed."""
    paths, days = [], []
    for number in range(config.sessions):
        (session,) = simulate(config, number)
        paths.append(sample_path(session))
        days.append(tabulate_day(config, number, session, None))
    bars = pl.concat(days).filter(pl.col("last").is_not_null() & pl.col("next").is_not_null())
    known = {"bar_open", "bar_close", "mid", "day", "last", "next", "oracle", *FLOW}
    more = [name for name, kind in bars.schema.items() if name not in known and kind.is_numeric()]
    flow, rest = bars.select(FLOW).to_numpy().astype(float), bars.select(more).to_numpy().astype(float)
    last, coming, day, oracle = (bars[name].to_numpy().astype(float) for name in ("last", "next", "day", "oracle"))
    part = day * 1_000_000 + bars["bar_close"].cast(pl.Int64).to_numpy() // (1800 * SECOND)
    every = np.hstack([flow, np.nan_to_num(rest)])
    base, memory = measure_variance(paths, 10), measure_memory(paths)
    found = [
        [measure_variance(paths, seconds) / base for seconds in LAGS],
        memory[MEMORY[0]],
        memory[MEMORY[1]],
        [correlate(last, coming), correlate_ranks(last, coming)],
        [correlate(flow[:, 0], coming)],
        [correlate(forecast(flow, coming, day, FEW), coming)],
        [correlate(forecast(every, coming, day, MANY), coming)],
        [correlate(oracle, coming)],
        [explain_bars(flow[:, :1], last, part), explain_bars(flow, last, part)],
    ]
    return dict(zip(COLUMNS, found, strict=True))


def measure_null(config: SyntheticDataset) -> tuple[float, dict[str, list[float]]]:
    """Measure the oracle's IC and the memory of the prices."""
    paths, days = [], []
    for day in range(config.sessions):
        (session,) = simulate(config, day)
        paths.append(sample_path(session))
        days.append(tabulate_day(config, day, session, ["spread_ticks"]))
    bars = pl.concat(days).filter(pl.col("next").is_not_null())
    oracle = correlate(bars["oracle"].to_numpy(), bars["next"].to_numpy().astype(float))
    return oracle, measure_memory(paths)


def measure_market(config: Config) -> dict[str, list[float]]:
    """Measure the memory of the prices of all sessions of a market. Raises DataError."""
    return measure_memory([sample_path(session) for source in list_sources(config.dataset) for session in source()])


def run_main_job(config: Config) -> dict[str, list[float] | list[str]]:
    """Run the main job; return its IC with the interval, and the controls that it is not clearly above."""
    with Stages() as stages:
        report = run_study(config, stages).report
    ic = report.metrics.pooled["ic"]
    assert report.controls is not None
    above = {name: control.above.ic for name, control in report.controls.items()}
    # A constant has no IC.
    not_above = [str(name) for name, one in above.items() if not (math.isnan(one.value) or one.low > 0)]
    return {"ic": [ic.value, ic.low, ic.high], "not_above": not_above}


def average_rows(rows: list[Row]) -> Row:
    """Average the rows of all seeds."""
    return {name: np.mean([row[name] for row in rows], axis=0).tolist() for name in COLUMNS}


def format_table(table: dict[str, Row]) -> str:
    """Format the table in Markdown."""
    rows = []
    for name, row in table.items():
        cells = [" ".join(f"{x:{form}}" for x in row[column]) for column, form in COLUMNS.items()]
        # Seven numbers fit in a cell without their leading zeros.
        rows.append([name, " ".join(x.removeprefix("0") for x in cells[0].split()), *cells[1:]])
    return format_markdown_table(["seed", *COLUMNS], rows)


def write_results(out: Path | None, markets: dict[str, Config]) -> int:
    """Measure everything, print the table and write the numbers; return the exit code."""
    # First what may not be readable.
    named = {name: measure_market(config) for name, config in markets.items()}
    seeds = {str(seed): measure_seed(_choose("dataset=synthetic", seed)) for seed in SEEDS}
    oracle, memory = measure_null(_choose("dataset=synthetic_null", SEEDS[0]))
    record: dict[str, Any] = {
        "seed": {**seeds, "mean": average_rows(list(seeds.values()))},
        "null": {"oracle": oracle},
        NULL: memory,
        f"main job, seed {WEAK}": run_main_job(read_markets([f"weak=dataset.seed={WEAK}"])["weak"]),
        **named,
    }
    print(format_table(record["seed"]))
    print(json.dumps({name: part for name, part in record.items() if name != "seed"}, indent=1))
    if out is not None:
        (out / "market_seeds.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    return 0


def _choose(dataset: str, seed: int) -> SyntheticDataset:
    """Return the config of a simulated dataset with a seed."""
    found = read_markets([f"market={dataset} dataset.seed={seed}"])["market"].dataset
    assert isinstance(found, SyntheticDataset)
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="folder of the numbers")
    parser.add_argument("markets", nargs="*", metavar='LABEL="overrides"', help="markets beside the simulated ones")
    args = parser.parse_args()
    return run_command(lambda: write_results(args.out, read_markets(args.markets)))


if __name__ == "__main__":
    sys.exit(main())
