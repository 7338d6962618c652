"""The oracle: what a forecaster would say who knows a synthetic market's truth.

E[mid(t + d + h) - mid(t + d) | truth at t] = Λ·(expected informed volume in between)
    + (ρ(d) - ρ(d + h))·(V(t) - mid(t)),

the expected move of V, in closed form, and the mid's return to V: ρ(s) is the share of a gap V - mid that is left after
s. It is the gap's autocorrelation in a session that belongs to no day of the market: nothing is fitted on what is
judged. The second part is the best linear one in the gap; what the shape of the book adds to it is not in it.
"""

from dataclasses import replace
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from ofiml.config.dataset import MOST_DAYS, SyntheticDataset
from ofiml.data.schema import Session, level, times
from ofiml.data.synthetic.market import simulate
from ofiml.units import SECOND, parse_duration

Float = NDArray[np.float64]
Int64 = NDArray[np.int64]

_LONGEST = 3600 * SECOND
_GRID = SECOND // 2

_known: dict[str, float] = {}
_lock = Lock()


def gap(session: Session, at: Int64) -> Float:
    """V - mid in ticks at each time of `at` (n,); 0 where there is no mid, so that it says nothing."""
    assert session.truth is not None
    index = np.searchsorted(times(session.events), at, side="right") - 1
    bid, bid_size, ask, ask_size = level(session.events, 0)
    pick = np.maximum(index, 0)
    known = (index >= 0) & (bid_size[pick] > 0) & (ask_size[pick] > 0)
    mid = np.where(known, bid[pick], 0) / session.tick / 2 + np.where(known, ask[pick], 0) / session.tick / 2
    return np.where(known, session.truth["value"].to_numpy()[pick] - mid, 0.0)


def expected_move(session: Session, config: SyntheticDataset, at: Int64, delay: int, horizon: int) -> Float:
    """E[mid(t + d + h) - mid(t + d) | truth at t] in ticks, (n,), for each t of `at` (n,), ns; no NaN.

    `session` was simulated from `config`; `delay` d and `horizon` h in ns.
    """
    assert session.planted is not None
    back = _relaxation(config, delay) - _relaxation(config, delay + horizon)
    return session.planted.informed_move(at, delay, horizon) + back * gap(session, at)


def _relaxation(config: SyntheticDataset, lag: int) -> float:
    """ρ(lag), from one session of about an hour per config; 1 at once."""
    if lag == 0:
        return 1.0
    key = f"{replace(config, sessions=1, max_sessions=None, max_events=None)} {lag}"
    with _lock:
        if key not in _known:
            # Longer than the lag even where sessions are not; U repeats within it.
            length = max(min(parse_duration(config.session_length), max(_LONGEST, 20 * lag)), 2 * lag + 60 * SECOND)
            apart = simulate(replace(config, session_length=f"{length}ns"), MOST_DAYS)
            now, later = np.hstack([_pairs(session, lag) for session in apart])
            _known[key] = float(np.sum(now * later) / np.sum(now * now))
        return _known[key]


def _pairs(session: Session, lag: int) -> Float:
    at = np.arange(session.open + SECOND, session.close - lag, _GRID)
    return np.stack([gap(session, at), gap(session, at + lag)])
