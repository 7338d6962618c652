"""Describe the backtest in sentences: profit and costs, whether it survives, and what it depends on."""

from ofiml.backtest.summary import Summary
from ofiml.evaluation.executable import ExecutableSkill
from ofiml.evaluation.profit import Obstacle, Performance
from ofiml.evaluation.scores import Scores
from ofiml.metrics.bootstrap import MIN_BLOCKS
from ofiml.ui.format import choose_money_form, format_estimate, format_number

_KINDS = ("spread", "depth", "latency", "waiting", "commission", "financing")
_EARNABLE = 0.5  # a label whose executable IC keeps less of its IC is called hard to earn


def describe_backtest(backtest: Performance, scores: Scores) -> list[str]:
    """Describe the backtest, from the profit to what it rests on."""
    if backtest.fills == 0:
        return ["Backtest: no order was filled. " + _describe_idle(backtest), _describe_executable(backtest.executable)]
    return [
        f"{_describe_profit(backtest)} {describe_survival(backtest, scores)}".strip(),
        _describe_ratios(backtest),
        _describe_trades(backtest),
        _describe_variants(backtest),
        *_describe_queues(backtest),
        _describe_basis(backtest),
        _describe_executable(backtest.executable),
    ]


def _describe_idle(backtest: Performance) -> str:
    if backtest.orders.sent == 0:
        return "No forecast exceeded the cost of a trade, or the strategy's threshold."
    return f"{backtest.orders.sent:,.0f} orders were sent."


def _describe_profit(b: Performance) -> str:
    mean = f", mean of {len(b.paths)} paths" if b.paths else ""
    balance = describe_balance(b, by_kind=True)
    return f"Backtest, in {b.currency}{mean}: {balance}. The recorded book does not react to own orders."


def describe_balance(b: Summary, *, by_kind: bool) -> str:
    """Describe how the net profit comes from the gross one; `by_kind` adds what each kind of cost took and earned."""
    earned = _list_earned(b)
    paid = {kind: getattr(b.costs_by_kind, kind) + earned[kind] for kind in _KINDS}
    form = choose_money_form([b.gross_pnl, sum(earned.values()), sum(paid.values()), b.net_pnl])

    def describe(name: str, amounts: dict[str, float]) -> str:
        kinds = ", ".join(f"{kind} {amount:{form}}" for kind, amount in amounts.items() if amount)
        return f"{name} {sum(amounts.values()):{form}}" + (f" ({kinds})" if by_kind and kinds else "")

    gains = f" + {describe('earned', earned)}" if any(earned.values()) else ""
    return f"gross {b.gross_pnl:{form}}{gains} - {describe('costs', paid)} = net {b.net_pnl:{form}}"


def _list_earned(b: Summary) -> dict[str, float]:
    """List what each kind of cost earned; a report of an earlier version does not say it."""
    return {kind: 0.0 if b.earned is None else getattr(b.earned, kind) for kind in _KINDS}


def describe_survival(backtest: Performance, scores: Scores) -> str:
    """Describe whether the profit survives costs, and what is missing; empty if there are too few data."""
    low = scores.pooled["ic"].low
    if low != low or scores.bootstrap.blocks < MIN_BLOCKS or "no_fills" in backtest.obstacles:
        return ""
    if "no_profit" in backtest.obstacles:
        return _describe_loss(backtest)
    if not backtest.obstacles:
        return "The forecast survives trading costs."
    trips = backtest.trades.round_trips
    round_trips = f"{_count_trips(trips)} {'is' if trips == 1 else 'are'} fewer than {backtest.min_round_trips}"
    no_interval = backtest.sharpe_low != backtest.sharpe_low
    missing: dict[Obstacle, str] = {
        "interval": "the Sharpe ratio has no interval"
        if no_interval
        else "the interval of the Sharpe ratio contains 0",
        "hac": f"the HAC test of the net gain has p = {format_number(backtest.net_p, '.2f')}",
        "round_trips": f"{round_trips} (backtest.min_round_trips)",
    }
    return f"The net profit may be chance: {'; '.join(missing[obstacle] for obstacle in backtest.obstacles)}."


def _describe_loss(b: Performance) -> str:
    earned = sum(_list_earned(b).values())
    if b.gross_pnl + earned > 0:
        return "The forecast does not survive trading costs."
    if not earned:
        return "There is no profit before trading costs."
    form = choose_money_form([b.gross_pnl, earned])
    return (
        f"There is no profit before trading costs: fills earned {earned:{form}}, no more than what they lost against "
        "the mids of their decisions."
    )


def _count_trips(count: float) -> str:
    """Count round trips in words.

    >>> _count_trips(1), _count_trips(1234.0)
    ('1 round trip', '1,234 round trips')
    """
    return f"{count:,.0f} round trip{'' if count == 1 else 's'}"


def _describe_ratios(b: Performance) -> str:
    form = choose_money_form([b.capital, b.max_drawdown])
    ratio = format_estimate(b.sharpe_net, b.sharpe_low, b.sharpe_high, ".2f")
    known = b.sharpe_daily == b.sharpe_daily
    daily = f"from daily returns {b.sharpe_daily:.2f}" if known else "from daily returns unknown (it takes 5 days)"
    return (
        f"Net Sharpe ratio {ratio} {b.sharpe_unit}, {daily}; return on the capital of the position "
        f"cap ({b.capital:{form}}) {format_number(b.return_on_capital, '.3%')} in {b.days:,.0f} "
        f"{'day' if b.days == 1 else 'days'}, {b.losing_days:,.0f} with a loss; turnover "
        f"{format_number(b.turnover, ',.2f')} times that capital a day; maximum drawdown {b.max_drawdown:{form}}. "
        f"{describe_deflation(b)}"
    )


def describe_deflation(b: Performance) -> str:
    """Describe the probability that the Sharpe ratio is more than the best of the run's own trials reaches by luck."""
    others = "`ofiml compare` counts the other runs of the experiment"
    if b.deflated is None or b.deflated.probability != b.deflated.probability:
        few = b.deflated is not None and b.deflated.blocks < MIN_BLOCKS
        reason = f": it takes {MIN_BLOCKS} blocks of time" if few else ""
        return f"The Sharpe ratio is not deflated{reason}; {others}."
    trials = b.deflated.trials
    luck = "above 0" if trials == 1 else "above the luck of the best trial"
    of = "1 trial, without tuning" if trials == 1 else f"{trials:,} trials, this run and its tuning"
    return f"Deflated by {of}: the true ratio lies {luck} with a probability of {b.deflated.probability:.3f}; {others}."


def _describe_trades(b: Performance) -> str:
    trades, orders = b.trades, b.orders
    parts = [
        f"{_count_trips(trades.round_trips)}, {format_number(trades.hit_rate, '.0%')} with a gain, of "
        f"{format_number(trades.mean_ticks, '.2f')} ticks ({format_number(trades.mean_bps, '.2f')} bps) a lot on "
        f"average, held for a median of {format_number(trades.holding_median, ',.1f')} s",
        f"{b.traded:,.0f} lots in {b.fills:,.0f} fills of {orders.sent:,.0f} orders",
        f"slippage {format_number(b.slippage_ticks, '.2f')} ticks a lot from the mid of the decision",
    ]
    if orders.fill_rate == orders.fill_rate:
        parts.append(f"{orders.fill_rate:.0%} of the lots of resting orders were filled")
    if orders.unfilled:
        parts.append(f"{orders.unfilled:,.0f} lots found no size")
    if orders.beyond_shown:
        parts.append(f"{orders.beyond_shown:,.0f} lots were closed beyond the shown size")
    markouts = _describe_markouts(b)
    return f"Trades: {'; '.join(parts)}{markouts}."


def _describe_markouts(b: Summary) -> str:
    shown = []
    for kind, values in (("marketable", [m.taker for m in b.markouts]), ("resting", [m.maker for m in b.markouts])):
        if any(value == value for value in values):
            parts = (f"{format_number(v, '+.2f')} after {m.horizon}" for v, m in zip(values, b.markouts, strict=True))
            shown.append(f"{kind} {', '.join(parts)}")
    return f"; markouts in ticks: {'; '.join(shown)}" if shown else ""


def _describe_variants(b: Performance) -> str:
    nets = [v.net_pnl for v in (*b.latency_curve, *b.sizes)]
    form = choose_money_form([*nets, b.net_pnl])
    parts = [f"break-even at {format_number(b.break_even_bps, ',.3f')} bps of the traded value"]
    if b.latency_curve:
        parts.append("net by latency: " + ", ".join(f"{v.name} {v.net_pnl:{form}}" for v in b.latency_curve))
    if b.sizes:
        parts.append("by size: " + ", ".join(f"{v.name}x {v.net_pnl:{form}}" for v in b.sizes))
    return f"Costs: {'; '.join(parts)}."


def _describe_queues(b: Performance) -> list[str]:
    if not b.queues:
        return []
    form = choose_money_form([b.net_pnl, *(v.net_pnl for v in b.queues)])
    through, touch = (next(v for v in b.queues if v.name == name) for name in ("through", "touch"))
    model = "the place in the queue is exact" if b.queue == "exact" else f"the queue is a model ({b.queue})"
    return [
        f"Queue: {model}; net {b.net_pnl:{form}} lies beside {through.net_pnl:{form}} if orders are filled only when "
        f"traded through, and {touch.net_pnl:{form}} if as soon as touched."
    ]


def _describe_basis(b: Performance) -> str:
    split = b.profit_by_session
    form = choose_money_form([b.gross_pnl, b.net_pnl])
    parts = [
        f"gross profit between sessions {split.between:{form}}, within {split.within:{form}}",
        f"IC within sessions {format_number(b.skill_by_session.ic_within, '.3f')}",
    ]
    if b.concentration is not None:
        c = b.concentration
        day = "" if b.paths else f" ({c.best_day})"
        best = "round trip" if c.best_trades == 1 else f"{_count_trips(c.best_trades)} (1 %)"
        parts.append(f"net without the best {best} {c.net_without_best_trades:{form}}")
        if b.days > 1:
            parts.append(f"without the best day{day} {c.net_without_best_day:{form}}")
    return f"Basis: {'; '.join(parts)}."


def _describe_executable(skill: ExecutableSkill) -> str:
    start = "Executable return (crossing the spread at entry and exit, after the latency)"
    ic, label_ic = format_estimate(skill.ic, skill.low, skill.high), format_number(skill.label_ic)
    hits, label_hits = (format_number(v, ".0%") for v in (skill.hit_rate, skill.label_hit_rate))
    if skill.earnable == 0:
        return f"{start}: no bar has a gain. Warning: the label cannot be earned."
    sentence = f"{start}: IC {ic}, for the label {label_ic}; hit rate {hits}, for the label {label_hits}."
    if skill.label_ic > 0 and not skill.ic >= _EARNABLE * skill.label_ic:
        return f"{sentence} Warning: much of the label cannot be earned."
    return sentence
