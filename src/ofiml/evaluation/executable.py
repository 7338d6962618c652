"""Executable skill: the skill of the forecasts on the return after the spread, beside the skill on the label.

The label is a move of the mid. A trade buys at the ask and sells at the bid, one latency after the decision and one
after the end of the horizon. The executable return of a bar is that of the better side if it gains, and 0 if neither
side does:

    long  = bid(exit) - ask(entry)        short = bid(entry) - ask(exit)        e = max(long, 0) - max(short, 0)

At most one of them is positive. A hit is a forecast whose own side gained.
"""

from dataclasses import dataclass

import numpy as np
import polars as pl

from ofiml._typing import Float
from ofiml.evaluation.bootstrap import BlockBootstrap
from ofiml.metrics.scores import ic


@dataclass(frozen=True, slots=True)
class ExecutableSkill:
    """The skill on executable returns, before fees.

    `rows` are the labelled bars with both quotes at entry and exit, `ic` and its interval are of the forecast and e,
    `label_ic` is that of the forecast and the label over the same rows. `hit_rate` is the share of forecasts whose side
    gained, `label_hit_rate` that of forecasts with the label's sign. `earnable` is the share of bars where a side
    gained, `mean_ticks` the mean gain of the forecast's side in ticks, spread paid. NaN where not defined.
    """

    rows: int
    ic: float
    low: float
    high: float
    label_ic: float
    hit_rate: float
    label_hit_rate: float
    earnable: float
    mean_ticks: float


def measure_executable_skill(rows: pl.DataFrame, bootstrap: BlockBootstrap) -> ExecutableSkill:
    """Measure the skill of labelled `rows`: `y`, `y_hat`, and in ticks `entry_bid`, `entry_ask`, `exit_bid`,
    `exit_ask`, null where a side is missing.
    """
    known = rows.drop_nulls(["y", "entry_bid", "entry_ask", "exit_bid", "exit_ask"])
    if known.height < 2:
        return ExecutableSkill(known.height, *[float("nan")] * 8)
    y, y_hat = known["y"].to_numpy(), known["y_hat"].to_numpy()
    gain_long = (known["exit_bid"] - known["entry_ask"]).to_numpy().astype(np.float64)
    gain_short = (known["entry_bid"] - known["exit_ask"]).to_numpy().astype(np.float64)
    earned = np.maximum(gain_long, 0) - np.maximum(gain_short, 0)
    side = np.sign(y_hat)
    own = np.where(side > 0, gain_long, gain_short)[side != 0]
    moved = (side != 0) & (y != 0)
    low, high = bootstrap.estimate_ic_interval(earned, y_hat, bootstrap.number_blocks(known))
    return ExecutableSkill(
        rows=known.height,
        ic=ic(earned, y_hat),
        low=low,
        high=high,
        label_ic=ic(y, y_hat),
        hit_rate=_mean(own > 0),
        label_hit_rate=_mean(np.sign(y[moved]) == side[moved]),
        earnable=_mean(earned != 0),
        mean_ticks=_mean(own),
    )


def _mean(values: Float) -> float:
    return float(np.mean(values)) if len(values) else float("nan")
