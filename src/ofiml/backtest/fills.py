"""The orders and fills of a simulation as tables, with prices in 1e-9 units."""

import numpy as np
import polars as pl

from ofiml._typing import Bool, Int64
from ofiml.backtest.ledger import Fills
from ofiml.backtest.orders import Reason, Status
from ofiml.backtest.simulate import Trades
from ofiml.samples.tape import Tape

_REASONS = [code.name.lower() for code in Reason]
_STATUSES = [code.name.lower() for code in Status]


def list_fills(trades: Trades, tape: Tape) -> Fills:
    """List the fills with prices in 1e-9 units.

    A mid that was not known, as no book had two sides yet, is the next one that was; at last the fill's price.
    """
    fills, orders = trades.fills, trades.orders
    order = fills["order"]
    price = _price(fills["price"], tape)
    mid2_filled = _mid2(fills["mid2_filled"], tape, 2 * price)
    mid2_arrived = _mid2(fills["mid2_arrived"], tape, mid2_filled)
    return Fills(
        order=order,
        decided=orders["decided"][order],
        arrived=orders["arrived"][order],
        filled=fills["time"],
        lots=fills["lots"],
        price=price,
        touch=np.where(fills["touch"] >= 0, _price(fills["touch"], tape), price),
        mid2_decided=_mid2(fills["mid2_decided"], tape, mid2_arrived),
        mid2_arrived=mid2_arrived,
        mid2_filled=mid2_filled,
        maker=fills["maker"] != 0,
    )


def tabulate_fills(trades: Trades, tape: Tape) -> pl.DataFrame:
    """Tabulate the fills of `list_fills` with their `reason`, `beyond_shown` and `tick`."""
    fills = trades.fills
    return pl.DataFrame(
        list_fills(trades, tape)._asdict()
        | {
            "reason": _name(trades.orders["reason"][fills["order"]], _REASONS),
            "beyond_shown": fills["beyond_shown"],
            "tick": np.full(len(fills), tape.tick),
        }
    )


def tabulate_orders(trades: Trades, tape: Tape) -> pl.DataFrame:
    """Tabulate the orders; `price` is null for marketable orders, `arrived` where an order never did."""
    orders = trades.orders
    return pl.DataFrame(
        {
            "order": np.arange(len(orders)),
            "decided": orders["decided"],
            "sent": orders["sent"],
            "arrived": set_null(pl.Series(np.ascontiguousarray(orders["arrived"])), orders["arrived"] < 0),
            "ended": orders["ended"],
            "side": _name((orders["side"] <= 0).astype(np.int64), ["buy", "sell"]),
            "price": set_null(pl.Series(_price(orders["price"], tape)), orders["price"] < 0),
            "lots": orders["lots"],
            "filled": orders["filled"],
            "posted": orders["maker"] != 0,
            "reason": _name(orders["reason"], _REASONS),
            "status": _name(orders["status"], _STATUSES),
        }
    )


def set_null(values: pl.Series, missing: Bool) -> pl.Series:
    """Set the `missing` (n,) values of a series to null."""
    return values.set(pl.Series(missing), None) if missing.any() else values


def _name(codes: Int64, names: list[str]) -> pl.Series:
    return pl.Series(names, dtype=pl.String)[codes]


def _price(index: Int64, tape: Tape) -> Int64:
    return (index + tape.base) * tape.tick


def _mid2(index2: Int64, tape: Tape, otherwise: Int64) -> Int64:
    return np.where(index2 >= 0, (index2 + 2 * tape.base) * tape.tick, otherwise)
