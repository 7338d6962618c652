"""VPIN, Kyle's λ and jumps of a market's sessions, as `toxicity` shows them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ofiml._typing import Bool, Float, Int64
from ofiml.bars import cut_bars
from ofiml.bars.time import select_states
from ofiml.config import TimeBars
from ofiml.data.schema import Session
from ofiml.data.trades import group_orders, list_trades
from ofiml.experiments.basket import sum_signed_lots
from ofiml.experiments.flow_bars import compute_moves
from ofiml.metrics.hac import fit_slope, t_test
from ofiml.metrics.jumps import find_jumps
from ofiml.metrics.scores import compute_ranks, ic
from ofiml.microstructure.toxicity.vpin import Vpin

BUCKETS = 200  # of the first session's volume
WINDOW = 50  # buckets that VPIN averages
PARTS = 12  # of a session, for what changes within it
JUMP_WINDOW = 180  # moves from which the volatility before a move is estimated
AROUND = 30  # bars before and after a jump
_SHUFFLES = 20
_SHIFTS = 2000


@dataclass(frozen=True, slots=True)
class Day:
    """What is read of a session: its bars (n,) and its market orders (m,).

    Of bars `close` (ns), `move` of the mid (ticks, NaN where a mid is missing), and `signed`, lots bought less lots
    sold; `open` and `end` bound the session. Of orders `known_at` (ns), `size` and `sign`; orders without a side are
    omitted, `unsigned` counts their lots. `impact` is the planted Λ in ticks per lot, NaN for a real market.
    """

    date: str
    open: int
    end: int
    step: int
    close: Int64
    move: Float
    signed: Int64
    known_at: Int64
    size: Int64
    sign: Int64
    unsigned: int
    impact: float


def read_day(session: Session, config: TimeBars) -> Day:
    """Read the bars and the market orders of a session."""
    book = select_states(session, config.per)
    bars = cut_bars(session, book, config)
    trades = list_trades(session)
    orders = group_orders(trades)
    planted = session.planted
    return Day(
        date=session.date,
        open=session.open,
        end=session.close,
        step=config.step_ns,
        close=bars.close,
        move=compute_moves(book, bars, session.tick),
        signed=sum_signed_lots(session, bars.edges),
        known_at=orders["ts_recv"].to_numpy(),
        size=orders["size"].to_numpy(),
        sign=orders["sign"].to_numpy().astype(np.int64),
        unsigned=int(trades.filter(trades["sign"] == 0)["size"].sum()),
        impact=planted.impact[planted.symbol][planted.symbol] if planted is not None else float("nan"),
    )


@dataclass(frozen=True, slots=True)
class VpinPath:
    """VPIN after each bucket of a session: `known_at` (ns) and `value`, (buckets,), without the undefined ones."""

    known_at: Int64
    value: Float

    def look_up(self, at: Int64) -> Float:
        """Look up the last value known at each time, (n,); NaN before the first."""
        index = np.searchsorted(self.known_at, at, side="right") - 1
        known = np.append(self.value, np.nan)
        return known[np.where(index >= 0, index, len(self.value))]


def compute_vpin(days: Sequence[Day], bucket: int, signs: Sequence[Int64] | None = None) -> list[VpinPath]:
    """Compute VPIN of each session from its orders, with other `signs` if given; buckets continue into the next one."""
    vpin, paths = Vpin(bucket, WINDOW), []
    for k, day in enumerate(days):
        sign = day.sign if signs is None else signs[k]
        table = vpin.feed(day.known_at, day.size, day.size * sign).drop_nans("vpin")
        paths.append(VpinPath(table["known_at"].to_numpy(), table["vpin"].to_numpy()))
    return paths


def choose_bucket(days: Sequence[Day]) -> int:
    """Choose the lots of a bucket: a share 1/BUCKETS of the first session's volume, at least 1."""
    return max(1, int(days[0].size.sum()) // BUCKETS)


def average_paths(paths: Sequence[VpinPath]) -> float:
    """Average VPIN over all buckets of all sessions; NaN without one."""
    values = np.concatenate([path.value for path in paths])
    return float(values.mean()) if len(values) else float("nan")


def shuffle_signs(days: Sequence[Day], bucket: int, seed: int) -> float:
    """Average VPIN if the signs of a session's orders are put in random order: what sizes and numbers alone give."""
    rng = np.random.default_rng(seed)
    draws = [
        average_paths(compute_vpin(days, bucket, [rng.permutation(day.sign) for day in days])) for _ in range(_SHUFFLES)
    ]
    return float(np.mean(draws))


@dataclass(frozen=True, slots=True)
class Kyle:
    """Kyle's λ: the slope of the mid's move on signed volume, ticks per lot, its standard error and R²."""

    slope: float
    error: float
    r2: float


def fit_kyle(move: Float, signed: Int64, time: Int64) -> Kyle:
    """Fit moves (n,) on signed lots (n,) of the same bars, in order of `time` (n,), ns; bars without a move are left
    out. The error allows for autocorrelation and unequal variances; NaN where undefined.
    """
    known = np.isfinite(move)
    y, x, at = move[known], signed[known].astype(np.float64), time[known]
    if len(y) < 3:
        return Kyle(*[float("nan")] * 3)
    slope, influence = fit_slope(y, x)
    t = t_test(slope, influence, at, 0).t
    return Kyle(slope, abs(slope / t) if t else float("nan"), ic(y, x) ** 2)


def fit_days(days: Sequence[Day], keep: Sequence[Bool] | None = None) -> Kyle:
    """Fit λ on the bars of all sessions, or on those to `keep` of each."""
    picks = keep if keep is not None else [np.ones(len(day.move), np.bool_) for day in days]
    rows = [(day.move[pick], day.signed[pick], day.close[pick]) for day, pick in zip(days, picks, strict=True)]
    move, signed, time = (np.concatenate(column) for column in zip(*rows, strict=True))
    return fit_kyle(move, signed, time)


def find_part(day: Day, at: Int64) -> Int64:
    """Find in which of PARTS equal parts of its session each time (n,), ns, lies."""
    return np.clip((at - day.open - 1) * PARTS // (day.end - day.open), 0, PARTS - 1)


def fit_parts(days: Sequence[Day]) -> list[Kyle]:
    """Fit λ on the bars of each part of the session, of all sessions together."""
    return [fit_days(days, [find_part(day, day.close) == part for day in days]) for part in range(PARTS)]


def average_parts(days: Sequence[Day], paths: Sequence[VpinPath]) -> Float:
    """Average VPIN over the buckets of each part of the session, of all sessions together, (PARTS,)."""
    part = np.concatenate([find_part(day, path.known_at) for day, path in zip(days, paths, strict=True)])
    value = np.concatenate([path.value for path in paths])
    return np.array([value[part == k].mean() if (part == k).any() else np.nan for k in range(PARTS)])


@dataclass(frozen=True, slots=True)
class AroundJumps:
    """VPIN around the jumps of a market's sessions.

    `before` is the mean rank of VPIN that is known at a jump's open among the session's bars, from 0 to 1, and `after`
    the same AROUND bars after its close; `p` is the two-sided p-value of `before`, from jumps at other times. `count`
    counts the jumps with VPIN before them, `jumps` all. `vpin`, `volume` and `size` (2·AROUND + 1,) are the means of
    VPIN, of the absolute signed volume and of the absolute move of the bars around jumps, each relative to the
    session's mean; NaN without a bar. `without` is λ on the bars that are no jumps.
    """

    jumps: int
    count: int
    before: float
    after: float
    p: float
    vpin: Float
    volume: Float
    size: Float
    without: Kyle


def measure_around_jumps(days: Sequence[Day], paths: Sequence[VpinPath], seed: int) -> AroundJumps:
    """Measure VPIN around jumps. The p-value compares with jumps moved by the same random number of bars around each
    session's circle of bars, which keeps their number and spacing.
    """
    marks = [find_jumps(np.nan_to_num(day.move), JUMP_WINDOW) for day in days]
    opens = [rank(path.look_up(day.close - day.step)) for day, path in zip(days, paths, strict=True)]
    usable = [np.isfinite(ranks) & (np.arange(len(ranks)) >= JUMP_WINDOW - 1) for ranks in opens]
    at = [np.flatnonzero(mark[use]) for mark, use in zip(marks, usable, strict=True)]
    ranks = [one[use] for one, use in zip(opens, usable, strict=True)]
    later = [
        one[np.minimum(np.flatnonzero(mark & use) + AROUND + 1, len(one) - 1)]
        for one, mark, use in zip(opens, marks, usable, strict=True)
    ]
    count = sum(map(len, at))
    before, p = compare_shifted(ranks, at, seed) if count else (float("nan"), float("nan"))
    return AroundJumps(
        jumps=int(sum(mark.sum() for mark in marks)),
        count=count,
        before=before,
        after=float(np.mean(np.concatenate(later))) if count else float("nan"),
        p=p,
        vpin=_profile([path.look_up(day.close) for day, path in zip(days, paths, strict=True)], marks),
        volume=_profile([np.abs(day.signed).astype(np.float64) for day in days], marks),
        size=_profile([np.abs(day.move) for day in days], marks),
        without=fit_days(days, [~mark for mark in marks]),
    )


def rank(values: Float) -> Float:
    """Rank values (n,) among each other from 0 to 1, ties by their mean; NaN stays NaN."""
    known = np.isfinite(values)
    out = np.full(len(values), np.nan)
    out[known] = (compute_ranks(values[known]) - 0.5) / max(1, int(known.sum()))
    return out


def compare_shifted(ranks: Sequence[Float], at: Sequence[Int64], seed: int) -> tuple[float, float]:
    """Average the ranks at the places `at` of each session; return the mean and its two-sided p-value against places
    moved around the circle of each session.
    """
    rng = np.random.default_rng(seed)
    count = sum(map(len, at))

    def average(shifts: Sequence[int]) -> float:
        return (
            sum(
                float(one[(places + s) % max(1, len(one))].sum())
                for one, places, s in zip(ranks, at, shifts, strict=True)
            )
            / count
        )

    value = average([0] * len(ranks))
    centre = sum(len(places) * float(one.mean()) for one, places in zip(ranks, at, strict=True) if len(places)) / count
    draws = [average([int(rng.integers(max(1, len(one)))) for one in ranks]) for _ in range(_SHIFTS)]
    extreme = sum(abs(draw - centre) >= abs(value - centre) - 1e-12 for draw in draws)
    return value, (1 + extreme) / (1 + _SHIFTS)


def _profile(values: Sequence[Float], marks: Sequence[Bool]) -> Float:
    """Average values relative to the session's mean over the bars around jumps, (2·AROUND + 1,)."""
    rows = []
    for one, mark in zip(values, marks, strict=True):
        if not mark.any():
            continue
        padded = np.concatenate([np.full(AROUND, np.nan), one / np.nanmean(one), np.full(AROUND, np.nan)])
        rows += [padded[k : k + 2 * AROUND + 1] for k in np.flatnonzero(mark)]
    if not rows:
        return np.full(2 * AROUND + 1, np.nan)
    table = np.array(rows)
    known = np.isfinite(table)
    total = np.where(known, table, 0.0).sum(axis=0)
    return np.divide(total, known.sum(axis=0), out=np.full(len(total), np.nan), where=known.any(axis=0))
