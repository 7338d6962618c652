"""The oracle: the forecast of a synthetic market's mid from its truth.

E[mid(t + d + h) - mid(t + d) | truth at t] = Λ·(expected informed volume in between)
    + (ρ(d) - ρ(d + h))·(V(t) - mid(t)).

The first part is the expected move of V in closed form, the second the mid's return to V. ρ(s) is the share of a gap
V - mid that remains after s: the gap's autocorrelation. It is estimated on a separate simulated session, never on the
sessions that are evaluated. The second part is the best linear forecast from the gap; it ignores the shape of the book.
"""

from dataclasses import replace
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from ofiml.config.dataset import MOST_DAYS, SyntheticDataset
from ofiml.data.schema import Session, extract_level, extract_times
from ofiml.data.synthetic.market import simulate
from ofiml.units import SECOND, parse_duration

Float = NDArray[np.float64]
Int64 = NDArray[np.int64]

_MAX_SESSION_LENGTH = 3600 * SECOND
_GRID = SECOND // 2

_relaxations: dict[str, float] = {}
_lock = Lock()


def measure_gap(session: Session, at: Int64) -> Float:
    """Measure V - mid in ticks at each time of `at` (n,); 0, a neutral value, where there is no mid."""
    assert session.truth is not None
    index = np.searchsorted(extract_times(session.events), at, side="right") - 1
    bid, bid_size, ask, ask_size = extract_level(session.events, 0)
    pick = np.maximum(index, 0)
    known = (index >= 0) & (bid_size[pick] > 0) & (ask_size[pick] > 0)
    mid = np.where(known, bid[pick], 0) / session.tick / 2 + np.where(known, ask[pick], 0) / session.tick / 2
    return np.where(known, session.truth["value"].to_numpy()[pick] - mid, 0.0)


def compute_expected_move(session: Session, config: SyntheticDataset, at: Int64, delay: int, horizon: int) -> Float:
    """Compute E[mid(t + d + h) - mid(t + d) | truth at t] in ticks, (n,), for each t of `at` (n,), ns; no NaN.

    `session` was simulated from `config`; `delay` d and `horizon` h are in ns.
    """
    assert session.planted is not None
    reverting_share = _estimate_relaxation(config, delay) - _estimate_relaxation(config, delay + horizon)
    return session.planted.compute_informed_move(at, delay, horizon) + reverting_share * measure_gap(session, at)


def _estimate_relaxation(config: SyntheticDataset, lag: int) -> float:
    """Estimate ρ(lag) on one session of about an hour per config; 1 for lag 0."""
    if lag == 0:
        return 1.0
    key = f"{replace(config, sessions=1, max_sessions=None, max_events=None)} {lag}"
    with _lock:
        if key not in _relaxations:
            # The separate session must exceed the lag even if the config's sessions do not; U repeats within it.
            longest = max(_MAX_SESSION_LENGTH, 20 * lag)
            length = max(min(parse_duration(config.session_length), longest), 2 * lag + 60 * SECOND)
            # Day MOST_DAYS is beyond all days of a study, so its draws are independent of theirs.
            separate = simulate(replace(config, session_length=f"{length}ns"), MOST_DAYS)
            now, later = np.hstack([_pair_gaps(session, lag) for session in separate])
            _relaxations[key] = float(np.sum(now * later) / np.sum(now * now))
        return _relaxations[key]


def _pair_gaps(session: Session, lag: int) -> Float:
    """Return the gaps (2, n) on a grid of times and `lag` ns later."""
    at = np.arange(session.open + SECOND, session.close - lag, _GRID)
    return np.stack([measure_gap(session, at), measure_gap(session, at + lag)])
