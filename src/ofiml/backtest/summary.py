"""The results of a backtest: profit, costs and trades, and their spread over several paths."""

from dataclasses import dataclass

from ofiml.metrics.estimates import Spread


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """The costs by kind, in the currency of the summary."""

    spread: float
    commission: float


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
    """The results of a backtest. Money is in `currency`, that of the settlement; `traded`, `unfilled` and
    `beyond_shown` are in lots. `sharpe_net` is annualised as `sharpe_unit` describes, and NaN if the equity does not
    vary.

    With several paths every number is the mean over paths, `paths` has the results of each and `spread` their spread;
    both are None for one history.
    """

    gross_pnl: float
    net_pnl: float
    costs: float
    costs_by_kind: Costs
    fills: float
    traded: float
    unfilled: float
    beyond_shown: float
    sharpe_net: float
    sharpe_unit: str
    max_drawdown: float
    currency: str = "currency"
    paths: list[PathSummary] | None = None
    spread: PathSpread | None = None
