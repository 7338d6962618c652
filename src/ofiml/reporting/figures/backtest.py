"""Draw the backtest: profit and drawdown, its variants, its costs, markouts, the time of day, and single trades."""

from collections.abc import Callable
from dataclasses import dataclass, fields
from datetime import datetime

import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.dates import DateFormatter
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ofiml.backtest.shown_trades import choose_trades
from ofiml.backtest.summary import VariantResult
from ofiml.data.schema import TIME
from ofiml.evaluation.profit import Performance
from ofiml.reporting.profit import describe_balance
from ofiml.study.run import Study
from ofiml.ui.figure import BLUE, DARK, GREY, RED
from ofiml.ui.format import choose_money_form, format_number
from ofiml.units import SECOND

Draw = Callable[[Figure, Study], None]

_MAX_TIMES = 12  # labels on the axis of times
_MINUTE = 60 * SECOND
_BAND = "#cfe3ea"


def choose_backtest_figures(study: Study) -> dict[str, Draw]:
    """Choose the figures of a backtest: none without a fill, and only resting orders have a queue."""
    backtest = study.report.performance
    if backtest is None or study.trades is None or not backtest.fills:
        return {}
    return {
        "equity.png": _draw_equity,
        **({"latency_curve.png": _draw_latency_curve} if backtest.latency_curve else {}),
        "cost_grid.png": _draw_cost_grid,
        **({"capacity.png": _draw_capacity} if backtest.sizes else {}),
        **({"markouts.png": _draw_markouts} if backtest.markouts else {}),
        "profit_by_time.png": _draw_profit_by_time,
        **({"queue_bracket.png": _draw_queue_bracket} if backtest.queues else {}),
        "trades.png": _draw_trades,
    }


def _draw_equity(figure: Figure, study: Study) -> None:
    """Draw the profit gross and net of costs over all tested bars, and the drawdown of the net profit."""
    assert study.trades is not None
    assert study.report.performance is not None
    equity, backtest = study.trades.equity, study.report.performance
    profit, drawdown = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
    paths = (
        [equity] if "path" not in equity.columns else [part for _, part in equity.group_by("path", maintain_order=True)]
    )
    for k, path in enumerate(paths):
        x, alpha = np.arange(path.height), 1.0 if len(paths) == 1 else 0.6
        gross, net = path["gross"].to_numpy(), path["net"].to_numpy()
        once = {"alpha": alpha, "linewidth": 1.1}
        profit.plot(x, gross, "--", color=BLUE, label=None if k else "gross: filled at the mid of the decision", **once)
        profit.plot(x, net, color=RED, label=None if k else "net of all costs", **once)
        peak = np.maximum.accumulate(np.maximum(net, 0))
        drawdown.fill_between(x, net - peak, 0, color=RED, alpha=0.35 / len(paths) + 0.1, linewidth=0)
        for start in path["session"].rle_id().diff().fill_null(1).to_numpy().nonzero()[0][1:]:
            for axis in (profit, drawdown):
                axis.axvline(start, color=GREY, linewidth=0.5, alpha=0.4)
    profit.axhline(0, color=DARK, linewidth=0.8)
    profit.set_ylabel(f"profit ({backtest.currency})")
    drawdown.set_ylabel(f"drawdown\n({backtest.currency})")
    drawdown.set_xlabel("tested bars (lines: sessions)")
    mean = f", mean of {len(paths)} paths" if len(paths) > 1 else ""
    deflated = "" if backtest.deflated is None else f"; deflated {format_number(backtest.deflated.probability)}"
    profit.set_title(
        f"{backtest.fills:,.0f} fills: {describe_balance(backtest, by_kind=False)}{mean}\n"
        f"Sharpe ratio {format_number(backtest.sharpe_net, '.2f')}{deflated}; "
        f"turnover {format_number(backtest.turnover, ',.2f')} times the capital a day"
    )


def _draw_latency_curve(figure: Figure, study: Study) -> None:
    """Draw the profit of the same decisions under other latencies."""
    backtest = _read_backtest(study)
    axis = figure.subplots()
    _draw_variants(axis, backtest.latency_curve, backtest)
    axis.set_xlabel("latency from the decision to the market")
    axis.set_title(f"Profit by latency; this study: {study.config.backtest.latency}")


def _draw_capacity(figure: Figure, study: Study) -> None:
    """Draw the profit of the same decisions with other order sizes."""
    backtest = _read_backtest(study)
    axis = figure.subplots()
    _draw_variants(axis, backtest.sizes, backtest)
    axis.set_xlabel("order size, as a multiple of this study's")
    axis.set_title("Capacity: how far the profit grows with the size of orders")


def _draw_variants(axis: Axes, variants: list[VariantResult], backtest: Performance) -> None:
    x = np.arange(len(variants))
    axis.plot(x, [v.gross_pnl for v in variants], "o--", color=BLUE, label="gross: filled at the mid of the decision")
    axis.plot(x, [v.net_pnl for v in variants], "s-", color=RED, label="net of all costs")
    axis.axhline(0, color=DARK, linewidth=0.8)
    axis.set_xticks(x, [v.name for v in variants])
    axis.set_ylabel(f"profit ({backtest.currency})")


def _draw_cost_grid(figure: Figure, study: Study) -> None:
    """Draw the net profit of the same fills under multiples of what they paid in commissions and in all other costs."""
    backtest = _read_backtest(study)
    axis = figure.subplots()
    commission = sorted({p.commission_factor for p in backtest.cost_grid})
    other = sorted({p.other_factor for p in backtest.cost_grid})
    net = np.array(
        [
            [
                next(p.net_pnl for p in backtest.cost_grid if (p.commission_factor, p.other_factor) == (a, b))
                for a in commission
            ]
            for b in other
        ]
    )
    reach = max(float(np.abs(net).max()), 1e-12)
    columns, rows = range(len(commission)), range(len(other))
    # Without edges of their colours, cells would show light seams in a browser.
    cells = axis.pcolormesh(columns, rows, net, shading="nearest", cmap="RdBu", edgecolors="face", linewidth=0.5)
    cells.set_clim(-reach, reach)
    form = choose_money_form(net.ravel().tolist())
    for i, row in enumerate(net):
        for j, value in enumerate(row):
            dark = abs(value) > 0.6 * reach
            axis.text(j, i, format(value, form), ha="center", va="center", color="white" if dark else DARK, fontsize=9)
    axis.set_xticks(columns, [f"{a:g} x" for a in commission])
    axis.set_yticks(rows, [f"{b:g} x" for b in other])
    axis.set_xlabel("commission")
    axis.set_ylabel("spread, depth, latency, waiting, financing")
    axis.set_title(
        f"Net profit ({backtest.currency}) of the same fills under other costs; "
        f"break-even at {backtest.break_even_bps:,.2f} bps of the traded value"
    )


def _draw_markouts(figure: Figure, study: Study) -> None:
    """Draw how the mid moved after fills."""
    backtest = _read_backtest(study)
    axis = figure.subplots()
    x = np.arange(len(backtest.markouts))
    kinds = [
        ([m.taker for m in backtest.markouts], BLUE, "marketable orders"),
        ([m.maker for m in backtest.markouts], RED, "resting orders"),
    ]
    known = [kind for kind in kinds if any(value == value for value in kind[0])]
    for k, (values, colour, label) in enumerate(known):
        offset = 0.36 * (k - (len(known) - 1) / 2)
        axis.bar(x + offset, np.nan_to_num(values), width=0.34, color=colour, label=label)
    axis.axhline(0, color=DARK, linewidth=0.8)
    axis.set_xticks(x, [m.horizon for m in backtest.markouts])
    axis.set_xlabel("time after the fill")
    axis.set_ylabel("mid against the price paid (ticks a lot)")
    slippage = format_number(backtest.slippage_ticks, ".2f")
    axis.set_title(
        "Markouts: what a fill was worth later, before commission\n"
        f"slippage {slippage} ticks a lot from the mid of the decision"
    )


def _draw_profit_by_time(figure: Figure, study: Study) -> None:
    """Draw the net profit by time of day, UTC: by half hour, or by shorter bins on less than two hours."""
    assert study.trades is not None
    backtest = _read_backtest(study)
    axis = figure.subplots()
    gains = study.trades.gains
    ends = gains.select(time=(pl.col("bar_close") - 1).cast(TIME), net="net")
    span = np.ptp(ends["time"].dt.time().cast(pl.Int64).to_numpy())  # ns of the day
    length = next((n for n in (1, 5) if span < 24 * n * _MINUTE), 30)
    bins = pl.col("time").dt.truncate(f"{length}m").dt.time()
    by_time = ends.group_by(bins).agg(pl.col("net").sum()).sort("time")
    net = by_time["net"].to_numpy() / max(1, len(backtest.paths or []))
    x = np.arange(len(net))
    axis.bar(x, net, color=np.where(net >= 0, BLUE, RED), width=0.8)
    axis.axhline(0, color=DARK, linewidth=0.8)
    step = -(-len(net) // _MAX_TIMES)  # rounded up: labels of more bins would overlap
    labels = [f"{t:%H:%M}" for t in by_time["time"]]
    axis.set_xticks(x[::step], labels[::step])
    axis.set_xlabel(f"start of each {length} min (UTC)")
    axis.set_ylabel(f"net profit ({backtest.currency})")
    axis.set_title("Net profit by time of day")


def _draw_queue_bracket(figure: Figure, study: Study) -> None:
    """Draw the profit and fills of the queue model between its two bounds."""
    backtest = _read_backtest(study)
    bounds = {v.name: v for v in backtest.queues}
    rows = [
        ("only when traded through", bounds["through"].net_pnl, bounds["through"].traded),
        (f"{backtest.queue} queue".replace(", ", ",\n"), backtest.net_pnl, backtest.traded),
        ("as soon as touched", bounds["touch"].net_pnl, bounds["touch"].traded),
    ]
    left, right = figure.subplots(1, 2, sharey=True)
    names, nets, lots = zip(*rows, strict=True)
    left.barh(names, nets, color=[_BAND, BLUE, _BAND])
    left.axvline(0, color=DARK, linewidth=0.8)
    left.set_xlabel(f"net profit ({backtest.currency})")
    left.set_title("When are resting orders filled? Net profit")
    right.barh(names, lots, color=[_BAND, BLUE, _BAND])
    right.set_xlabel("lots traded")
    right.set_title("Lots traded")
    left.invert_yaxis()


def _draw_trades(figure: Figure, study: Study) -> None:
    """Draw a few round trips on the best quotes around them: the best, the worst and two in between."""
    assert study.trades is not None
    trips, shown = study.trades.round_trips, study.trades.shown
    if "path" in trips.columns:
        trips, shown = (table.filter(pl.col("path") == trips["path"][0]) for table in (trips, shown))
    on = ["symbol", "session", "opened"]
    quoted = trips.join(shown.select(on).unique(), on=on, how="semi", maintain_order="left")
    chosen = quoted[choose_trades(quoted["net"].to_numpy())]
    axes = np.atleast_1d(figure.subplots(2, 2) if chosen.height > 2 else figure.subplots(1, chosen.height)).ravel()
    for axis, trade in zip(axes, _read_trades(chosen), strict=False):
        quotes = shown.filter(pl.all_horizontal(pl.col(c) == getattr(trade, c) for c in on))
        _draw_trade(axis, quotes, trade)
        axis.set_xlabel("time (UTC)")
        axis.set_ylabel(f"price ({_read_backtest(study).currency})")
    for axis in axes[chosen.height :]:
        axis.set_visible(False)


@dataclass(frozen=True, slots=True)
class _Trade:
    """A round trip: `lots` entered at the mean price `entry` and left at `exit`; `net` is its profit in currency."""

    symbol: str
    session: str
    side: str
    lots: int
    opened: datetime
    closed: datetime
    entry: float
    exit: float
    net: float


def _read_trades(round_trips: pl.DataFrame) -> list[_Trade]:
    names = [f.name for f in fields(_Trade)]
    return [_Trade(*row) for row in round_trips.select(names).iter_rows()]


def _draw_trade(axis: Axes, quotes: pl.DataFrame, trade: _Trade) -> None:
    stamps = quotes["time"].to_numpy()
    for side, colour, dash in (("bid", BLUE, "-"), ("ask", RED, "--")):
        axis.step(stamps, quotes[side].to_numpy(), dash, where="post", color=colour, linewidth=0.9, label=side)
    ends = [np.datetime64(end.replace(tzinfo=None)) for end in (trade.opened, trade.closed)]
    axis.plot(ends, [trade.entry, trade.exit], color=DARK, linewidth=1, linestyle=":")
    marker = "^" if trade.side == "long" else "v"
    axis.scatter(ends[:1], [trade.entry], marker=marker, color=DARK, zorder=3, label="entry (mean price)")
    axis.scatter(ends[1:], [trade.exit], marker="s", color=DARK, zorder=3, label="exit (mean price)")
    axis.set_xticks(_choose_seconds(stamps[0], stamps[-1]))
    axis.xaxis.set_major_formatter(DateFormatter("%H:%M:%S"))
    axis.tick_params(labelsize=8)
    net = format(trade.net, choose_money_form([trade.net]))
    axis.set_title(f"{trade.symbol} {trade.session}: {trade.side}, {trade.lots:,} lots entered, net {net}", fontsize=9)


def _choose_seconds(first: np.datetime64, last: np.datetime64) -> NDArray[np.datetime64]:
    """Choose at most five whole seconds at equal distances between two times."""
    start, end = first.astype("datetime64[s]") + 1, last.astype("datetime64[s]")
    step = np.timedelta64(max(1, -(-int((end - start).astype(np.int64)) // 4)), "s")
    return np.arange(start, end + 1, step)


def _read_backtest(study: Study) -> Performance:
    assert study.report.performance is not None
    return study.report.performance
