"""The section on costs and execution."""

from collections.abc import Sequence

from ofiml.backtest.summary import VariantResult
from ofiml.evaluation.profit import Performance
from ofiml.evaluation.scores import Scores
from ofiml.reporting.html.blocks import Block, Details, Sentences, Table
from ofiml.reporting.profit import describe_backtest
from ofiml.ui.format import choose_money_form, format_interval, format_number, format_p

_KINDS = {
    "latency": "the mid's move from decision to arrival",
    "waiting": "the mid's move while an order rests",
    "spread": "distance from the mid to the touch",
    "depth": "distance beyond the touch",
    "commission": "fees of exchange and broker",
    "financing": "holding a position between sessions",
}


def describe_costs(backtest: Performance, scores: Scores) -> list[Block]:
    """Describe profit and costs, orders and trades, and what other latencies, sizes and queues would earn."""
    if backtest.fills == 0:
        return [Sentences(describe_backtest(backtest, scores))]
    return [
        _tabulate_profit(backtest),
        _tabulate_ratios(backtest),
        _tabulate_trades(backtest),
        *_tabulate_variants("The same decisions under other latencies", "latency", backtest.latency_curve, backtest),
        *_tabulate_variants(
            "The same decisions with other sizes of orders", "times the size", backtest.sizes, backtest
        ),
        *_tabulate_variants("The same orders at the bounds of the queue", "filled when", backtest.queues, backtest),
        Details(
            "The same in words, and what the profit rests on",
            [Sentences(describe_backtest(backtest, scores), listed=True)],
        ),
    ]


def _tabulate_profit(b: Performance) -> Table:
    form = choose_money_form([b.gross_pnl, b.costs, b.net_pnl])

    def share(amount: float) -> str:
        return format_number(amount / b.traded_value * 1e4 if b.traded_value else float("nan"), ",.3f")

    amounts = [("gross profit", "filled at the mid of the decision", b.gross_pnl)]
    amounts += [
        (kind, meaning, -getattr(b.costs_by_kind, kind))
        for kind, meaning in _KINDS.items()
        if getattr(b.costs_by_kind, kind)
    ]
    amounts.append(("net profit", "what is left", b.net_pnl))
    rows = [[name, meaning, format_number(amount, form), share(amount)] for name, meaning, amount in amounts]
    mean = f", mean of {len(b.paths)} paths" if b.paths else ""
    heading = f"From gross to net (amounts in {b.currency}, and in bps of the traded value{mean})"
    break_even = format_number(b.break_even_bps, ",.3f")
    note = f"Own orders do not change the recorded book. Nothing is left if {break_even} bps are paid."
    return Table(heading, ["part", "meaning", f"amount ({b.currency})", "bps"], rows, labels=2, note=note)


def _tabulate_ratios(b: Performance) -> Table:
    form = choose_money_form([b.capital, b.max_drawdown])
    rows = [
        [
            f"net Sharpe ratio, {b.sharpe_unit}",
            format_number(b.sharpe_net, ".2f"),
            format_interval(b.sharpe_low, b.sharpe_high, ".2f"),
        ],
        ["HAC t of the net gain per bar", format_number(b.net_t, ".1f"), _describe_p(b.net_p)],
        *_list_deflation(b),
        [f"maximum drawdown ({b.currency})", format_number(b.max_drawdown, form), ""],
        [f"capital of the position cap ({b.currency})", format_number(b.capital, form), ""],
        [
            "return on that capital",
            format_number(b.return_on_capital, ".3%"),
            f"in {b.days:,.0f} {'day' if b.days == 1 else 'days'}",
        ],
        ["turnover", format_number(b.turnover, ",.2f"), "times that capital, a day"],
        ["days with a loss", f"{b.losing_days:,.0f}", f"of {b.days:,.0f}"],
    ]
    return Table("Return and risk", ["measure", "value", "interval, or context"], rows)


def _list_deflation(b: Performance) -> list[list[str]]:
    if b.deflated is None:
        return []
    trials = f"{b.deflated.trials:,} trial{'' if b.deflated.trials == 1 else 's'}: this run and its tuning"
    return [
        ["deflated Sharpe ratio (probability of a ratio above luck)", format_number(b.deflated.probability), trials]
    ]


def _describe_p(p: float) -> str:
    """Describe a p-value.

    >>> _describe_p(0.0004), _describe_p(0.25)
    ('p < 0.001', 'p = 0.250')
    """
    text = format_p(p)
    return f"p {text}" if text.startswith("<") else f"p = {text}"


def _tabulate_trades(b: Performance) -> Table:
    orders, trades, skill = b.orders, b.trades, b.executable
    counts = (
        ("orders sent", orders.sent),
        ("orders filled", orders.filled),
        ("orders filled in part", orders.partly),
        ("orders cancelled", orders.cancelled),
        ("orders rejected", orders.rejected),
        ("orders expired", orders.expired),
        ("orders that came after the close", orders.late),
        ("fills", b.fills),
        ("lots traded", b.traded),
        ("lots that found no size", orders.unfilled),
        ("lots closed beyond the shown size", orders.beyond_shown),
        ("round trips", trades.round_trips),
    )
    rows = [[name, f"{count:,.0f}"] for name, count in counts if count]
    values = (
        ("share of lots of resting orders that were filled", orders.fill_rate, ".1%"),
        ("round trips with a gain", trades.hit_rate, ".1%"),
        ("mean net gain of a round trip (ticks a lot)", trades.mean_ticks, ".2f"),
        ("mean net gain of a round trip (bps)", trades.mean_bps, ".2f"),
        ("median time held (s)", trades.holding_median, ",.1f"),
        ("mean price beyond the mid of the decision (ticks a lot)", b.slippage_ticks, ".2f"),
        ("IC against the executable return", skill.ic, ".3f"),
        ("IC against the label", skill.label_ic, ".3f"),
    )
    rows += [[name, format_number(value, form)] for name, value, form in values if value == value]
    return Table("Orders and trades (counts, unless a unit is named)", ["what", "value"], rows)


def _tabulate_variants(heading: str, what: str, variants: Sequence[VariantResult], b: Performance) -> list[Block]:
    if not variants:
        return []
    names = {"through": "traded through", "touch": "touched"}
    form = choose_money_form([n for v in variants for n in (v.gross_pnl, v.costs, v.net_pnl)])
    rows = [
        [
            names.get(v.name, v.name),
            *(format_number(n, form) for n in (v.gross_pnl, v.costs, v.net_pnl)),
            f"{v.fills:,.0f}",
            f"{v.traded:,.0f}",
        ]
        for v in variants
    ]
    columns = [what, "gross", "costs", "net", "fills", "lots"]
    return [Table(f"{heading} (amounts in {b.currency}; fills and lots are counts)", columns, rows)]
