"""The backtest of reports from before orders met the recorded book: it bought and sold at the quotes of bars."""

from dataclasses import dataclass

from ofiml.backtest.summary import PathSpread, PathSummary


@dataclass(frozen=True, slots=True, kw_only=True)
class EarlierCosts:
    """The costs by kind, in currency. `spread` is the distance of each fill from the mid at its time."""

    spread: float
    commission: float


@dataclass(frozen=True, slots=True, kw_only=True)
class EarlierBacktest:
    """The results of an earlier backtest, as they were written; they do not compare with those of `Performance`.

    Orders were filled at the touch, one latency after a bar's close, up to the size there. Fees were the same for every
    symbol. Money is in currency; `traded`, `unfilled` and `beyond_shown` are in lots.
    """

    gross_pnl: float
    net_pnl: float
    costs: float
    costs_by_kind: EarlierCosts
    fills: float
    traded: float
    unfilled: float
    beyond_shown: float
    sharpe_net: float
    sharpe_unit: str
    max_drawdown: float
    sharpe_low: float
    sharpe_high: float
    net_t: float
    net_p: float
    paths: list[PathSummary] | None = None
    spread: PathSpread | None = None
