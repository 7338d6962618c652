"""The orders and fills of a simulation as tables, with prices in 1e-9 units."""

from collections.abc import Sequence

import numpy as np
import polars as pl

from ofiml._typing import Int64
from ofiml.backtest.columns import Columns
from ofiml.backtest.ledger import Fills
from ofiml.backtest.orders import Reason, Status
from ofiml.backtest.simulate import Trades
from ofiml.samples.tape import Tape

_REASONS = [code.name.lower() for code in Reason]
_STATUSES = [code.name.lower() for code in Status]


def list_fills(trades: Sequence[Trades], tape: Tape) -> Fills:
    """List the fills of scenarios, one after the other, with prices in 1e-9 units. Their orders are numbered likewise.

    A mid that was not known, as no book had two sides yet, is the next one that was; at last the fill's price.
    """

    def read(name: str) -> Int64:
        return np.concatenate([each.fills[name] for each in trades])

    def read_order(name: str) -> Int64:
        return np.concatenate([each.orders[name][each.fills["order"]] for each in trades])

    first = np.cumsum([0, *(len(each.orders) for each in trades)])
    touch, price = read("touch"), _price(read("price"), tape)
    mid2_filled = _mid2(read("mid2_filled"), tape, 2 * price)
    mid2_arrived = _mid2(read("mid2_arrived"), tape, mid2_filled)
    return Fills(
        order=read("order") + np.repeat(first[:-1], [len(each.fills) for each in trades]),
        decided=read_order("decided"),
        arrived=read_order("arrived"),
        filled=read("time"),
        lots=read("lots"),
        price=price,
        touch=np.where(touch >= 0, _price(touch, tape), price),
        mid2_decided=_mid2(read("mid2_decided"), tape, mid2_arrived),
        mid2_arrived=mid2_arrived,
        mid2_filled=mid2_filled,
        maker=read("maker") != 0,
    )


def describe_fills(trades: Trades, fills: Fills, tape: Tape) -> Columns:
    """Describe the fills of a scenario, which `list_fills` listed, as `tabulate_fills` reads them."""
    return fills._asdict() | {
        "reason": trades.orders["reason"][fills.order],
        "beyond_shown": trades.fills["beyond_shown"].copy(),
        "tick": np.full(len(fills.order), tape.tick),
    }


def tabulate_fills(fills: pl.DataFrame) -> pl.DataFrame:
    """Tabulate fills of `describe_fills`, with the names of their reasons; markouts are null where not known."""
    return fills.with_columns(_name(fills["reason"], _REASONS), pl.col("^markout_.*$").fill_nan(None))


def describe_orders(trades: Trades, tape: Tape) -> Columns:
    """Describe the orders of a scenario as `tabulate_orders` reads them."""
    orders = trades.orders
    read = {
        name: orders[name].copy()
        for name in ("decided", "sent", "arrived", "ended", "side", "lots", "filled", "maker", "reason", "status")
    }
    return read | {
        "order": np.arange(len(orders)),
        "price": _price(orders["price"], tape),
        "rested": orders["price"] >= 0,
    }


def tabulate_orders(orders: pl.DataFrame) -> pl.DataFrame:
    """Tabulate orders of `describe_orders`; `price` is null for marketable orders, `arrived` where one never did."""
    return orders.select(
        "order",
        "decided",
        "sent",
        pl.when(pl.col("arrived") >= 0).then("arrived"),
        "ended",
        _name((orders["side"] <= 0).alias("side"), ["buy", "sell"]),
        pl.when("rested").then("price"),
        "lots",
        "filled",
        (pl.col("maker") != 0).alias("posted"),
        _name(orders["reason"], _REASONS),
        _name(orders["status"], _STATUSES),
    )


def _name(codes: pl.Series, names: list[str]) -> pl.Series:
    return pl.Series(codes.name, names, pl.String).gather(codes.cast(pl.UInt32))


def _price(index: Int64, tape: Tape) -> Int64:
    return (index + tape.base) * tape.tick


def _mid2(index2: Int64, tape: Tape, otherwise: Int64) -> Int64:
    return np.where(index2 >= 0, (index2 + 2 * tape.base) * tape.tick, otherwise)
