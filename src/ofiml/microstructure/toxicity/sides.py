"""The aggressor of trades without a side in the feed: tick rule, Lee & Ready, bulk classification.

Trades are tables of `data.trades.list_trades`; a sign is 1 for a buyer, -1 for a seller, 0 if unknown.
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


def sign_by_tick_rule(trades: pl.DataFrame) -> Int8:
    """Sign trades (n,) by the tick rule: 1 if the last different price was lower, -1 if it was higher.

    These are the (zero-)upticks and (zero-)downticks of Lee & Ready (1991). 0 before the price first changes, and for a
    trade without a price. Known with the trade.
    """
    price = trades["price"]
    moved = price.forward_fill().diff().sign()
    sign = moved.set(moved == 0, None).forward_fill().set(price.is_null(), None).fill_null(0)
    return sign.cast(pl.Int8).to_numpy()


def find_quotes_before(session: Session, trades: pl.DataFrame, per: str, lag: int) -> pl.DataFrame:
    """Look up the quotes before each trade: `bid` and `ask` (n,) in 1e-9 units.

    They are those of the last book state (`bars.time.select_states` with `per`) that comes before the trade's row in
    the feed and is at least `lag` ns older. Null where a side is missing, or before the first state. Raises DataError
    for a negative lag.
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


def sign_by_lee_ready(session: Session, trades: pl.DataFrame, per: str, lag: int) -> Int8:
    """Sign trades (n,) by the quote rule and, at the mid or without a quote, by the tick rule (Lee & Ready 1991).

    A trade above the mid of the quotes before it is a buy, one below the mid a sell. Lee & Ready used a lag of 5 s,
    because their quotes could be recorded before the trades that caused them. Known with the trade.
    """
    best = find_quotes_before(session, trades, per, lag)
    by_quote = (2 * trades["price"] - best["bid"] - best["ask"]).sign().fill_null(0).cast(pl.Int8).to_numpy()
    return np.where(by_quote != 0, by_quote, sign_by_tick_rule(trades)).astype(np.int8)


@dataclass(frozen=True, slots=True)
class Agreement:
    """The agreement of a rule's signs with the feed's, in trades and in lots.

    `trades` and `lots` count those with a side in the feed, `unsigned` those without. Of the former, the rule signs
    `classified` and gives `agreed` the feed's side. Shares are NaN without a trade.
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
        """The share of trades with the feed's side."""
        return self.agreed / self.trades if self.trades else float("nan")

    @property
    def share_of_lots(self) -> float:
        """The share of lots with the feed's side."""
        return self.agreed_lots / self.lots if self.lots else float("nan")

    def __add__(self, other: "Agreement") -> "Agreement":
        """Add the counts of another session."""
        return Agreement(*(getattr(self, name) + getattr(other, name) for name in self.__slots__))


def measure_agreement(trades: pl.DataFrame, sign: Int8) -> Agreement:
    """Measure the agreement of a rule's signs (n,) with those of the feed."""
    size, feed = trades["size"].to_numpy(), trades["sign"].to_numpy()
    has_side = feed != 0
    counts: list[int] = []
    for subset in (has_side, ~has_side, has_side & (sign != 0), has_side & (sign == feed)):
        counts += [int(subset.sum()), int(size[subset].sum())]
    return Agreement(*counts)


@dataclass(frozen=True, slots=True)
class TradeBars:
    """Trades in bars: piece i is `size[i]` lots of trade `trade[i]` in bar `bar[i]`, (pieces,) each, in feed order.

    Bar k is known at `known_at[k]` (bars,). Every bar contains a trade. Trades after the end of the last bar are
    omitted.
    """

    trade: Int64
    size: Int64
    bar: Int64
    known_at: Int64

    @property
    def first(self) -> Int64:
        """The first piece of each bar (bars,)."""
        return np.searchsorted(self.bar, np.arange(len(self.known_at)), side="left").astype(np.int64)

    def sum_lots(self, sign: Int8 | int) -> Int64:
        """Sum the lots of each bar (bars,), times the signs of their trades (n,)."""
        lots = self.size * np.asarray(sign, np.int64)[self.trade] if np.ndim(sign) else self.size * int(sign)
        return np.add.reduceat(lots, self.first) if len(lots) else np.empty(0, np.int64)

    def take_last(self, values: NDArray) -> NDArray:
        """Take the value of each bar's last trade (bars,) from `values` (n,)."""
        ends = np.append(self.first[1:], len(self.bar)) - 1 if len(self.bar) else self.first
        return values[self.trade[ends]]


def cut_trades_by_time(trades: pl.DataFrame, session: Session, step: int) -> TradeBars:
    """Cut trades into bars (open, close] of `step` ns from the session's open on, by `ts_recv`.

    Only bars with a trade that end within the session are returned; a bar is known at its close. A trade at the open
    belongs to the first bar. Raises DataError for a step below 1.
    """
    if step < 1:
        raise DataError(f"bulk classification: bars of {step} ns; 1 or more is expected.")
    stamps, size = trades["ts_recv"].to_numpy(), trades["size"].to_numpy()
    bar = np.maximum(stamps - session.open - 1, 0) // step
    used = np.flatnonzero((session.open + (bar + 1) * step <= session.close) & (size > 0))
    numbers, index = np.unique(bar[used], return_inverse=True)
    return TradeBars(used, size[used], index.astype(np.int64), session.open + (numbers + 1) * step)


def cut_trades_by_volume(trades: pl.DataFrame, lots: int) -> TradeBars:
    """Cut trades into bars of `lots` each; a trade that spans two bars is split. A bar is known at its last trade.

    Raises DataError for fewer than 1 lot, and for bars so small that they do not fit in memory.
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

    One row per bar: `known_at`, `volume`, `signed` (the lots bought less those sold, rounded), `classified`. The share
    bought is F(Δ/σ). Δ is the change of the bars' last prices; F is normal or, with `freedom`, Student's t with that
    many degrees (0.25 in the paper of 2016). σ is the standard deviation of Δ weighted by volume, over the bars before
    this one or, with `hindsight`, over all bars, as in the papers; the latter looks ahead. Without a σ (fewer than 20
    changes, or constant prices) or a Δ, a bar is not classified and `signed` is 0. Raises DataError for `freedom` that
    is not positive and finite.
    """
    if freedom is not None and not 0 < freedom < np.inf:
        raise DataError(f"bulk classification: {freedom} degrees of freedom; a number above 0 is expected.")
    volume = cut.sum_lots(1)
    price = cut.take_last(trades["price"].forward_fill().cast(pl.Float64).fill_null(np.nan).to_numpy())
    change = np.diff(price, prepend=np.nan)
    sigma = _compute_sigma(change, volume.astype(np.float64), hindsight)
    classified = np.isfinite(change) & (sigma > 0)
    z = np.divide(np.abs(change), sigma, out=np.zeros(len(change)), where=classified)
    # 2F - 1 of |z|, with the sign of the change: exactly odd, so a mirrored market gets exactly the opposite signs.
    share = erf(z / np.sqrt(2.0)) if freedom is None else 2.0 * stdtr(freedom, z) - 1.0
    signed = np.rint(volume * share).astype(np.int64) * np.where(change < 0, -1, 1)
    return pl.DataFrame({"known_at": cut.known_at, "volume": volume, "signed": signed, "classified": classified})


def _compute_sigma(change: Float, weight: Float, hindsight: bool) -> Float:
    """Compute the weighted standard deviation (bars,) of the changes before each bar, or of all; NaN for too few."""
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
    """The number of lots classified correctly within bars, if a rule gives only the amounts bought and sold per bar.

    Over the lots with a side in the feed, `right` is the sum of min(bought, classified as bought) and min(sold,
    classified as sold) (Chakrabarty, Pascual & Shkilko 2015). Errors within a bar cancel, so this is an upper bound,
    which grows with the length of the bars. `half` is the same number for the uninformed rule of one half each.
    """

    bars: int
    lots: int
    right: float
    half: float

    @property
    def share(self) -> float:
        """The share of lots classified correctly; NaN without lots."""
        return self.right / self.lots if self.lots else float("nan")

    @property
    def share_of_half(self) -> float:
        """The share that the uninformed rule classifies correctly; NaN without lots."""
        return self.half / self.lots if self.lots else float("nan")

    def __add__(self, other: "NetAgreement") -> "NetAgreement":
        """Add the counts of another session."""
        return NetAgreement(*(getattr(self, name) + getattr(other, name) for name in self.__slots__))


def measure_net_agreement(trades: pl.DataFrame, cut: TradeBars, signed: Int64) -> NetAgreement:
    """Measure the agreement of `signed` (bars,), lots bought less sold per bar, with the feed's sides.

    In a bar with lots without a side, `signed` is scaled to the lots with one.
    """
    feed = trades["sign"].to_numpy()
    lots, net = cut.sum_lots((feed != 0).astype(np.int8)), cut.sum_lots(feed)
    share = signed / cut.sum_lots(1)
    right = lots - np.abs(net - lots * share) / 2
    return NetAgreement(len(lots), int(lots.sum()), float(np.sum(right)), float(np.sum(lots - np.abs(net) / 2)))
