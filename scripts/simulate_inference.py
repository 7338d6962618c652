"""Measure the size and power of the tests between runs, and the coverage of intervals, on runs of known skill.

    python scripts/simulate_inference.py

prints the tables of docs/inference.md (about eight minutes on one core).
"""

import argparse
import sys

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

SWEEPS, STUDIES = 200, 300
TIMES, RUNS, OVERLAP, SKILL, BLOCK = 1200, 10, 3, 0.2, 20
SUPERIOR_SWEEPS = 2000


def sweep(seed: int, skill: float, times: int = TIMES) -> Float:
    """Simulate performances (times, runs) with a common part and overlapping labels; only the first run has skill."""
    rng = np.random.default_rng(seed)
    noise = rng.standard_normal((times + OVERLAP, RUNS)) + 0.7 * rng.standard_normal((times + OVERLAP, 1))
    windows = np.lib.stride_tricks.sliding_window_view(noise, OVERLAP + 1, axis=0).mean(axis=2)
    performance = windows / windows.std()
    performance[:, 0] += skill
    return performance


def share(values: list[bool]) -> str:
    """Format a share with its simulation error."""
    p = float(np.mean(values))
    return f"{p:.3f} ± {np.sqrt(max(p * (1 - p), 1 / len(values)) / len(values)):.3f}"


def between_runs() -> str:
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
    rows = [[name, share(none), share(some)] for name, (none, some) in spoke.items()]
    means = [f"{np.mean(v):.3f} ± {np.std(v) / np.sqrt(len(v)):.3f}" for v in overfit]
    header = [f"{SWEEPS} sweeps of {RUNS} runs over {TIMES} times", "no skill", f"the first run has {SKILL}"]
    return format_markdown_table(header, [*rows, ["mean probability of overfitting", *means]])


def superior() -> str:
    """Tabulate how often SPA and reality check reject without skill, and with skill in one run."""
    settings: dict[str, tuple[int, float | Float, float]] = {
        "60 blocks": (TIMES, 1.0, 0.0),
        "12 blocks": (12 * BLOCK, 1.0, 0.0),
        "8 blocks": (8 * BLOCK, 1.0, 0.0),
        "60 blocks, scales from 1 to 10": (TIMES, np.linspace(1, 10, RUNS), 0.0),
        "60 blocks, five runs far worse than no skill": (TIMES, 1.0, 0.5),
    }
    skill_cell = f"the first run has {SKILL}"
    header = [
        f"{SUPERIOR_SWEEPS} sweeps of {RUNS} runs",
        *(f"{test}, {cell}" for test in ("SPA", "reality check") for cell in ("no skill", skill_cell)),
    ]
    rows = []
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
        cells = [share(each) for both in spoke.values() for each in both]
        rows.append([name, *cells])
    return format_markdown_table(header, rows)


def market(rng: np.random.Generator, rows: int, strength: float, reach: int) -> tuple[Float, Float]:
    """Simulate autocorrelated flow and returns over `reach` rows, with volatility clusters and fat tails."""
    n = rows + reach
    flow = lfilter([1], [1, -0.7], rng.standard_normal(n + 200))[200:] * np.sqrt(1 - 0.49)
    volatility = np.exp(0.3 * lfilter([1], [1, -0.98], 0.15 * rng.standard_normal(n + 500))[500:])
    price = np.cumsum((strength * flow + rng.standard_t(5, n) / np.sqrt(5 / 3)) * volatility)
    price = np.concatenate([[0.0], price])
    return flow[:rows], price[reach : reach + rows] - price[:rows]


def coverage() -> str:
    """Tabulate how often 95 % intervals of the IC contain the true IC."""
    kinds = ("expanded percentile (ours)", "percentile", "basic", "BCa", "HAC t ±")
    rows = []
    for blocks, length, reach in ((12, 30, 1), (30, 60, 6)):
        for strength in (0.0, 0.2):
            flow, gain = market(np.random.default_rng(0), 2_000_000, strength, reach)
            truth = ic(gain, flow)
            covered: dict[str, list[bool]] = {name: [] for name in ("ours", "percentile", "basic", "bca", "hac")}
            for seed in range(STUDIES):
                x, y = market(np.random.default_rng(1 + seed), blocks * length, strength, reach)
                parts = np.arange(blocks * length).reshape(blocks, length)

                def of_blocks(drawn: NDArray, x: Float = x, y: Float = y, parts: NDArray = parts) -> Float:
                    rows = parts[drawn].ravel()
                    return np.array(ic(y[rows], x[rows]))

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
            setting = f"{blocks} blocks of {length} rows, labels over {reach}"
            rows.append([setting, f"{truth:.3f}", *(f"{np.mean(each):.3f}" for each in covered.values())])
    return format_markdown_table([f"{STUDIES} studies", "true IC", *kinds], rows)


def main() -> None:
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    for table in (between_runs, superior, coverage):
        sys.stdout.write(table() + "\n\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
