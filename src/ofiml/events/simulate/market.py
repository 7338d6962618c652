"""A session of the synthetic market, in the event schema, with its truth beside it."""

import hashlib

import numpy as np
import polars as pl

from ofiml.config import SyntheticDataset
from ofiml.events.quality import Quality
from ofiml.events.schema import ACTION, F_LAST, SIDE, TIME, Session, schema
from ofiml.events.simulate import kernel
from ofiml.units import PRICE_SCALE, SECOND, duration

_FIRST_OPEN = 1_704_119_400 * SECOND  # 2024-01-01 14:30 UTC; sessions follow day by day
_DAY = 24 * 3600 * SECOND
_FEED_DELAY = 100_000  # ns from the exchange to us


def simulate(config: SyntheticDataset, index: int) -> Session:
    """Session `index` of the market that `config` describes. The same seed and index give the same bytes.

    `truth` holds the latent `pressure` z at each `ts_recv`: the mid's drift is jump_rate·price_tilt·tanh(z) ticks a
    second, and z decays with `signal_decay` (see kernel.py), from which `expected_move` follows.
    """
    length = duration(config.session_length) / SECOND
    expected = length * config.event_rate
    capacity = int(kernel.ROWS_A_MESSAGE * (expected + 10 * np.sqrt(expected) + 100))
    seconds, pressure = np.empty(capacity), np.empty(capacity)
    rows = np.empty((capacity, 6), np.int64)
    bids, asks = np.empty((config.levels, capacity), np.int64), np.empty((config.levels, capacity), np.int64)
    n = kernel.run(
        np.random.default_rng([config.seed, index]),
        length,
        config.event_rate,
        config.jump_rate,
        duration(config.signal_decay) / SECOND,
        config.flow_bias,
        config.price_tilt,
        round(config.start_price / config.tick),
        config.levels,
        seconds,
        pressure,
        rows,
        bids,
        asks,
    )
    tick = round(config.tick * PRICE_SCALE)
    open_ = _FIRST_OPEN + index * _DAY
    stamps = open_ + np.rint(seconds[:n] * SECOND).astype(np.int64)
    action, side, price, size, last, bid = rows[:n].T
    book: dict[str, pl.Series] = {}
    for m in range(config.levels):
        book[f"bid_px_{m:02d}"] = pl.Series((bid - m) * tick)
        book[f"ask_px_{m:02d}"] = pl.Series((bid + 1 + m) * tick)
        book[f"bid_sz_{m:02d}"] = pl.Series(bids[m, :n])
        book[f"ask_sz_{m:02d}"] = pl.Series(asks[m, :n])
        for s in ("bid", "ask"):
            book[f"{s}_ct_{m:02d}"] = pl.Series([None], dtype=pl.UInt32).new_from_index(0, n)
    received = pl.Series(stamps + _FEED_DELAY).cast(TIME)
    events = pl.DataFrame(
        {
            "ts_event": pl.Series(stamps).cast(TIME),
            "ts_recv": received,
            "action": pl.Series(action.astype(np.uint8)).cat.to(ACTION),
            "side": pl.Series(side.astype(np.uint8)).cat.to(SIDE),
            "price": pl.Series(price * tick),
            "size": pl.Series(size),
            "flags": pl.Series((last * F_LAST).astype(np.uint8)),
            "sequence": pl.Series(np.arange(n, dtype=np.int64)),
            **book,
            "symbol": pl.Series(["SYN"]).new_from_index(0, n),
        }
    ).select(list(schema(config.levels)))
    digest = hashlib.sha256(stamps.tobytes() + rows[:n].tobytes())
    for m in range(config.levels):
        digest.update(bids[m, :n].tobytes() + asks[m, :n].tobytes())
    return Session(
        symbol="SYN",
        date=str(np.datetime64(open_, "ns").astype("datetime64[D]")),
        events=events,
        open=open_,
        close=open_ + duration(config.session_length) + _FEED_DELAY,
        tick=tick,
        levels=config.levels,
        size_unit=1.0,
        source=f"synthetic session {index}",
        digest=digest.hexdigest(),
        quality=Quality(rows=n, used=n),
        truth=pl.DataFrame({"ts_recv": received, "pressure": pressure[:n]}),
    )


def expected_move(config: SyntheticDataset, pressure: np.ndarray, delay: float, horizon: float) -> np.ndarray:
    """E[mid(t + delay + horizon) - mid(t + delay) | z_t = pressure] in ticks: what a forecaster who saw z would say.

    The drift is jump_rate·price_tilt·E[tanh z_s], integrated over s by the trapezoid rule; E[tanh z_s | z_t] for the
    Gaussian z_s by Gauss-Hermite quadrature. `delay` and `horizon` in seconds.
    """
    tau = duration(config.signal_decay) / SECOND
    nodes, weights = np.polynomial.hermite_e.hermegauss(31)
    weights = weights / weights.sum()
    lags = np.linspace(delay, delay + horizon, 21)
    rho = np.exp(-lags / tau)
    grid = np.linspace(-6.0, 6.0, 241)
    mean = [np.tanh(r * grid[:, None] + np.sqrt(1 - r * r) * nodes) @ weights for r in rho]
    drift = config.jump_rate * config.price_tilt * np.trapezoid(np.stack(mean), lags, axis=0)
    return np.interp(pressure, grid, drift)
