"""The summary of what became of own orders, of the truth and of models."""

from collections.abc import Sequence

import numpy as np
import polars as pl

from ofiml.data.synthetic.own_orders import MARKOUTS
from ofiml.units import SECOND


def summarise_fills(orders: pl.DataFrame, markouts: Sequence[int] = MARKOUTS) -> dict[str, tuple[float, float]]:
    """Summarise what became of orders, as mean and standard error: of the truth, or of a model of the same postings.

    `orders` has the columns `posting`, `price`, `lots`, `filled`, `posted`, `first_fill` and the markouts, as
    `follow_postings` makes them; rows without a price are left out. Returns `fill_probability` (of a first lot),
    `filled_share` of the lots, `seconds_to_fill` and the markouts, the last two over the orders that were filled.
    Replicas of a posting are averaged first, so that errors count postings. NaN where nothing was filled, and for the
    error of a single posting.
    """
    posted = orders.filter(pl.col("price").is_not_null())
    waited = (pl.col("first_fill").to_physical() - pl.col("posted").to_physical()) / SECOND
    names = [f"markout_{after / SECOND:g}s" for after in markouts]
    columns = {
        "fill_probability": (pl.col("filled") > 0).cast(pl.Float64),
        "filled_share": pl.col("filled") / pl.col("lots"),
        "seconds_to_fill": waited,
        **{name: pl.col(name).fill_nan(None) for name in names},
    }
    means = posted.group_by("posting", maintain_order=True).agg(value.mean().alias(c) for c, value in columns.items())
    summary = {}
    for column in columns:
        values = means[column].drop_nulls().to_numpy()
        n = len(values)
        error = float(values.std(ddof=1) / np.sqrt(n)) if n > 1 else np.nan
        summary[column] = (float(values.mean()) if n else np.nan, error)
    return summary
