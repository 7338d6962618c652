"""The oracle: the forecast of a synthetic market's mid from its truth.

E[mid(t + d + h) - mid(t + d) | truth at t] = g(t)·(e^(-d/ν) - e^(-(d + h)/ν)) - p(t)·(e^(-d/κ) - e^(-(d + h)/κ))
    + Λ·(expected informed volume in between, with its decaying impact)
    + (expected gap at t + d) - (expected gap at t + d + h).

The first line and the second are the expected move of V in closed form: private news g that V learns, transient impact
p that V loses, and informed orders (`data.truth`). The third is the mid's way to V. The gap is V - mid. Its expectation
after s is ρ(s) times today's gap plus β(s) times today's private news, to whose side quotes lean. ρ and β are estimated
by least squares on a separate simulated session, never on the sessions that are evaluated. This part is the best linear
forecast from the two; it ignores the shape of the book.
"""

from dataclasses import replace
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from ofiml.config.dataset import MOST_DAYS, SyntheticDataset
from ofiml.data.schema import Session, extract_level, extract_times
from ofiml.data.synthetic.market import simulate_sessions
from ofiml.units import SECOND, parse_duration

Float = NDArray[np.float64]
Int64 = NDArray[np.int64]

_MAX_SESSION_LENGTH = 3600 * SECOND
_GRID = SECOND // 2

_relaxations: dict[str, tuple[float, float]] = {}
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


def measure_transient(session: Session, at: Int64) -> Float:
    """Measure the transient impact in V in ticks at each time of `at` (n,); 0 before the first event.

    It is known after each event and decays from there.
    """
    assert session.truth is not None
    assert session.planted is not None
    times = extract_times(session.events)
    index = np.searchsorted(times, at, side="right") - 1
    pick = np.maximum(index, 0)
    left = np.exp(-np.maximum(at - times[pick], 0) / SECOND / session.planted.impact_decay)
    return np.where(index >= 0, session.truth["transient"].to_numpy()[pick] * left, 0.0)


def compute_expected_move(session: Session, config: SyntheticDataset, at: Int64, delay: int, horizon: int) -> Float:
    """Compute E[mid(t + d + h) - mid(t + d) | truth at t] in ticks, (n,), for each t of `at` (n,), ns; no NaN.

    `session` was simulated from `config`; `delay` d and `horizon` h are in ns.
    """
    truth = session.planted
    assert truth is not None
    move = truth.compute_expected_move(at, delay, horizon, measure_transient(session, at))
    before, after = (_estimate_relaxation(config, lag) for lag in (delay, delay + horizon))
    reverting_share, leaning_share = before[0] - after[0], before[1] - after[1]
    return move + reverting_share * measure_gap(session, at) + leaning_share * truth.compute_private_news(at)


def _estimate_relaxation(config: SyntheticDataset, lag: int) -> tuple[float, float]:
    """Estimate (ρ, β) of the lag on one session of about an hour per config; (1, 0) for lag 0."""
    if lag == 0:
        return 1.0, 0.0
    key = f"{replace(config, sessions=1, max_sessions=None, max_events=None)} {lag}"
    with _lock:
        if key not in _relaxations:
            # The separate session must exceed the lag even if the config's sessions do not; U repeats within it.
            longest = max(_MAX_SESSION_LENGTH, 20 * lag)
            length = max(min(parse_duration(config.session_length), longest), 2 * lag + 60 * SECOND)
            # Day MOST_DAYS is beyond all days of a study, so its draws are independent of theirs.
            separate = simulate_sessions(replace(config, session_length=f"{length}ns"), MOST_DAYS)
            _relaxations[key] = _fit_relaxation(*np.hstack([_pair_gaps(session, lag) for session in separate]))
        return _relaxations[key]


def _fit_relaxation(later: Float, now: Float, private: Float) -> tuple[float, float]:
    """Fit later = ρ·now + β·private by least squares; β is 0 without private news."""
    if not private.any():
        return float(np.sum(now * later) / np.sum(now * now)), 0.0
    slopes = np.linalg.lstsq(np.stack([now, private], axis=1), later, rcond=None)[0]
    return float(slopes[0]), float(slopes[1])


def _pair_gaps(session: Session, lag: int) -> Float:
    """Return (3, n) on a grid of times: the gaps `lag` ns later, the gaps and the private news then."""
    assert session.planted is not None
    at = np.arange(session.open + SECOND, session.close - lag, _GRID)
    return np.stack(
        [measure_gap(session, at + lag), measure_gap(session, at), session.planted.compute_private_news(at)]
    )
