"""All facts of one session, and the average over sessions."""

from collections.abc import Sequence

import numpy as np

from ofiml.bars.time import select_states
from ofiml.data.schema import Session
from ofiml.errors import DataError
from ofiml.microstructure.facts import book as shape
from ofiml.microstructure.facts import flow, memory, price

Facts = dict[str, dict[str, float]]


def measure_facts(session: Session, per: str) -> Facts:
    """Measure all facts of a session: topic → level, lag or step → value; `per` as in `bars.time.select_states`.

    The `measure_` functions define each number and its NaN rule. Raises DataError for a session without events or
    length.
    """
    if not session.events.height or session.close <= session.open:
        raise DataError(f"{session.source}, {session.date}: the session has no events, or no length; leave it out.")
    book = select_states(session, per)
    return {
        "spread_ticks": shape.measure_spread(session, book),
        **shape.measure_depth(session, book),
        "messages": shape.measure_messages(session, book, per),
        **{f"rate_acf_{s}s": memory.measure_event_rate(session, book, s) for s in memory.RATE_LAGS},
        **memory.measure_sign_memory(session),
        "kurtosis": price.measure_kurtosis(session, book),
        **price.measure_signature(session, book),
        **price.measure_move_memory(session, book),
        **flow.measure_impact(session, book, per),
        "intraday": memory.measure_intraday(session, book),
    }


def average_facts(sessions: Sequence[Facts]) -> Facts:
    """Average each number over the sessions that have it, with equal weights; NaN if none has it."""
    out: Facts = {}
    for topic in {t: None for one in sessions for t in one}:
        keys = {k: None for one in sessions for k in one.get(topic, {})}
        out[topic] = {k: _average([one[topic][k] for one in sessions if k in one.get(topic, {})]) for k in keys}
    return out


def _average(values: list[float]) -> float:
    known = [v for v in values if not np.isnan(v)]
    return float(np.mean(known)) if known else float("nan")
