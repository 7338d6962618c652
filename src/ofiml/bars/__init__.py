"""Bars: cuts of a session's events by time or activity, and the book at each bar's close."""

from ofiml.bars.time import Bars, Book, cut_time_bars
from ofiml.config import ActivityBars, TimeBars
from ofiml.data.schema import Session

__all__ = ["cut_bars"]


def cut_bars(session: Session, book: Book, config: TimeBars | ActivityBars) -> Bars:
    """Cut a session into the time or activity bars of `config`. Raises DataError if no bar fits."""
    if isinstance(config, TimeBars):
        return cut_time_bars(session, book, config.step_ns)
    from ofiml.bars.activity import cut_activity_bars  # compiles its kernel, so only where it is used

    return cut_activity_bars(session, book, config.name, config.size, config.per)
