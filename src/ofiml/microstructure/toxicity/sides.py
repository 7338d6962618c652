"""The aggressor of a trade where the feed does not state it: tick rule, Lee & Ready, bulk classification.

Trades are tables as of `data.trades.trades`; a sign is 1 for a buyer, -1 for a seller, 0 if unknown.
"""

from dataclasses import dataclass, replace

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.special import erf, stdtr

from ofiml.bars.time import select_states
from ofiml.data.schema import Session
from ofiml.errors import DataError

Float = NDArray[np.float64]
Int8 = NDArray[np.int8]
Int64 = NDArray[np.int64]

MIN_CHANGES = 20  # past bars needed before σ is used
_MAX_BARS = 20_000_000


def tick_rule(trades: pl.DataFrame) -> Int8:
    """Return signs (n,): 1 where the last other price was lower, -1 where it was higher (Lee & Ready 1991: upticks and
    zero-upticks, downticks and zero-downticks); 0 before there was one, and where the trade has no price. Known with
    the trade.
    """
    price = trades["price"]
    moved = price.forward_fill().diff().sign()
    sign = moved.set(moved == 0, None).forward_fill().set(price.is_null(), None).fill_null(0)
    return sign.cast(pl.Int8).to_numpy()


def quotes_before(session: Session, trades: pl.DataFrame, per: str, lag: int) -> pl.DataFrame:
    """Return `bid` and `ask` (n,) in 1e-9 units before each trade: of the last book state (as of
    `bars.time.select_states`, `per`) that comes before the trade's row in the feed and is at least `lag` ns older. Null
    where a side is missing, or before the first state. Raises DataError for a negative lag.
    """
    if lag < 0:
        raise DataError(f"Lee-Ready: a lag of {lag} ns would look ahead; 0 or more is expected.")
    book = select_states(replace(session, events=session.events.with_row_index("row")), per)
    before = np.searchsorted(book.events["row"].to_numpy(), trades["row"].to_numpy(), side="left")
    old = np.searchsorted(book.stamps, trades["ts_recv"].to_numpy() - lag, side="right")
    index = np.minimum(before, old) - 1
    picked = pl.Series(np.maximum(index, 0))
    best = book.events.select(pl.col(f"{side}_px_00").gather(picked).alias(side) for side in ("bid", "ask"))
    return best.with_columns(pl.when(pl.Series(index >= 0)).then(pl.all()))


def lee_ready(session: Session, trades: pl.DataFrame, per: str, lag: int) -> Int8:
    """Return signs (n,) by the quote rule and, at the mid or without a quote, by the tick rule (Lee & Ready 1991).

    A trade above the mid of its `quotes_before` was bought, one below it sold. Lee & Ready's lag was 5 s, against
    quotes that were written down before the trades that they followed. Known with the trade.
    """
    best = quotes_before(session, trades, per, lag)
    by_quote = (2 * trades["price"] - best["bid"] - best["ask"]).sign().fill_null(0).cast(pl.Int8).to_numpy()
    return np.where(by_quote != 0, by_quote, tick_rule(trades)).astype(np.int8)


@dataclass(frozen=True, slots=True)
class Agreement:
    """How a rule's signs compare with the feed's: trades and lots.

    `trades` and `lots` have a side by the feed; shares are relative to them. `unsigned` trades have none. `classified`
    trades have a side by the rule too, `agreed` the same side. Shares are NaN without trades.
    """

    trades: int
    lots: int
    unsigned: int
    unsigned_lots: int
    classified: int
    classified_lots: int
    agreed: int
    agreed_lots: int

    @property
    def share(self) -> float:
        """Of trades."""
        return self.agreed / self.trades if self.trades else float("nan")

    @property
    def share_of_lots(self) -> float:
        return self.agreed_lots / self.lots if self.lots else float("nan")

    def __add__(self, other: "Agreement") -> "Agreement":
        """Of both sessions together."""
        return Agreement(*(getattr(self, name) + getattr(other, name) for name in self.__slots__))


def measure_agreement(trades: pl.DataFrame, sign: Int8) -> Agreement:
    """Measure the agreement of a rule's signs (n,) with those of the feed."""
    size, feed = trades["size"].to_numpy(), trades["sign"].to_numpy()
    signed = feed != 0
    counts: list[int] = []
    for mask in (signed, ~signed, signed & (sign != 0), signed & (sign == feed)):
        counts += [int(mask.sum()), int(size[mask].sum())]
    return Agreement(*counts)


@dataclass(frozen=True, slots=True)
class TradeBars:
    """Trades in bars: piece i is `size[i]` lots of trade `trade[i]`, in bar `bar[i]` (p,), in feed order.

    Bar k (bars,) is known at `known_at[k]`; every bar holds a trade, and the first pieces of the bars are `first`.
    What trades after the last bar's end is left out.
    """

    trade: Int64
    size: Int64
    bar: Int64
    known_at: Int64

    @property
    def first(self) -> Int64:
        return np.searchsorted(self.bar, np.arange(len(self.known_at)), side="left").astype(np.int64)

    def total(self, sign: Int8 | int) -> Int64:
        """Lots of each bar (bars,), times the signs of their trades (n,)."""
        each = self.size * np.asarray(sign, np.int64)[self.trade] if np.ndim(sign) else self.size * int(sign)
        return np.add.reduceat(each, self.first) if len(each) else np.empty(0, np.int64)

    def last(self, values: NDArray) -> NDArray:
        """What the last trade of each bar has of `values` (n,)."""
        ends = np.append(self.first[1:], len(self.bar)) - 1 if len(self.bar) else self.first
        return values[self.trade[ends]]


def cut_time_bars(trades: pl.DataFrame, session: Session, step: int) -> TradeBars:
    """Cut trades into bars (open, close] of `step` ns from the session's open on, by `ts_recv`.

    Bars contain a trade, end within the session and are known at their close. A trade at the open belongs to the first.
    """
    if step < 1:
        raise DataError(f"bulk classification: bars of {step} ns; 1 or more is expected.")
    stamps, size = trades["ts_recv"].to_numpy(), trades["size"].to_numpy()
    bar = np.maximum(stamps - session.open - 1, 0) // step
    used = np.flatnonzero((session.open + (bar + 1) * step <= session.close) & (size > 0))
    numbers, index = np.unique(bar[used], return_inverse=True)
    return TradeBars(used, size[used], index.astype(np.int64), session.open + (numbers + 1) * step)


def cut_volume_bars(trades: pl.DataFrame, lots: int) -> TradeBars:
    """Cut trades into bars of `lots` each, known at the trade that fills them; a trade that spans two bars is split.

    Raises DataError for bars so small that they do not fit in memory.
    """
    size = trades["size"].to_numpy()
    ends = np.cumsum(size)
    total = int(ends[-1]) if len(ends) else 0
    if lots < 1 or total // lots > _MAX_BARS:
        raise DataError(f"bulk classification: bars of {lots} lots of {total}: choose a size that suits the volume.")
    count = total // lots
    edges = lots * np.arange(1, count + 1, dtype=np.int64)
    pieces = np.union1d(ends[ends <= count * lots], edges)
    pieces = pieces[pieces > 0]
    trade = np.searchsorted(ends, pieces, side="left")
    bar = (pieces - 1) // lots
    return TradeBars(trade, np.diff(pieces, prepend=0), bar, trades["ts_recv"].to_numpy()[np.searchsorted(ends, edges)])


def classify_bulk(
    trades: pl.DataFrame, cut: TradeBars, *, freedom: float | None = None, hindsight: bool = False
) -> pl.DataFrame:
    """Classify volume in bulk (Easley, López de Prado & O'Hara 2012; 2016 for the time bars and Student's t).

    One row a bar: `known_at`, `volume`, `signed`, the lots bought less those sold, `classified`. The share bought is
    F(Δ/σ), Δ the change of the bars' last prices, F normal or, with `freedom`, Student's t of that many degrees (0.25
    in the paper of 2016). σ is the standard deviation of Δ, weighted by volume: of the bars before this one; or with
    `hindsight` of all bars, as in the papers, which knows the future. Without a σ (fewer than 20 changes, or none that
    moved), or without a change, a bar is not classified, and `signed` is 0: half and half. `signed` is rounded to lots.
    """
    if freedom is not None and not 0 < freedom < np.inf:
        raise DataError(f"bulk classification: {freedom} degrees of freedom; a number above 0 is expected.")
    volume = cut.total(1)
    price = cut.last(trades["price"].forward_fill().cast(pl.Float64).fill_null(np.nan).to_numpy())
    change = np.diff(price, prepend=np.nan)
    sigma = _sigma(change, volume.astype(np.float64), hindsight)
    classified = np.isfinite(change) & (sigma > 0)
    z = np.divide(np.abs(change), sigma, out=np.zeros(len(change)), where=classified)
    # Twice F less 1, odd in z to the bit: a mirrored market is classified the other way round.
    share = erf(z / np.sqrt(2.0)) if freedom is None else 2.0 * stdtr(freedom, z) - 1.0
    signed = np.rint(volume * share).astype(np.int64) * np.where(change < 0, -1, 1)
    return pl.DataFrame({"known_at": cut.known_at, "volume": volume, "signed": signed, "classified": classified})


def _sigma(change: Float, weight: Float, hindsight: bool) -> Float:
    """The weighted standard deviation of the known changes (bars,): of those before each bar, or of all; else NaN."""
    known = np.isfinite(change)
    x, w = np.where(known, change, 0.0), np.where(known, weight, 0.0)
    sums = [np.cumsum(part) for part in (known.astype(np.float64), w, w * x, w * x**2)]
    if hindsight:
        sums = [np.full(len(s), s[-1]) if len(s) else s for s in sums]
    else:
        sums = [np.concatenate([[0.0], s[:-1]]) if len(s) else s for s in sums]
    count, weights, first, second = sums
    weights = np.where(count >= MIN_CHANGES, weights, np.nan)
    return np.sqrt(np.maximum(second / weights - (first / weights) ** 2, 0.0))


@dataclass(frozen=True, slots=True)
class NetAgreement:
    """How many lots are classified correctly, when a bar states only how many were bought and sold.

    Of the lots whose side the feed tells, min(bought, said bought) + min(sold, said sold) are `right` at best
    (Chakrabarty, Pascual & Shkilko 2015): errors within a bar cancel, so that this flatters, the more the longer the
    bars are. `half` is what half and half, which knows nothing, gets.
    """

    bars: int
    lots: int
    right: float
    half: float

    @property
    def share(self) -> float:
        return self.right / self.lots if self.lots else float("nan")

    @property
    def share_of_half(self) -> float:
        return self.half / self.lots if self.lots else float("nan")

    def __add__(self, other: "NetAgreement") -> "NetAgreement":
        return NetAgreement(*(getattr(self, name) + getattr(other, name) for name in self.__slots__))


def measure_net_agreement(trades: pl.DataFrame, cut: TradeBars, signed: Int64) -> NetAgreement:
    """Of `signed` (bars,), what is said to be bought less sold of each bar, with what the feed tells.

    Of bars with lots of no side, the rest is used to the same share.
    """
    feed = trades["sign"].to_numpy()
    told, net = cut.total((feed != 0).astype(np.int8)), cut.total(feed)
    share = signed / cut.total(1)
    right = told - np.abs(net - told * share) / 2
    return NetAgreement(len(told), int(told.sum()), float(np.sum(right)), float(np.sum(told - np.abs(net) / 2)))
