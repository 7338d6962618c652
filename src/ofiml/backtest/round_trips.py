"""Round trips: from a flat position to the next flat one. A fill that reverses a position ends one and begins another.

The last position of a session is closed, so every lot belongs to one round trip.
"""

import numpy as np
import polars as pl

from ofiml.backtest.columns import Columns
from ofiml.backtest.ledger import KINDS, Ledger
from ofiml.backtest.money import MONEY_SCALE, Money

ROUND_TRIP_SCHEMA: dict[str, pl.DataType] = {
    "opened": pl.Datetime("ns", "UTC"),
    "closed": pl.Datetime("ns", "UTC"),
    "side": pl.String(),
    "lots": pl.Int64(),
    "entry": pl.Float64(),
    "exit": pl.Float64(),
    "gross": pl.Float64(),
    "net": pl.Float64(),
    "value": pl.Float64(),
}


def list_round_trips(ledger: Ledger, money: Money) -> Columns:
    """List the round trips of a session, one row each, as `tabulate_round_trips` reads them.

    `lots` were bought to open it (sold, if short), `entry` and `exit` are the mean prices in currency, `gross` and
    `net` its profit, `value` what the entry was worth, in the settlement currency. A fill's costs are split by lots
    between the two round trips that it ends and begins.
    """
    fills = ledger.fills
    rows: list[tuple[float, ...]] = []
    trip = _Trip()
    decided, price = fills.mid2_decided.tolist(), fills.price.tolist()
    costs = sum((ledger.amounts[kind] for kind in KINDS), start=np.zeros(len(price), object))
    before = 0
    for row, (at, lots) in enumerate(zip(fills.filled.tolist(), fills.lots.tolist(), strict=True)):
        closing = -before if before * (before + lots) < 0 else lots
        share = costs[row] * abs(closing) // abs(lots)
        for part, cost in ((closing, share), (lots - closing, costs[row] - share)):
            if not part:
                continue
            trip.add(at, part, price[row], decided[row], cost)
            before += part
            if before == 0:
                rows.append(trip.end(at, money))
                trip = _Trip()
    columns = zip(*rows, strict=True) if rows else [()] * len(_COLUMNS)
    return {name: np.array(each, kind) for (name, kind), each in zip(_COLUMNS.items(), columns, strict=True)}


def tabulate_round_trips(trips: pl.DataFrame) -> pl.DataFrame:
    """Tabulate round trips of `list_round_trips` (`ROUND_TRIP_SCHEMA`)."""
    side = pl.when(pl.col("side") > 0).then(pl.lit("long")).otherwise(pl.lit("short"))
    return trips.with_columns(side.alias("side"), pl.col("opened", "closed").cast(ROUND_TRIP_SCHEMA["opened"]))


_COLUMNS = dict.fromkeys(("opened", "closed", "side", "lots"), np.int64) | dict.fromkeys(
    ("entry", "exit", "gross", "net", "value"), np.float64
)


class _Trip:
    """A round trip under way."""

    __slots__ = ("costs", "entered", "exited", "lots", "opened", "parts", "side")

    def __init__(self) -> None:
        self.opened, self.side, self.lots = 0, 0, 0
        self.entered = self.exited = 0  # Σ lots x price
        self.parts: list[tuple[int, int]] = []
        self.costs = 0

    def add(self, at: int, lots: int, price: int, mid2: int, costs: int) -> None:
        if not self.side:
            self.opened, self.side = at, 1 if lots > 0 else -1
        if lots * self.side > 0:
            self.lots += abs(lots)
            self.entered += abs(lots) * price
        else:
            self.exited += abs(lots) * price
        self.parts.append((lots, mid2))
        self.costs += costs

    def end(self, at: int, money: Money) -> tuple[float, ...]:
        lots, mids = (np.array(column, np.int64) for column in zip(*self.parts, strict=True))
        gross = -sum(money.worth(lots, mids).tolist())
        entry, leave = self.entered / self.lots, self.exited / self.lots
        value = abs(int(money.worth(np.array([self.lots]), np.array([2 * round(entry)]))[0]))
        amounts = (each / MONEY_SCALE for each in (gross, gross - self.costs, value))
        return (self.opened, at, self.side, self.lots, entry / 1e9, leave / 1e9, *amounts)
