"""Build the decisions of each predicted session, and the limits of its risk."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np
import polars as pl

from ofiml._typing import Int64
from ofiml.config import Strategy
from ofiml.config.strategy import RULES
from ofiml.errors import ConfigError
from ofiml.samples.table import list_feature_columns
from ofiml.strategy.bars import FeeTicks, ForecastBars, list_read_columns
from ofiml.strategy.decisions import HOLD, LAST, QUOTE, TARGET, Decisions, Limits
from ofiml.strategy.fit import FittedRule
from ofiml.strategy.limits import set_limits
from ofiml.strategy.signals import Quotes, Signals
from ofiml.strategy.sizing import compute_lots
from ofiml.training.fitted import FittedStudy


class TradedSession(NamedTuple):
    """The session of a symbol, and its path if the study has several."""

    symbol: str
    session: str
    path: int | None = None


#: The columns of a table of traded sessions.
KEY_SCHEMA = {"symbol": pl.String, "session": pl.String, "path": pl.Int32}

Plans = dict[TradedSession, tuple[Decisions, Limits]]


def decide(fitted: FittedStudy, strategy: Strategy, rules: list[FittedRule], fees: Mapping[str, FeeTicks]) -> Plans:
    """Decide at every predicted bar by the fitted rule of its fold; `fees` is by symbol.

    Every predicted bar is a decision, if only HOLD, because holding times end at a bar's close. Raises ConfigError for
    a rule that gives anything but one signal per bar.
    """
    features = list_feature_columns(fitted.config.features)
    parts: dict[TradedSession, list[Decisions]] = {}
    for key, rows, rule in select_sessions(fitted, strategy, rules):
        bars = ForecastBars.of(rows, features, fees[key.symbol])
        parts.setdefault(key, []).append(decide_session(bars, rows["until"].to_numpy(), strategy, key, rule))
    closes = {s.key: s.close for s in fitted.sessions}
    return {
        key: (_join(decisions), set_limits(strategy, closes[key.symbol, key.session]))
        for key, decisions in parts.items()
    }


def select_sessions(
    fitted: FittedStudy, strategy: Strategy, rules: list[FittedRule]
) -> Iterator[tuple[TradedSession, pl.DataFrame, FittedRule]]:
    """Select the predicted bars of each fold, session and path, in time order, with the rule of the fold. They have the
    columns that `ForecastBars.of` reads, and `until` of `express_until`.
    """
    features = list_feature_columns(fitted.config.features)
    for result, rule in zip(fitted.results, rules, strict=True):
        rows = result.predictions
        by = ["symbol", "session", *(["path"] if "path" in rows.columns else [])]
        rows = rows.select(
            *by, express_until(strategy), *list_read_columns(rows.columns, features)
        )  # each part is a copy
        for key, part in rows.group_by(by, maintain_order=True):
            yield TradedSession(*key), sort_bars(part), rule


def sort_bars(rows: pl.DataFrame) -> pl.DataFrame:
    """Sort bars by their close; bars of one time keep their order."""
    return rows if rows["bar_close"].is_sorted() else rows.sort("bar_close", maintain_order=True)


def decide_session(
    bars: ForecastBars, until: Int64, strategy: Strategy, key: TradedSession, rule: FittedRule
) -> Decisions:
    """Decide at the bars of one session and fold. A decision depends on its bar and earlier ones, and on what the rule
    learned from the train rows; `until` (n,) passes through it.
    """
    n, nothing = len(bars), np.zeros(len(bars), np.int64)
    held = Decisions(bars.bar_close, np.full(n, HOLD, np.uint8), *[nothing] * 6)
    if key.symbol not in rule.numbers:
        return held
    choice = RULES[strategy.name].decide(strategy, bars, rule.numbers[key.symbol])
    _check_choice(choice, n, strategy.name)
    strength = choice.strength if isinstance(choice, Signals) else np.ones(n)
    lots = compute_lots(
        strategy.sizing, strategy.base_lots, strategy.max_position, strength, bars.volatility,
        rule.volatility[key.symbol],
    )  # fmt: skip
    if isinstance(choice, Quotes):
        return held._replace(
            kind=np.full(n, QUOTE, np.uint8),
            bid=np.where(choice.has_bid, choice.bid, 0),
            bid_size=np.where(choice.has_bid, lots, 0),
            ask=np.where(choice.has_ask, choice.ask, 0),
            ask_size=np.where(choice.has_ask, lots, 0),
        )
    signalled = choice.side != 0
    return held._replace(
        kind=np.where(signalled, TARGET, HOLD).astype(np.uint8),
        target=choice.side * lots,
        until=np.where(signalled, until, 0),
    )


def express_until(strategy: Strategy) -> pl.Expr:
    """Express when a position decided at a bar ends, `until` (ns): after `strategy.hold`, or with the horizon.

    The end of a horizon of events or volume lies in the future of the bar: one may only test whether it has passed.
    """
    if strategy.hold_ns is not None:
        return (pl.col("bar_close").cast(pl.Int64) + strategy.hold_ns).alias("until")
    return pl.col("hold_until").cast(pl.Int64).fill_null(LAST).alias("until")


def _check_choice(choice: object, n: int, name: str) -> None:
    """Raise ConfigError unless a rule gave one signal, or one pair of quotes that do not cross, for each bar."""
    fits = isinstance(choice, Signals | Quotes) and all(np.shape(part) == (n,) for part in choice)
    if isinstance(choice, Signals) and fits:
        fits = bool(np.isin(choice.side, (-1, 0, 1)).all())
    if isinstance(choice, Quotes) and fits:
        fits = bool((choice.bid < choice.ask)[choice.has_bid & choice.has_ask].all())
    if not fits:
        raise ConfigError(
            f"strategy={name}: decide must return Signals with sides -1, 0 and 1, or Quotes with bid < ask, for each "
            f"of the {n} bars: fix the rule."
        )


def _join(parts: list[Decisions]) -> Decisions:
    """Join the decisions of several folds in one session, in time order."""
    order = np.argsort(np.concatenate([part.time for part in parts]), kind="stable")
    return Decisions._make(np.concatenate(columns)[order] for columns in zip(*parts, strict=True))


def tabulate_decisions(plans: Plans) -> pl.DataFrame:
    """Tabulate decisions for the record, session by session: its key and the fields of `Decisions`.

    `path` is null without paths, and `until` where there is no position or it has no end.
    """
    has_end = (pl.col("kind") == TARGET) & (pl.col("until") != LAST)
    parts = [decisions for decisions, _ in plans.values()]
    keys = pl.DataFrame(list(plans), schema=KEY_SCHEMA, orient="row")
    number = np.repeat(np.arange(len(parts)), [len(part.time) for part in parts])
    columns = {name: np.concatenate([getattr(part, name) for part in parts]) for name in Decisions._fields}
    table = pl.DataFrame(columns).select(pl.all().exclude("until"), pl.when(has_end).then("until"))
    return keys[number].hstack(table)
