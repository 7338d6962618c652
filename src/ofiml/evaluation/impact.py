"""Price impact: how a bar's flow explains the mid's change of the same bar (Cont, Kukanov & Stoikov 2014, section 3).

All of it is in sample, by half hour, as in the paper. The paper has bars of 10 s, 180 in a window.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from ofiml._typing import Float, Int64
from ofiml.metrics.hac import SlopeTest, fit_slope, t_test
from ofiml.metrics.scores import ic
from ofiml.ofi.columns import BEST_FLOW
from ofiml.units import SECOND

WINDOW = 1800 * SECOND
MIN_BARS = 30  # of a window; a correlation over fewer is not reliable
MIN_FREE_BARS = 10  # beyond the number of coefficients
MIN_WINDOWS = 5  # for a line through the windows


@dataclass(frozen=True, slots=True)
class ImpactWindow:
    """A half hour of one session, from `start` (UTC); NaN where not defined.

    `flow` is the slope β of the mid's change on best-level OFI, in ticks a lot, and `r2` its share of the variance;
    `depth` is the mean of (q^b + q^a)/2 at the bars' closes, in lots. `trades_r2` is the R² of trade imbalance, what
    buyers less what sellers took. `both_r2` is that of OFI and trade imbalance, and `flow_beside_trades` and
    `trades_beside_flow` are their slopes in it. `square` is the slope of OFI·|OFI| beside OFI, and `square_r2` the R²
    of both. Each slope has a t-statistic that allows for autocorrelation and unequal variances.
    """

    symbol: str
    session: str
    start: str
    bars: int
    depth: float
    flow: SlopeTest
    r2: float
    trades_r2: float
    both_r2: float
    flow_beside_trades: SlopeTest
    trades_beside_flow: SlopeTest
    square: SlopeTest
    square_r2: float


@dataclass(frozen=True, slots=True)
class DepthLaw:
    """The law β = c / depth^λ of a symbol, fitted to the logarithms of its windows.

    `exponent` is λ and `error` its standard error; `scale` is c for λ = 1, the mean of β·depth in ticks, which is 1/2
    in the paper's model of the book.
    """

    symbol: str
    windows: int
    exponent: float
    error: float
    r2: float
    scale: float


@dataclass(frozen=True, slots=True)
class ImpactScore:
    """The half hours in order, the mean R² of best-level OFI over them (NaN without one), and the law of depth of each
    symbol that has at least 5 of them with β and depth above 0.
    """

    windows: list[ImpactWindow]
    r2_window_mean: float
    depth_laws: list[DepthLaw]

    @property
    def r2_windows(self) -> list[float]:
        """The R² of best-level OFI in each window."""
        return [window.r2 for window in self.windows]


@dataclass(frozen=True, slots=True)
class EarlierImpact:
    """The impact in reports of earlier versions, which had R² alone."""

    r2_windows: list[float]
    r2_window_mean: float


def measure_impact(rows: pl.DataFrame, session_open: dict[tuple[str, str], int]) -> ImpactScore:
    """Measure how best-level flow and trades explain the mid's change in each half hour.

    `rows` have `symbol`, `session`, `bar_open`, `bar_close` (ns), `move_ticks`, `ofi_00` (lots)
    and the features of `samples.settings.IMPACT_FEATURES`, in time order within a session. Windows are those of
    `measure_r2_windows`.
    """
    windows = [window for part in _split_windows(rows, session_open) if (window := _measure_window(part)) is not None]
    r2 = [window.r2 for window in windows]
    laws = [_fit_depth_law(symbol, windows) for symbol in dict.fromkeys(window.symbol for window in windows)]
    return ImpactScore(windows, float(np.mean(r2)) if r2 else float("nan"), [law for law in laws if law is not None])


def _measure_window(part: pl.DataFrame) -> ImpactWindow | None:
    """Measure a window; return None if the mid or the flow does not vary in it."""
    move = part["move_ticks"].to_numpy()
    flow = part[BEST_FLOW].to_numpy().astype(np.float64)
    trades = (part["buy_volume"] - part["sell_volume"]).to_numpy().astype(np.float64)
    r2, time = ic(move, flow) ** 2, part["bar_close"].to_numpy()
    if np.isnan(r2):
        return None
    square = flow * np.abs(flow)
    return ImpactWindow(
        symbol=part["symbol"][0],
        session=part["session"][0],
        start=str(np.datetime64(int(part["bar_open"][0]), "ns").astype("datetime64[s]")),
        bars=part.height,
        depth=float(part["depth_best"].fill_nan(None).mean() or np.nan),  # type: ignore[arg-type]
        flow=_test_slope(move, flow, None, time),
        r2=r2,
        trades_r2=ic(move, trades) ** 2,
        both_r2=_fit_r2(np.column_stack([flow, trades]), move),
        flow_beside_trades=_test_slope(move, flow, trades, time),
        trades_beside_flow=_test_slope(move, trades, flow, time),
        square=_test_slope(move, square, flow, time),
        square_r2=_fit_r2(np.column_stack([flow, square]), move),
    )


def _test_slope(move: Float, of: Float, beside: Float | None, time: Int64) -> SlopeTest:
    """Test the slope of `move` on `of`, in a regression with a constant and `beside`.

    It is the slope on what the others do not explain of it (Frisch & Waugh 1933). NaN if they explain all.
    """
    undefined = SlopeTest(float("nan"), float("nan"), float("nan"))
    if beside is not None and np.ptp(beside) > 0:
        centred = beside - beside.mean()
        rest = of - of.mean() - fit_slope(of, centred)[0] * centred
        if rest @ rest <= 1e-12 * np.sum((of - of.mean()) ** 2):
            return undefined
        move, of = move - fit_slope(move, centred)[0] * centred, rest
    slope, influence = fit_slope(move, of)
    if np.isnan(slope):
        return undefined
    test = t_test(slope, influence, time, 0)
    return SlopeTest(slope, test.t, test.p)


def _fit_depth_law(symbol: str, windows: list[ImpactWindow]) -> DepthLaw | None:
    """Fit ln β = ln c - λ ln depth over the windows of a symbol; return None with too few, or without variation."""
    pairs = [(w.flow.value, w.depth) for w in windows if w.symbol == symbol and w.flow.value > 0 and w.depth > 0]
    if len(pairs) < MIN_WINDOWS:
        return None
    slope, depth = np.array(pairs).T
    x, y = np.log(depth) - np.log(depth).mean(), np.log(slope) - np.log(slope).mean()
    if np.ptp(x) == 0 or np.ptp(y) == 0:
        return None
    fitted = float(x @ y) / float(x @ x)
    rest = y - fitted * x
    error = np.sqrt(float(rest @ rest) / (len(x) - 2) / float(x @ x))
    r2 = 1 - float(rest @ rest) / float(y @ y)
    return DepthLaw(symbol, len(pairs), -fitted, float(error), r2, float(np.mean(slope * depth)))


def measure_r2_windows(rows: pl.DataFrame, session_open: dict[tuple[str, str], int]) -> list[float]:
    """Measure the squared correlation of best-level OFI (`ofi_00`, lots) and the mid change (`move_ticks`) in each
    30-minute window.

    Windows start at the session's open and follow the order of `rows`. A window with fewer than 30 bars or without
    variation is left out.
    """
    out = []
    for window in _split_windows(rows, session_open):
        flow, move = window[BEST_FLOW].to_numpy().astype(np.float64), window["move_ticks"].to_numpy()
        out.append(ic(move, flow) ** 2)
    return [value for value in out if not np.isnan(value)]


def measure_adjusted_r2_windows(
    rows: pl.DataFrame, session_open: dict[tuple[str, str], int], columns: list[str]
) -> list[float]:
    """Measure the adjusted R² of a least-squares fit of the mid change on all `columns` in each window of
    `measure_r2_windows`.

    It is 1 - (1 - R²)(n - 1)/(n - p - 1), with p the number of independent columns, and may be negative. A window with
    n - p - 1 below 10, or without variation, is left out.
    """
    out = []
    for window in _split_windows(rows, session_open):
        move = window["move_ticks"].to_numpy()
        value = _fit_adjusted_r2(window.select(columns).to_numpy().astype(np.float64), move)
        if not np.isnan(value):
            out.append(value)
    return out


def _split_windows(rows: pl.DataFrame, session_open: dict[tuple[str, str], int]) -> Iterator[pl.DataFrame]:
    for (symbol, session), day in rows.group_by("symbol", "session", maintain_order=True):
        window = (day["bar_open"].to_numpy() - session_open[str(symbol), str(session)]) // WINDOW
        for w in np.unique(window):
            inside = window == w
            if inside.sum() >= MIN_BARS:
                yield day.filter(pl.Series(inside))


def _fit_r2(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    """Fit y on the columns of x and a constant; return R², NaN if y does not vary."""
    centred = y - y.mean()
    x = x - x.mean(axis=0)
    scale = x.std(axis=0)
    x = x[:, scale > 0] / scale[scale > 0]
    if np.ptp(y) == 0:
        return float("nan")
    rest = centred - x @ np.linalg.lstsq(x, centred, rcond=None)[0]
    return 1.0 - float(rest @ rest) / float(centred @ centred)


def _fit_adjusted_r2(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    x, centred = x - x.mean(axis=0), y - y.mean()
    scale = x.std(axis=0)
    x = x[:, scale > 0] / scale[scale > 0]
    beta, _, rank, _ = np.linalg.lstsq(x, centred, rcond=None)
    free = len(y) - int(rank) - 1
    if np.ptp(y) == 0 or rank == 0 or free < MIN_FREE_BARS:
        return float("nan")
    unexplained = float(np.sum((centred - x @ beta) ** 2)) / float(np.sum(centred**2))
    return 1.0 - unexplained * (len(y) - 1) / free
