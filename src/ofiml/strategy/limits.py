"""The limits of a strategy's risk in one session."""

from ofiml.config import Strategy
from ofiml.strategy.decisions import Limits


def set_limits(strategy: Strategy, close: int) -> Limits:
    """Set the limits of a session that closes at `close` (ns)."""
    return Limits(
        cap=strategy.max_position,
        stop=strategy.stop_ticks or 0,
        take=strategy.take_profit_ticks or 0,
        flat_from=close - strategy.flat_before_close_ns,
        loss=float("inf") if strategy.loss_limit is None else strategy.loss_limit,
        post=strategy.entry == "post",
    )
