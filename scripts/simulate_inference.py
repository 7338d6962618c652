"""Measure the size and power of the tests between runs, and the coverage of intervals, on runs of known skill.

    python scripts/simulate_inference.py --out scripts/results

prints the tables of docs/inference.md and writes their numbers into simulate_inference.json (two minutes on one core).
"""

import argparse
import json
from pathlib import Path

import numpy as np
from arch.bootstrap import IIDBootstrap
from numpy.typing import NDArray
from scipy.signal import lfilter

from ofiml.metrics import superiority as compared
from ofiml.metrics.bootstrap import compute_tail_probability
from ofiml.metrics.hac import compute_hac_statistics
from ofiml.metrics.overfitting import estimate_pbo
from ofiml.metrics.scores import ic
from ofiml.metrics.sharpe import deflated_sharpe, sharpe
from ofiml.ui.format import format_markdown_table

Float = NDArray[np.float64]

#: The numbers of a table by row and column, each with its simulation error where the table shows one.
Table = dict[str, dict[str, list[float]]]

SWEEPS, STUDIES = 200, 300
TIMES, RUNS, OVERLAP, SKILL, BLOCK = 1200, 10, 3, 0.2, 20
SUPERIOR_SWEEPS = 2000
TRUE_ROWS = 2_000_000


def sweep(seed: int, skill: float, times: int = TIMES) -> Float:
    """Simulate performances (times, runs) with a common part and overlapping labels; only the first run has skill."""
    rng = np.random.default_rng(seed)
    noise = rng.standard_normal((times + OVERLAP, RUNS)) + 0.7 * rng.standard_normal((times + OVERLAP, 1))
    windows = np.lib.stride_tricks.sliding_window_view(noise, OVERLAP + 1, axis=0).mean(axis=2)
    performance = windows / windows.std()
    performance[:, 0] += skill
    return performance


def share(values: list[bool]) -> list[float]:
    """Return a share and its simulation error."""
    p = float(np.mean(values))
    return [p, float(np.sqrt(max(p * (1 - p), 1 / len(values)) / len(values)))]


def between_runs() -> Table:
    """Tabulate how often each test rejects without skill, and with skill in one run."""
    spoke: dict[str, list[list[bool]]] = {}
    overfit: list[list[float]] = [[], []]
    for which, skill in enumerate((0.0, SKILL)):
        for seed in range(SWEEPS):
            performance = sweep(10_000 * which + seed, skill)
            draws = {"block": BLOCK, "samples": 300, "seed": seed}
            inside = compared.confidence_set(performance, **draws) > 0.05
            first = compared.diebold_mariano(performance[:, 0] - performance[:, 1], OVERLAP)
            blocks = performance.reshape(-1, BLOCK, RUNS).sum(axis=1)
            ratios = np.array([sharpe(column) for column in blocks.T])
            best = deflated_sharpe(
                blocks[:, ratios.argmax()], RUNS, max(float(ratios.var(ddof=1)), 1 / (len(blocks) - 1))
            )
            found = {
                "Diebold-Mariano: two runs differ": first.p < 0.05,
                "deflated Sharpe of the best above 0.95": best.probability > 0.95,
                "95 % confidence set contains the first run": bool(inside[0]),
                "95 % confidence set contains the second run": bool(inside[1]),
            }
            for name, value in found.items():
                spoke.setdefault(name, [[], []])[which].append(value)
            overfit[which].append(estimate_pbo(performance).pbo)
    columns = ("no skill", f"the first run has {SKILL}")
    rows = {name: dict(zip(columns, map(share, both), strict=True)) for name, both in spoke.items()}
    means = [[float(np.mean(v)), float(np.std(v) / np.sqrt(len(v)))] for v in overfit]
    return {**rows, "mean probability of overfitting": dict(zip(columns, means, strict=True))}


def superior() -> Table:
    """Tabulate how often SPA and reality check reject without skill, and with skill in one run."""
    settings: dict[str, tuple[int, float | Float, float]] = {
        "60 blocks": (TIMES, 1.0, 0.0),
        "12 blocks": (12 * BLOCK, 1.0, 0.0),
        "8 blocks": (8 * BLOCK, 1.0, 0.0),
        "60 blocks, scales from 1 to 10": (TIMES, np.linspace(1, 10, RUNS), 0.0),
        "60 blocks, five runs far worse than no skill": (TIMES, 1.0, 0.5),
    }
    cells = ("no skill", f"the first run has {SKILL}")
    columns = [f"{test}, {cell}" for test in ("SPA", "reality check") for cell in cells]
    rows: Table = {}
    for name, (times, scales, loss) in settings.items():
        spoke: dict[str, list[list[bool]]] = {test: [[], []] for test in ("spa", "reality_check")}
        for which, skill in enumerate((0.0, SKILL)):
            for seed in range(SUPERIOR_SWEEPS):
                performance = sweep(10_000 * which + seed, 0.0, times) * scales
                performance[:, RUNS // 2 :] -= loss
                performance[:, 0] += skill
                found = compared.superior_ability(performance, np.arange(times) // BLOCK, samples=400, seed=seed)
                for test in spoke:
                    spoke[test][which].append(getattr(found, test) < 0.05)
        shares = [share(each) for both in spoke.values() for each in both]
        rows[name] = dict(zip(columns, shares, strict=True))
    return rows


def market(rng: np.random.Generator, rows: int, strength: float, reach: int) -> tuple[Float, Float]:
    """Simulate autocorrelated flow and returns over `reach` rows, with volatility clusters and fat tails."""
    n = rows + reach
    flow = lfilter([1], [1, -0.7], rng.standard_normal(n + 200))[200:] * np.sqrt(1 - 0.49)
    volatility = np.exp(0.3 * lfilter([1], [1, -0.98], 0.15 * rng.standard_normal(n + 500))[500:])
    price = np.cumsum((strength * flow + rng.standard_t(5, n) / np.sqrt(5 / 3)) * volatility)
    price = np.concatenate([[0.0], price])
    return flow[:rows], price[reach : reach + rows] - price[:rows]


def coverage() -> Table:
    """Tabulate how often 95 % intervals of the IC contain the true IC."""
    columns = ("true IC", "expanded percentile (ours)", "percentile", "basic", "BCa", "HAC t ±")
    rows: Table = {}
    for blocks, length, reach in ((12, 30, 1), (30, 60, 6)):
        for strength in (0.0, 0.2):
            flow, gain = market(np.random.default_rng(0), TRUE_ROWS, strength, reach)
            truth = ic(gain, flow)
            covered: dict[str, list[bool]] = {name: [] for name in ("ours", "percentile", "basic", "bca", "hac")}
            for seed in range(STUDIES):
                x, y = market(np.random.default_rng(1 + seed), blocks * length, strength, reach)
                parts = np.arange(blocks * length).reshape(blocks, length)

                def of_blocks(drawn: NDArray, x: Float = x, y: Float = y, parts: NDArray = parts) -> Float:
                    rows = parts[drawn].ravel()
                    return np.array([ic(y[rows], x[rows])])

                # `pick_blocks` draws the same blocks as arch's bootstrap (see the tests).
                boot = IIDBootstrap(np.arange(blocks), seed=np.random.default_rng(seed))
                inside = 1 - 2 * compute_tail_probability(0.95, blocks)
                for name in covered:
                    if name != "hac":
                        level, kind = (inside, "percentile") if name == "ours" else (0.95, name)
                        limits = boot.conf_int(of_blocks, 400, kind, level, reuse=name != "ours").ravel()  # type: ignore[arg-type]
                        covered[name].append(bool(limits[0] <= truth <= limits[1]))
                found = compute_hac_statistics(y, x, np.arange(len(y)), reach - 1)
                value = ic(y, x)
                covered["hac"].append(abs(value - truth) <= 1.96 * abs(value / found.ic.t))
            setting = f"{blocks} blocks of {length} rows, labels over {reach}, strength {strength}"
            numbers = [truth, *(float(np.mean(each)) for each in covered.values())]
            rows[setting] = {column: [number] for column, number in zip(columns, numbers, strict=True)}
    return rows


TABLES = {
    f"{SWEEPS} sweeps of {RUNS} runs over {TIMES} times": between_runs,
    f"{SUPERIOR_SWEEPS} sweeps of {RUNS} runs": superior,
    f"{STUDIES} studies": coverage,
}


def show(title: str, table: Table) -> str:
    """Format a table in Markdown."""
    header = [title, *next(iter(table.values()))]
    rows = [[name, *(" ± ".join(f"{x:.3f}" for x in cell) for cell in row.values())] for name, row in table.items()]
    return format_markdown_table(header, rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="folder of the numbers")
    out = parser.parse_args().out
    found: dict[str, Table] = {}
    for title, make in TABLES.items():
        found[title] = make()
        print(show(title, found[title]), end="\n\n", flush=True)
        if out is not None:
            (out / "simulate_inference.json").write_text(
                json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
            )


if __name__ == "__main__":
    main()
