"""What a backtest gained, lost and traded, and how far several paths differ in it."""

from dataclasses import dataclass

from ofiml.metrics.estimates import Spread


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """Costs by kind, in currency."""

    spread: float
    commission: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PathSummary:
    """What one path, a whole history, gained, lost and traded."""

    path: int
    gross_pnl: float
    net_pnl: float
    sharpe_net: float
    max_drawdown: float
    costs: float
    fills: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PathSpread:
    """Mean, standard deviation, least and greatest over paths."""

    gross_pnl: Spread
    net_pnl: Spread
    sharpe_net: Spread
    max_drawdown: Spread


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """Money in currency; `traded`, `unfilled` and `beyond_shown` in lots. `sharpe_net` is annualised as `sharpe_unit`
    says, NaN where nothing was gained or lost.

    Of several paths every number is the mean over paths, `paths` has each one's own and `spread` how far they differ;
    both are None of one history alone.
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
    paths: list[PathSummary] | None = None
    spread: PathSpread | None = None
