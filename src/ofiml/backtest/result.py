"""The result of a backtest, from its traded sessions: tables over all of them, and the summary."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean, stdev

import numpy as np
import polars as pl

from ofiml.backtest.averages import average_records
from ofiml.backtest.columns import Columns, divide_chunks, join_columns, name_rows
from ofiml.backtest.concentration import measure_concentration
from ofiml.backtest.executable import tabulate_executable
from ofiml.backtest.fills import tabulate_fills, tabulate_orders
from ofiml.backtest.ledger import Totals
from ofiml.backtest.markouts import average_markouts
from ofiml.backtest.measures import (
    build_cost_grid,
    count_orders,
    describe_trades,
    find_break_even,
    list_costs,
    list_earned,
    make_variant,
    measure_daily_sharpe,
    measure_drawdown,
)
from ofiml.backtest.money import MONEY_SCALE, Money
from ofiml.backtest.round_trips import tabulate_round_trips
from ofiml.backtest.scenarios import MAIN, Variant
from ofiml.backtest.shown_trades import tabulate_shown
from ofiml.backtest.summary import PathSpread, PathSummary, Summary, VariantResult
from ofiml.backtest.timing import ProfitBySession
from ofiml.backtest.trading import SessionResult
from ofiml.config import Backtest
from ofiml.metrics.estimates import Spread
from ofiml.metrics.sharpe import sharpe


@dataclass(frozen=True, slots=True)
class Account:
    """What the summary needs besides the sessions: the `currency`, the position cap in lots, the money of each symbol,
    trading days a year, the bars of a full session (`bars_per_day`), and what a bar is called.
    """

    currency: str
    cap: int
    money: Mapping[str, Money]
    days_per_year: int
    bars_per_day: float
    bar: str


@dataclass(frozen=True, slots=True)
class BacktestResult:
    """The result of a backtest: the summary and tables, money in its currency.

    `equity` has cumulative `gross` and `net` at each bar, over all symbols; `gains` the gain of each bar and symbol,
    and the lots held; `days` the profit of each date. `decided` has one row per predicted bar of a symbol: `net` is the
    gain from its mark to the next, with the costs of its own decision. `executable` has the quotes that each bar's
    trade would have met, and `shown` the best quotes around a few round trips of each session. `annual` is the factor
    that annualises the Sharpe ratio of a bar. With several paths all tables have a column `path`.
    """

    summary: Summary
    orders: pl.DataFrame
    fills: pl.DataFrame
    round_trips: pl.DataFrame
    equity: pl.DataFrame
    gains: pl.DataFrame
    days: pl.DataFrame
    decided: pl.DataFrame
    executable: pl.DataFrame
    shown: pl.DataFrame
    annual: float


#: The tables of the rows of sessions, and how the arrays become values.
_TABLES: dict[str, Callable[[pl.DataFrame], pl.DataFrame]] = {
    "orders": tabulate_orders,
    "fills": tabulate_fills,
    "round_trips": tabulate_round_trips,
    "gains": pl.DataFrame,
    "decided": pl.DataFrame,
    "executable": tabulate_executable,
    "shown": tabulate_shown,
}


_CHUNKED = ("fills", "round_trips")  # the summary sums their floats, in each session first


def tabulate(sessions: Sequence[SessionResult], name: str) -> pl.DataFrame:
    """Tabulate the rows of this name of traded sessions, at least one, session by session; `gains` in order of time."""
    parts: list[Columns] = [getattr(s, name) for s in sessions]
    counts = [len(next(iter(part.values()))) for part in parts]
    table = name_rows(_TABLES[name](join_columns(parts)), [s.key for s in sessions], counts)
    if name == "gains":
        return table.sort("bar_close", maintain_order=True)
    return divide_chunks(table, counts) if name in _CHUNKED else table


def collect_result(
    sessions: list[SessionResult],
    config: Backtest,
    account: Account,
    keep: Callable[[pl.DataFrame], pl.DataFrame] = lambda table: table,
) -> BacktestResult:
    """Collect the result of traded sessions. If they are of several paths, every number is the mean over paths.

    `keep` stores each table and returns what takes its place, so that no two tables are in memory.
    """
    paths = sorted({s.key.path for s in sessions if s.key.path is not None})
    if not paths:
        return _collect_path(sessions, config, account, keep)
    parts = {path: _collect_path([s for s in sessions if s.key.path == path], config, account, keep) for path in paths}
    names = (*_TABLES, "equity", "days")
    tables = {name: pl.concat([getattr(part, name) for part in parts.values()]) for name in names}
    annual = fmean(part.annual for part in parts.values())
    return BacktestResult(_average_paths({path: part.summary for path, part in parts.items()}), **tables, annual=annual)


def _collect_path(
    sessions: list[SessionResult], config: Backtest, account: Account, keep: Callable[[pl.DataFrame], pl.DataFrame]
) -> BacktestResult:
    fills, trips, orders = (tabulate(sessions, name) for name in ("fills", "round_trips", "orders"))
    tables = {name: keep(tabulate(sessions, name)) for name in ("gains", "decided", "executable", "shown")}
    path = sessions[0].key.path
    named = [] if path is None else [pl.lit(path, pl.Int32).alias("path")]
    # One observation per time: the gains of all symbols at that time are added.
    by_time = (
        tables["gains"]
        .group_by("bar_close", maintain_order=True)
        .agg(pl.col("session").first(), pl.col("gross", "net").sum())
    )
    equity = keep(by_time.with_columns(pl.col("gross", "net").cum_sum(), *named))
    days = keep(_sum_days(sessions).with_columns(*named))
    annual = float(np.sqrt(account.days_per_year * account.bars_per_day))
    totals = _add_totals(sessions)
    main = totals[MAIN]
    net = by_time["net"].to_numpy()
    capital = _measure_capital(sessions, account)

    def list_variants(kind: str) -> list[VariantResult]:
        return [make_variant(variant.name, each) for variant, each in totals.items() if variant.kind == kind]

    between = sum(s.between for s in sessions)
    summary = Summary(
        currency=account.currency,
        gross_pnl=main.gross / MONEY_SCALE,
        net_pnl=main.net / MONEY_SCALE,
        costs=main.costs / MONEY_SCALE,
        costs_by_kind=list_costs(main),
        fills=main.fills,
        traded=main.traded,
        traded_value=main.traded_value / MONEY_SCALE,
        orders=count_orders(orders, sum(s.beyond_shown for s in sessions)),
        trades=describe_trades(trips),
        sharpe_net=annual * sharpe(net),
        sharpe_unit=(
            f"per {account.bar} bar, annualised by sqrt({account.days_per_year} days x {account.bars_per_day:,.0f} "
            "bars of a full session)"
        ),
        sharpe_daily=measure_daily_sharpe(days["net"].to_numpy(), account.days_per_year),
        max_drawdown=measure_drawdown(equity["net"].to_numpy()),
        days=days.height,
        losing_days=int((days["net"] < 0).sum()),
        capital=capital,
        return_on_capital=main.net / MONEY_SCALE / capital if capital else float("nan"),
        break_even_bps=find_break_even(main),
        slippage_ticks=_measure_slippage(fills),
        queue=" and ".join(sorted({s.queue for s in sessions})),
        markouts=[average_markouts(fills, text, f"markout_{text}") for text in config.markouts],
        latency_curve=list_variants("latency"),
        sizes=list_variants("size"),
        queues=list_variants("queue"),
        cost_grid=build_cost_grid(main),
        concentration=measure_concentration(trips, days),
        profit_by_session=ProfitBySession(between, main.gross / MONEY_SCALE - between),
        earned=list_earned(main),
        turnover=main.traded_value / MONEY_SCALE / capital / days.height if capital else float("nan"),
    )
    return BacktestResult(
        summary=summary,
        orders=keep(orders),
        fills=keep(fills),
        round_trips=keep(trips),
        **tables,
        equity=equity,
        days=days,
        annual=annual,
    )


def _add_totals(sessions: list[SessionResult]) -> dict[Variant, Totals]:
    """Add the totals of each variant over sessions."""
    return {name: Totals.add(s.totals[name] for s in sessions) for name in sessions[0].totals}


def _sum_days(sessions: list[SessionResult]) -> pl.DataFrame:
    """Sum `gross` and `net` of each date, in currency; in integers first, so that a day without a gain has none."""
    days: dict[str, list[Totals]] = {}
    for s in sessions:
        days.setdefault(s.key.session, []).append(s.ledger.totals)
    sums = {day: Totals.add(days[day]) for day in sorted(days)}
    rows = [(day, total.gross / MONEY_SCALE, total.net / MONEY_SCALE) for day, total in sums.items()]
    return pl.DataFrame(rows, schema={"session": pl.String, "gross": pl.Float64, "net": pl.Float64}, orient="row")


def _measure_capital(sessions: list[SessionResult], account: Account) -> float:
    """Measure what the position cap is worth at the mean price of each symbol over sessions, in currency."""
    prices: dict[str, list[int]] = {}
    for s in sessions:
        prices.setdefault(s.key.symbol, []).append(s.mean_price)
    cap = np.array([account.cap])
    worth = (
        account.money[symbol].worth(cap, np.array([2 * round(fmean(values))]))[0] for symbol, values in prices.items()
    )
    return sum(abs(int(each)) for each in worth) / MONEY_SCALE


def _measure_slippage(fills: pl.DataFrame) -> float:
    """Measure the mean price beyond the mid of the decision, in ticks a lot; NaN without fills."""
    lots = fills["lots"].abs().sum()
    if not lots:
        return float("nan")
    ticks = (2 * pl.col("price") - pl.col("mid2_decided")) / (2 * pl.col("tick"))
    beyond = ticks * pl.col("lots")
    return float(fills.select(beyond.sum()).item() / lots)


def _average_paths(paths: dict[int, Summary]) -> Summary:
    """Average the summaries of paths, and show each path's main results and their spread."""
    summaries = list(paths.values())
    mains = [
        PathSummary(
            path=path,
            gross_pnl=s.gross_pnl,
            net_pnl=s.net_pnl,
            sharpe_net=s.sharpe_net,
            max_drawdown=s.max_drawdown,
            costs=s.costs,
            fills=int(s.fills),
        )
        for path, s in paths.items()
    ]
    spread = PathSpread(
        **{
            name: _compute_spread([getattr(s, name) for s in summaries])
            for name in ("gross_pnl", "net_pnl", "sharpe_net", "max_drawdown")
        }
    )
    return replace(average_records(summaries), paths=mains, spread=spread)


def _compute_spread(values: list[float]) -> Spread:
    """Compute the spread of the values that are not NaN. All is NaN without such values, the deviation with one."""
    known = [v for v in values if v == v]
    if not known:
        return Spread(*[float("nan")] * 4)
    deviation = stdev(known) if len(known) > 1 else float("nan")
    return Spread(fmean(known), deviation, min(known), max(known))
