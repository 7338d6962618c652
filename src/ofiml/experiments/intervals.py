"""The intervals of a page. They need as many blocks of time as the verdict of a run does."""

from ofiml._typing import Float, Int64
from ofiml.evaluation.bootstrap import BlockBootstrap
from ofiml.metrics.bootstrap import MIN_BLOCKS
from ofiml.metrics.estimates import Estimate
from ofiml.metrics.measures import Measure
from ofiml.study.report import Report


def drop_interval(estimate: Estimate, blocks: int) -> Estimate:
    """Return an estimate that rests on `blocks` blocks of time; its ends are NaN with fewer than 8."""
    return estimate if blocks >= MIN_BLOCKS else Estimate(estimate.value, float("nan"), float("nan"))


def compute_interval(draws: Float, block: Int64, bootstrap: BlockBootstrap) -> tuple[float, float]:
    """Compute the interval of a measure from its value in each draw of the blocks; NaN with fewer than 8 blocks."""
    if int(block.max(initial=-1)) + 1 < MIN_BLOCKS:
        return float("nan"), float("nan")
    return bootstrap.compute_interval(draws, block)


def read_measures(report: Report) -> dict[Measure, Estimate]:
    """Read the pooled measures of a report; the ends of their intervals are NaN with fewer than 8 blocks of time."""
    blocks = report.metrics.bootstrap.blocks
    return {name: drop_interval(estimate, blocks) for name, estimate in report.metrics.pooled.items()}


def name_lack(blocks: int) -> str:
    """Say how many blocks of time an interval needs, and how many there are; empty if they are enough.

    >>> name_lack(6)
    '8 blocks of time are needed, and the tested rows have 6'
    >>> name_lack(8)
    ''
    """
    if blocks >= MIN_BLOCKS:
        return ""
    return f"{MIN_BLOCKS} blocks of time are needed, and the tested rows have {blocks}"
