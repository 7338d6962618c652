"""Measures of a backtest, from the ledgers, orders and round trips of its sessions."""

import numpy as np
import polars as pl

from ofiml._typing import Float
from ofiml.backtest.ledger import KINDS, Totals
from ofiml.backtest.money import MONEY_SCALE
from ofiml.backtest.summary import CostPoint, Costs, OrderCounts, TradeStatistics, VariantResult
from ofiml.metrics.sharpe import sharpe
from ofiml.units import SECOND

_FACTORS = (0.0, 0.5, 1.0, 1.5, 2.0)
_MIN_DAYS = 5  # for a Sharpe ratio of days


def to_currency(amount: int) -> float:
    """Convert integer money to currency."""
    return amount / MONEY_SCALE


def list_costs(totals: Totals) -> Costs:
    """List the costs by kind, in currency."""
    return Costs(**{kind: to_currency(getattr(totals, kind)) for kind in KINDS})


def list_earned(totals: Totals) -> Costs:
    """List what each kind of cost earned, in currency."""
    return Costs(**{kind: to_currency(amount) for kind, amount in totals.earned.items()})


def make_variant(name: str, totals: Totals) -> VariantResult:
    """Make the record of a variant from its totals."""
    return VariantResult(
        name=name,
        gross_pnl=to_currency(totals.gross),
        net_pnl=to_currency(totals.net),
        costs=to_currency(totals.costs),
        fills=totals.fills,
        traded=totals.traded,
    )


def count_orders(orders: pl.DataFrame, beyond_shown: int) -> OrderCounts:
    """Count orders by status (`status`, `posted`, `lots`, `filled`), and the lots that were not filled.

    A late order never looked for size.
    """
    status = orders["status"].to_list()
    posted = orders.filter(pl.col("posted"))
    marketable = orders.filter(~pl.col("posted") & (pl.col("status") != "late"))
    offered, missed = int(posted["lots"].sum()), int((marketable["lots"] - marketable["filled"]).sum())
    return OrderCounts(
        sent=orders.height,
        **{name: status.count(name) for name in ("filled", "partly", "cancelled", "rejected", "expired", "late")},
        fill_rate=int(posted["filled"].sum()) / offered if offered else float("nan"),
        unfilled=missed,
        beyond_shown=beyond_shown,
    )


def describe_trades(round_trips: pl.DataFrame) -> TradeStatistics:
    """Describe round trips (`net`, `value`, `net_ticks`, `opened`, `closed`); NaN without any."""
    nan = float("nan")
    if round_trips.height == 0:
        return TradeStatistics(
            round_trips=0, hit_rate=nan, mean_net=nan, mean_ticks=nan, mean_bps=nan,
            holding_q25=nan, holding_median=nan, holding_q75=nan,
        )  # fmt: skip
    net, value = round_trips["net"].to_numpy(), round_trips["value"].to_numpy()
    held = (round_trips["closed"] - round_trips["opened"]).dt.total_nanoseconds().to_numpy() / SECOND
    bps = 1e4 * net[value > 0] / value[value > 0]
    low, middle, high = (float(q) for q in np.quantile(held, [0.25, 0.5, 0.75]))
    return TradeStatistics(
        round_trips=round_trips.height,
        hit_rate=float(np.mean(net > 0)),
        mean_net=float(net.mean()),
        mean_ticks=float(round_trips["net_ticks"].mean()),  # type: ignore[arg-type]
        mean_bps=float(bps.mean()) if len(bps) else nan,
        holding_q25=low,
        holding_median=middle,
        holding_q75=high,
    )


def build_cost_grid(totals: Totals) -> list[CostPoint]:
    """Build the grid of net profits of the same fills under multiples of what they paid; what they earned stays."""
    return [
        CostPoint(commission_factor=a, other_factor=b, net_pnl=to_currency(_charge(totals, a, b)))
        for a in _FACTORS
        for b in _FACTORS
    ]


def _charge(totals: Totals, commission: float, other: float) -> int:
    """Charge multiples of the costs that are paid; the factors are whole halves, so no digit is lost."""
    paid = totals.paid
    fees = paid.pop("commission")
    return (2 * _sum_unpaid(totals) - int(2 * commission) * fees - int(2 * other) * sum(paid.values())) // 2


def _sum_unpaid(totals: Totals) -> int:
    """Sum what there would be if nothing had been paid: the gross profit, and what fills earned."""
    return totals.gross + sum(totals.earned.values())


def find_break_even(totals: Totals) -> float:
    """Find the costs to be paid, in bps of the traded value, at which nothing is left; NaN without trades."""
    return 1e4 * _sum_unpaid(totals) / totals.traded_value if totals.traded_value else float("nan")


def measure_drawdown(net: Float) -> float:
    """Measure the largest fall of the equity (n,) from its peak, which is at least 0."""
    peak = np.maximum.accumulate(np.concatenate([[0.0], net]))[1:]
    return float((peak - net).max()) if len(net) else 0.0


def measure_daily_sharpe(days: Float, days_per_year: int) -> float:
    """Measure the annualised Sharpe ratio of daily profits (n,); NaN with fewer than 5 days."""
    return float(np.sqrt(days_per_year)) * sharpe(days) if len(days) >= _MIN_DAYS else float("nan")
