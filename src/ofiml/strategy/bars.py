"""What a rule sees: the bars of one symbol with their forecasts, as known at each bar's close."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np

from ofiml._typing import Bool, Float, Int64
from ofiml.errors import ConfigError
from ofiml.ofi.columns import BEST_FLOW, FlowColumn

if TYPE_CHECKING:
    import polars as pl

#: `fee(mid, tick)` gives the taker's fee of a lot in ticks, (n,), of mids (n,) in ticks, for a tick in 1e-9 units.
FeeTicks = Callable[[Float, int], Float]

_AT_CLOSE = ("bar_open", "bar_close", "mid", "spread_ticks", "n_events", "trailing_volatility")
_FORECAST = ("tick", "bid", "ask", "edge_ticks", "p_up", "p_down")


def list_table_columns(columns: list[str], features: list[str]) -> list[str]:
    """List the `columns` that a rule may read by name: those known at a bar's close, flow, and the `features`."""
    return [c for c in columns if c in features or c in _AT_CLOSE or FlowColumn.parse(c) is not None]


def list_read_columns(columns: list[str], features: list[str]) -> list[str]:
    """List the `columns` that `ForecastBars.of` reads, so that rows are divided without the others."""
    return [*list_table_columns(columns, features), *(c for c in _FORECAST if c in columns)]


@dataclass(frozen=True, slots=True)
class ForecastBars:
    """The bars of one symbol in time order, (n,) each, NaN where not known. Nothing in them is known after `bar_close`.

    `bid` and `ask` are the best prices in 1e-9 units, valid where `has_bid` and `has_ask`; `mid`, `spread` and
    `volatility` (the trailing one, from bar to bar) are in ticks. `edge` is the forecast move in ticks. `p_up` and
    `p_down` are the probabilities of a direction, NaN for a return. `ofi` is the bar's flow at the best level, in lots.
    `fee` is the taker's fee of a lot in ticks. `table` has the features and the flow.
    """

    tick: int
    bar_close: Int64
    bid: Int64
    ask: Int64
    has_bid: Bool
    has_ask: Bool
    mid: Float
    spread: Float
    edge: Float
    p_up: Float
    p_down: Float
    ofi: Float
    volatility: Float
    fee: Float
    table: "pl.DataFrame"

    def __len__(self) -> int:
        return len(self.bar_close)

    @classmethod
    def of(cls, rows: "pl.DataFrame", features: list[str], fee: FeeTicks) -> Self:
        """Select the bars of one symbol from its rows in time order. `features` are the columns of the models.

        A column of the label, of the execution or of another horizon is never in `table`: it is known later.
        """

        def read(name: str) -> Float:
            if name not in columns:
                return np.full(rows.height, np.nan)
            return rows[name].to_numpy().astype(np.float64, copy=False)  # null becomes NaN

        columns = rows.columns
        tick = int(rows["tick"][0]) if rows.height else 1
        mid = read("mid")
        (bid, has_bid), (ask, has_ask) = (_read_prices(rows[side]) for side in ("bid", "ask"))
        return cls(
            tick=tick,
            bar_close=rows["bar_close"].to_numpy(),
            bid=bid,
            ask=ask,
            has_bid=has_bid,
            has_ask=has_ask,
            mid=mid,
            spread=read("spread_ticks"),
            edge=read("edge_ticks"),
            p_up=read("p_up"),
            p_down=read("p_down"),
            ofi=read(BEST_FLOW),
            volatility=read("trailing_volatility"),
            fee=fee(mid, tick),
            table=rows[list_table_columns(columns, features)],
        )

    def read_column(self, name: str) -> Float:
        """Read a feature or a column of flow, (n,). Raises ConfigError for a column that the study does not have."""
        if name not in self.table.columns:
            raise ConfigError(f"The strategy reads {name}, which the study does not have: add it to features.columns.")
        import polars as pl

        return self.table[name].cast(pl.Float64).to_numpy()


def _read_prices(prices: "pl.Series") -> tuple[Int64, Bool]:
    """Read integer prices (n,), 0 where there is none, and where there is one."""
    if prices.null_count() == 0:  # nearly always, and then the prices are not copied
        return prices.to_numpy(), np.ones(len(prices), np.bool_)
    return prices.fill_null(0).to_numpy(), prices.is_not_null().to_numpy()
