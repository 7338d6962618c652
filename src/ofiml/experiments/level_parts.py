"""The flow of each level of a book, and its part in the flow and in the explained move of all levels."""

from dataclasses import dataclass

import numpy as np

from ofiml._typing import Float
from ofiml.experiments.page import Table
from ofiml.metrics.moments import Moments, measure_moments
from ofiml.metrics.r2_shares import share_r2
from ofiml.metrics.scores import ic
from ofiml.ui.format import format_number


@dataclass(frozen=True, slots=True)
class LevelResult:
    """The OFI of one level: its moments (lots), share of bars with flow, and its part in the whole.

    `correlation` is with the best level; `r2` that of this level alone. `size`, `variance` and `r2_share` are its
    shares of the mean |OFI| of all levels, of the variance of their sum, and of the R² of all levels.
    """

    moments: Moments
    active: float
    correlation: float
    r2: float
    size: float
    variance: float
    r2_share: float


def measure_levels(flow: Float, move: Float) -> list[LevelResult]:
    """Measure the flow (n, levels) of each level, and its part in the whole and in the R² of `move` (n,), in sample."""
    size, total = np.abs(flow).mean(axis=0), flow.sum(axis=1)
    centred = flow - flow.mean(axis=0)
    spread = float(np.mean((total - total.mean()) ** 2))
    shares = share_r2(flow, move)
    results = []
    for m in range(flow.shape[1]):
        together = float(np.mean(centred[:, m] * (total - total.mean())))
        results.append(
            LevelResult(
                moments=measure_moments(flow[:, m]),
                active=float(np.mean(flow[:, m] != 0)),
                correlation=ic(flow[:, 0], flow[:, m]),
                r2=ic(move, flow[:, m]) ** 2,
                size=float(size[m] / size.sum()) if size.sum() > 0 else float("nan"),
                variance=together / spread if spread > 0 else float("nan"),
                r2_share=float(shares[m] / shares.sum()) if shares.sum() > 0 else float("nan"),
            )
        )
    return results


def tabulate_parts(market: str, levels: list[LevelResult]) -> Table:
    """Tabulate the flow of each level of a market."""
    rows = []
    for m, one in enumerate(levels):
        lots = (one.moments.mean, one.moments.deviation, one.moments.minimum, one.moments.maximum)
        shares = (one.size, one.variance, one.r2_share)
        rows.append(
            [
                f"{m + 1}",
                *(format_number(value, ",.0f") for value in lots),
                format_number(one.active, ".0%"),
                format_number(one.correlation, ".2f"),
                format_number(one.r2, ".3f"),
                *(format_number(value, ".0%") for value in shares),
            ]
        )
    head = ["level", "mean, lots", "deviation, lots", "minimum, lots", "maximum, lots", "OFI not 0"]
    head += ["correlation with level 1", "R² alone", "share of size", "of the sum's variance", "of the R²"]
    return Table(
        f"{market}: OFI of each level over {levels[0].moments.count:,} bars. The last three columns are contributions: "
        "to the mean size |OFI| of all levels, which notebooks show; to the variance of the sum; and to the R² of a "
        "regression of the same bar's move on all levels, averaged over all orders in which levels can enter it. All "
        "R² in this table are in sample.",
        head,
        rows,
    )
