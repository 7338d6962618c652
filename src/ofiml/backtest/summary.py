"""The results of a backtest: profit, costs by kind, orders and trades, and how they depend on latency, size, queue and
costs.

Money is in `currency`, the settlement currency of the traded symbols. Every number is a float, so that those of several
paths can be averaged; NaN where not defined.
"""

from dataclasses import dataclass, field

from ofiml.backtest.concentration import Concentration
from ofiml.backtest.markouts import Markout
from ofiml.backtest.timing import ProfitBySession
from ofiml.metrics.estimates import Spread


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """Amounts by kind of cost, in currency; `backtest.ledger` defines each."""

    latency: float
    waiting: float
    spread: float
    depth: float
    commission: float
    financing: float


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderCounts:
    """Orders by fate; those `late` would reach the market after the close. `fill_rate` is the share of the lots of
    resting orders that were filled; `unfilled` are the lots of marketable orders that found no size, and `beyond_shown`
    the lots closed at the session's end beyond the shown size.
    """

    sent: float
    filled: float
    partly: float
    cancelled: float
    rejected: float
    expired: float
    late: float
    fill_rate: float
    unfilled: float
    beyond_shown: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TradeStatistics:
    """Round trips: their number, the share with a net gain, the mean net gain in currency, in ticks a lot and in bps of
    the entry's value, and the quartiles of holding times in seconds.
    """

    round_trips: float
    hit_rate: float
    mean_net: float
    mean_ticks: float
    mean_bps: float
    holding_q25: float
    holding_median: float
    holding_q75: float


@dataclass(frozen=True, slots=True, kw_only=True)
class VariantResult:
    """The same decisions under another latency, size or queue model (`name`): profit, costs, fills and lots traded."""

    name: str
    gross_pnl: float
    net_pnl: float
    costs: float
    fills: float
    traded: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CostPoint:
    """The net profit of the same fills with what they paid for commissions and for all else multiplied by two factors.

    What fills earned is not multiplied: `Summary.earned`.
    """

    commission_factor: float
    other_factor: float
    net_pnl: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PathSummary:
    """The results of one path, a whole history."""

    path: int
    gross_pnl: float
    net_pnl: float
    sharpe_net: float
    max_drawdown: float
    costs: float
    fills: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PathSpread:
    """The spread of results over paths."""

    gross_pnl: Spread
    net_pnl: Spread
    sharpe_net: Spread
    max_drawdown: Spread


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """The results of a backtest.

    `traded` is in lots and `traded_value` in currency. `sharpe_net` is annualised as `sharpe_unit` describes, and NaN
    if the equity does not vary; `sharpe_daily` is that of daily profits, annualised, NaN with fewer than 5 days.
    `capital` is what the position cap needs: the cap at the mean |mid| of each symbol, summed; `return_on_capital` is
    the net profit over it. `costs` are what was paid less what was `earned`, as the spread by resting orders; None in
    reports of earlier versions. `break_even_bps` are the costs to be paid, in bps of the traded value, at which nothing
    is left of gross profit and earnings. `slippage_ticks` is the mean price beyond the mid of the decision, in ticks a
    lot. `turnover` is the traded value over the capital, a tested day; NaN in reports of earlier versions. `queue`
    names the model of queue positions, and `queues` has the same orders under its bounds.

    With several paths every number is the mean over paths, `paths` has the results of each and `spread` their spread;
    both are None for one history.
    """

    currency: str
    gross_pnl: float
    net_pnl: float
    costs: float
    costs_by_kind: Costs
    fills: float
    traded: float
    traded_value: float
    orders: OrderCounts
    trades: TradeStatistics
    sharpe_net: float
    sharpe_unit: str
    sharpe_daily: float
    max_drawdown: float
    days: float
    losing_days: float
    capital: float
    return_on_capital: float
    break_even_bps: float
    slippage_ticks: float
    queue: str
    markouts: list[Markout]
    latency_curve: list[VariantResult]
    sizes: list[VariantResult]
    queues: list[VariantResult]
    cost_grid: list[CostPoint]
    concentration: Concentration | None
    profit_by_session: ProfitBySession
    paths: list[PathSummary] | None = field(default=None)
    spread: PathSpread | None = field(default=None)
    earned: Costs | None = field(default=None)
    turnover: float = field(default=float("nan"))
