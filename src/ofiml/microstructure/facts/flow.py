"""Price impact of flow: R² of the same bar by length and levels, R² of the next minute, the common component."""

import numpy as np
import polars as pl
from numpy.typing import NDArray

from ofiml.bars.time import Book, cut_time_bars
from ofiml.data.schema import Session
from ofiml.evaluation.impact import measure_adjusted_r2_windows, measure_r2_windows
from ofiml.metrics.scores import r2
from ofiml.microstructure.facts.price import sample_mids
from ofiml.ofi.columns import BEST_FLOW
from ofiml.ofi.flow import build_flow_matrix, compute_bar_flow, name_flow_columns
from ofiml.ofi.reduce import PrincipalComponent
from ofiml.units import SECOND

Float = NDArray[np.float64]
Curve = dict[str, float]

STEPS = (1, 5, 10, 30, 60)  # seconds
LEVELS = (1, 3, 5, 10)  # level sets 1..m; sets deeper than the book are omitted
COMPONENT_STEPS = (10, 60)
COMPONENT_LEVELS = (5, 10)
MIN_OBSERVATIONS = 30


def measure_flow(session: Session, book: Book, per: str, seconds: int) -> pl.DataFrame:
    """Measure flow and mid moves in bars of `seconds`: one row per bar with a mid at both ends.

    Columns: `symbol`, `session`, `bar_open`, `move_ticks`, the flow of each level in lots, and `depth`. No rows if the
    session is shorter than a bar. Known at the bar's close.
    """
    if session.close - session.open < seconds * SECOND:
        return pl.DataFrame()
    bars = cut_time_bars(session, book, seconds * SECOND)
    return (
        compute_bar_flow(session, per, bars)
        .with_columns(
            pl.lit(session.symbol).alias("symbol"),
            pl.lit(session.date).alias("session"),
            pl.Series("bar_open", bars.open),
            pl.Series("move_ticks", np.diff(sample_mids(session, book, bars.edges))),
        )
        .filter(pl.col("move_ticks").is_not_nan())
    )


def measure_impact(session: Session, book: Book, per: str) -> dict[str, Curve]:
    """Measure R² of the same bar's mid move on its flow, in sample, mean over half-hour windows (evaluation.impact).

    `impact_best`: on best-level flow, by bar length in seconds. `impact_levels_<m>`: adjusted R² on the flow of levels
    1..m together. `first_component_<m>`: share of the first principal component in the variance of depth-normalised
    flow of levels 1..m over the whole session. `next_minute`: see `measure_next_minute`. NaN without a window, or with
    fewer than 30 bars.
    """
    out: dict[str, Curve] = {"impact_best": {}, "next_minute": {}}
    opens = {(session.symbol, session.date): session.open}
    for seconds in STEPS:
        key, rows = str(seconds), measure_flow(session, book, per, seconds)
        some = rows.height >= MIN_OBSERVATIONS
        out["impact_best"][key] = _average(measure_r2_windows(rows, opens) if some else [])
        for m in LEVELS:
            if m <= session.levels:
                windows = measure_adjusted_r2_windows(rows, opens, name_flow_columns(m)) if some else []
                out.setdefault(f"impact_levels_{m}", {})[key] = _average(windows)
        if seconds in COMPONENT_STEPS:
            for m in COMPONENT_LEVELS:
                if m <= session.levels:
                    share = measure_first_component(rows, session.levels, m) if some else float("nan")
                    out.setdefault(f"first_component_{m}", {})[key] = share
        if seconds == 60:
            out["next_minute"]["r2"] = measure_next_minute(rows) if some else float("nan")
    return out


def measure_first_component(rows: pl.DataFrame, levels: int, m: int) -> float:
    """Measure the first principal component's share of the variance of depth-normalised flow of levels 1..m.

    Depth is the bar's average over all `levels` of the feed, one number per bar for every m (Cont, Cucuringu & Zhang,
    arXiv 2112.13213). NaN without variance.
    """
    flow = build_flow_matrix(rows, levels, "depth")[:, :m]
    explained = PrincipalComponent(["ofi_pca"]).fit(flow, np.empty(0)).explained
    assert explained is not None
    return float(explained[0])


def measure_next_minute(rows: pl.DataFrame) -> float:
    """Measure the out-of-sample R² of the next minute's move on this minute's best-level flow.

    A line is fitted on the first half of the session's minutes and tested on the second half, against the mean of the
    first. NaN with fewer than 30 pairs in a half, or constant flow.
    """
    follows = rows["bar_open"].diff()[1:].to_numpy() == 60 * SECOND
    flow = rows[BEST_FLOW].to_numpy()[:-1][follows].astype(np.float64)
    move = rows["move_ticks"].to_numpy()[1:][follows]
    half = len(move) // 2
    x, y = flow[:half], move[:half]
    if half < MIN_OBSERVATIONS or np.ptp(x) == 0:
        return float("nan")
    slope = float(np.sum((x - x.mean()) * (y - y.mean())) / np.sum((x - x.mean()) ** 2))
    y_hat = y.mean() + slope * (flow[half:] - x.mean())
    return r2(move[half:], y_hat, np.full(len(y_hat), y.mean()))


def _average(values: list[float]) -> float:
    return float(np.mean(values)) if values else float("nan")
