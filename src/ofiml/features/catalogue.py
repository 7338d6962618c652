"""The catalogue of features: what each is, in words and formula; `kernel.py` computes them, in this order.

Terms. A *state* is the book after one message (or one row, `bars.per=row`). A *bar* is (open, close]; t is its close,
or the instant at which a live stream is asked, the bar then being (open, t]. `mid` is (P^a + P^b)/2 in ticks, known
where both sides are there. Level 1 is the best; "all" levels are those that the data have. q is a size in lots; a
missing level has size 0. D is +1 for a trade that a buyer began, -1 for a seller; a trade without a side is unsigned
and counts only where it is said. *The start* is the latest of: the session's open, the session's first state, the last
reset (a book clear, snapshot, halt or gap): nothing is measured across it, and what is counted "since the start" begins
anew there; only the plain sums of a bar (flow, volumes, trades, events, VWAP, spreads paid) keep what came before a
reset in the same bar. The state of the start itself counts as one since it, a trade on its row and the rows before do
not. States before the open set the book and count for nothing else; of a change of the mid, the mid before is the last
that was known since the start (the open itself starts from the mid that stands then). Whatever is of *bars* counts this
bar and those before it back to the start; a bar in which the start lies is the first.

All are known at t. A feature is NaN where its rule says so, and nowhere else; but before the session's first state all
are but those of the clock, and a quotient is where its divisor is 0. Logarithms and bps of a mid that is not positive
are left out.
"""

from dataclasses import dataclass

from ofiml.errors import ConfigError
from ofiml.units import SECOND

# The kernel has the same; it is not asked for them, as it loads numba.
WINDOWS = tuple(s * SECOND for s in (1, 5, 10, 30, 60, 300))
BARS = 30
REALISED = 5 * SECOND

EVEN, ODD = "even", "odd"


@dataclass(frozen=True, slots=True)
class Feature:
    """`bars` is how many bars, this one included, and `window` how many ns before t the value looks back over; both 0
    for the state at t; `session` where it may look back to the session's open. `known`: from when on.

    `mirror`: what happens where bid and ask are swapped: the value stays (even), changes its sign (odd), or that of
    another entry takes its place. `size`: doubling all sizes (and the sizes of the config) multiplies it by 2^size.
    `relative` values depend on the price level, others only on differences of prices.
    """

    name: str
    group: str
    formula: str
    unit: str
    nan: str
    mirror: str
    size: int = 0
    bars: int = 0
    window: int = 0
    session: bool = False
    relative: bool = False
    known: str = "t"
    source: str = "common practice"


_COPE = "Cont, Kukanov & Stoikov 2014, eq. 2-4"
_NO_SIDE = "a side is missing"
_NO_BOTH = "both sides are missing"
_YOUNG = "t - {} lies before the start"
_UNTYPED = "the session has shown no add and no cancel"
_FEW = "fewer than 10 such bars, or all equal"


def _flow() -> list[Feature]:
    windows = [
        Feature(
            f"ofi_{w // SECOND}s",
            "flow",
            f"Σ e_n of the best level over the states in (t - {w // SECOND}s, t]",
            "lots",
            _YOUNG.format(f"{w // SECOND}s"),
            ODD,
            1,
            window=w,
            source=_COPE,
        )
        for w in WINDOWS
    ]
    of_type = "e_n of the best level over the bar's messages "
    return [
        *windows,
        Feature(
            "ofi_to_depth",
            "flow",
            "OFI of the bar (best level) / depth_best at t",
            "1",
            _NO_BOTH,
            ODD,
            bars=1,
            source="Cont, Kukanov & Stoikov 2014, sec. 3",
        ),
        Feature(
            "ofi_acceleration",
            "flow",
            "OFI of the bar (best level) - that of the bar before",
            "lots",
            "no bar before since the start",
            ODD,
            1,
            bars=2,
        ),
        Feature(
            "ofi_zscore",
            "flow",
            "(OFI of the bar - mean)/sd (ddof 1), best level, over the last 30 bars",
            "1",
            _FEW,
            ODD,
            bars=BARS,
        ),
        Feature(
            "ofi_deep",
            "flow",
            "OFI of the bar, summed over the levels below the best that ofi.levels takes",
            "lots",
            "it takes one level",
            ODD,
            1,
            bars=1,
            source="Xu, Gould & Howison 2018",
        ),
        Feature(
            "bid_flow",
            "flow",
            "Σ (q^b_n·1{P^b_n >= P^b_(n-1)} - q^b_(n-1)·1{P^b_n <= P^b_(n-1)}) over the bar",
            "lots",
            "never",
            "ask_flow",
            1,
            bars=1,
            source=_COPE,
        ),
        Feature(
            "ask_flow",
            "flow",
            "Σ (q^a_n·1{P^a_n <= P^a_(n-1)} - q^a_(n-1)·1{P^a_n >= P^a_(n-1)}) over the bar; OFI = bid_flow - ask_flow",
            "lots",
            "never",
            "bid_flow",
            1,
            bars=1,
            source=_COPE,
        ),
        Feature("ofi_adds", "flow", of_type + "whose last row is an add", "lots", _UNTYPED, ODD, 1, bars=1),
        Feature("ofi_cancels", "flow", of_type + "whose last row is a cancel", "lots", _UNTYPED, ODD, 1, bars=1),
        Feature(
            "ofi_trades",
            "flow",
            of_type + "in which something traded (these count neither as adds nor as cancels)",
            "lots",
            _UNTYPED,
            ODD,
            1,
            bars=1,
        ),
    ]


def _depth() -> list[Feature]:
    return [
        Feature("depth_best", "depth", "(q^b + q^a)/2 at the best level", "lots", "never", EVEN, 1),
        Feature("depth_5", "depth", "(Σ q^b + Σ q^a)/2 over levels 1-5", "lots", "never", EVEN, 1),
        Feature("depth_all", "depth", "(Σ q^b + Σ q^a)/2 over all levels", "lots", "never", EVEN, 1),
        Feature(
            "queue_imbalance",
            "depth",
            "(q^b - q^a)/(q^b + q^a) at the best level",
            "1",
            _NO_BOTH,
            ODD,
            source="Gould & Bonart 2016, arXiv 1512.03492",
        ),
        Feature("imbalance_5", "depth", "(Σ q^b - Σ q^a)/(Σ q^b + Σ q^a) over levels 1-5", "1", _NO_BOTH, ODD),
        Feature(
            "depth_imbalance",
            "depth",
            "(Σ q^b - Σ q^a)/(Σ q^b + Σ q^a) over all levels",
            "1",
            _NO_BOTH,
            ODD,
            source="Cartea, Donnelly & Jaimungal 2018",
        ),
        Feature("depth_ratio", "depth", "ln(Σ q^b / Σ q^a) over all levels", "1", _NO_SIDE, ODD),
        Feature("best_share", "depth", "(q^b + q^a) at the best level / (Σ q^b + Σ q^a) of all", "1", _NO_BOTH, EVEN),
        Feature(
            "imbalance_change",
            "depth",
            "queue_imbalance - its value at the close of the bar before",
            "1",
            "one of the two is NaN, or no bar before since the start",
            ODD,
            bars=2,
        ),
        Feature(
            "depth_zscore",
            "depth",
            "(depth_all - mean)/sd (ddof 1) over the closes of the last 30 bars",
            "1",
            _FEW,
            EVEN,
            bars=BARS,
        ),
    ]


def _spread() -> list[Feature]:
    paid = "Σ size·{} / Σ size over the bar's signed trades"
    due = "Σ size·{} / Σ size over signed trades at τ with τ + 5s in the bar, since the start"
    unknown = "no such trade with both mids known"
    return [
        Feature("spread_ticks", "spread", "P^a - P^b", "ticks", _NO_SIDE, EVEN),
        Feature("spread_bps", "spread", "10^4·(P^a - P^b)/mid", "bps", _NO_SIDE, EVEN, relative=True),
        Feature(
            "spread_zscore",
            "spread",
            "(spread - mean)/sd (ddof 1) over the closes of the last 30 bars at which it is known",
            "1",
            _NO_SIDE + " at t, " + _FEW,
            EVEN,
            bars=BARS,
        ),
        Feature(
            "spread_mean",
            "spread",
            "∫(P^a - P^b)ds / ∫ds over the times in the bar at which both sides stood",
            "ticks",
            "both sides never stood",
            EVEN,
            bars=1,
        ),
        Feature(
            "effective_spread",
            "spread",
            paid.format("2D·(price - mid before its message)"),
            "ticks",
            "no such trade with a known mid",
            EVEN,
            bars=1,
            source="Huang & Stoll 1996",
        ),
        Feature(
            "realised_spread",
            "spread",
            due.format("2D·(price - mid at τ + 5s)"),
            "ticks",
            unknown,
            EVEN,
            bars=1,
            window=REALISED,
            known="t; what a trade adds, 5 s after it",
            source="Huang & Stoll 1996",
        ),
        Feature(
            "price_impact",
            "spread",
            due.format("2D·(mid at τ + 5s - mid before its message)"),
            "ticks",
            unknown,
            EVEN,
            bars=1,
            window=REALISED,
            known="t; what a trade adds, 5 s after it",
            source="Huang & Stoll 1996: effective less realised, of the same trades",
        ),
        Feature(
            "cost_buy",
            "spread",
            "average price of buying features.trade_size from the shown asks - mid",
            "ticks",
            "a side is missing, or less is shown",
            "cost_sell",
        ),
        Feature(
            "cost_sell",
            "spread",
            "mid - average price of selling features.trade_size to the shown bids",
            "ticks",
            "a side is missing, or less is shown",
            "cost_buy",
        ),
    ]


def _shape() -> list[Feature]:
    one_level = "a side is missing, or this one shows one level"
    return [
        Feature(
            "bid_slope",
            "shape",
            "Σ q^b / (mid - P^b of the deepest shown level)",
            "lots a tick",
            _NO_SIDE + ", or the divisor is not positive",
            "ask_slope",
            1,
            source="after Næs & Skjeltorp 2006",
        ),
        Feature(
            "ask_slope",
            "shape",
            "Σ q^a / (P^a of the deepest shown level - mid)",
            "lots a tick",
            _NO_SIDE + ", or the divisor is not positive",
            "bid_slope",
            1,
            source="after Næs & Skjeltorp 2006",
        ),
        Feature(
            "slope_imbalance",
            "shape",
            "(bid_slope - ask_slope)/(bid_slope + ask_slope)",
            "1",
            "one of them is NaN",
            ODD,
        ),
        Feature("bid_distance", "shape", "Σ q^b_m·(mid - P^b_m) / Σ q^b_m", "ticks", _NO_SIDE, "ask_distance"),
        Feature("ask_distance", "shape", "Σ q^a_m·(P^a_m - mid) / Σ q^a_m", "ticks", _NO_SIDE, "bid_distance"),
        Feature("bid_gap", "shape", "P^b of the best level - P^b of the second", "ticks", one_level, "ask_gap"),
        Feature("ask_gap", "shape", "P^a of the second level - P^a of the best", "ticks", one_level, "bid_gap"),
        Feature(
            "resilience",
            "shape",
            "(Q_t - Q_1)/(Q_0 - Q_1): Q is the size on levels 1-5 of the side that the last large signed trade hit, "
            "0 before its message, 1 in the first state at or after its row where it is another",
            "1",
            "no such trade since the start, no such state after it, or Q_1 >= Q_0",
            EVEN,
            session=True,
            source="after Degryse et al. 2005",
        ),
    ]


def _trades() -> list[Feature]:
    return [
        Feature(
            "buy_volume", "trades", "Σ size of the bar's trades that buyers began", "lots", "never", "sell_volume", 1, 1
        ),
        Feature(
            "sell_volume",
            "trades",
            "Σ size of the bar's trades that sellers began",
            "lots",
            "never",
            "buy_volume",
            1,
            1,
        ),
        Feature(
            "trade_imbalance",
            "trades",
            "(buy_volume - sell_volume)/(buy_volume + sell_volume)",
            "1",
            "no signed trade in the bar",
            ODD,
            bars=1,
        ),
        Feature("trade_count", "trades", "trades in the bar, signed or not", "1", "never", EVEN, bars=1),
        Feature(
            "signed_count",
            "trades",
            "trades that buyers began - that sellers began, in the bar",
            "1",
            "never",
            ODD,
            bars=1,
        ),
        Feature(
            "mean_trade_size",
            "trades",
            "mean size of the bar's trades, signed or not",
            "lots",
            "no trade in the bar",
            EVEN,
            1,
            bars=1,
        ),
        Feature(
            "large_trade_flow",
            "trades",
            "Σ D·size of the bar's large trades: of at least 3 times the mean size of all earlier trades since the "
            "start, which are at least 10",
            "lots",
            "never",
            ODD,
            1,
            session=True,
        ),
        Feature(
            "vwap_distance",
            "trades",
            "mid - Σ price·size/Σ size over the bar's trades, signed or not",
            "ticks",
            _NO_SIDE + ", or no priced trade in the bar",
            ODD,
            bars=1,
        ),
        Feature(
            "aggressor_run",
            "trades",
            "D·(number of the last signed trades, since the start, that have one side without a break); 0 before any",
            "1",
            "never",
            ODD,
            session=True,
        ),
        Feature(
            "signed_volume_60s",
            "trades",
            "Σ D·size of trades in (t - 60s, t]",
            "lots",
            _YOUNG.format("60s"),
            ODD,
            1,
            window=60 * SECOND,
        ),
    ]


def _price() -> list[Feature]:
    bars = [
        Feature(
            f"return_{k}",
            "price",
            f"mid - mid at the close {k} bar{'s' * (k > 1)} before",
            "ticks",
            "a mid is missing, or fewer bars before since the start",
            ODD,
            bars=k,
        )
        for k in (1, 6, 30)
    ]
    seconds = [
        Feature(
            f"return_{w}s",
            "price",
            f"mid - mid at t - {w}s",
            "ticks",
            "a mid is missing, or t - " + f"{w}s lies before the start",
            ODD,
            window=w * SECOND,
        )
        for w in (10, 60)
    ]
    return [
        *bars,
        *seconds,
        Feature(
            "volatility_30",
            "price",
            "sd (ddof 1) of the last 30 one-bar mid changes that are known",
            "ticks",
            "fewer than 10 of them known",
            EVEN,
            bars=BARS,
        ),
        Feature(
            "realised_volatility",
            "price",
            "10^4·sqrt(Σ ln²(mid_n/mid_(n-1))) over the bar's changes of the known mid",
            "bps",
            "no mid known since the start",
            EVEN,
            bars=1,
            session=True,
            relative=True,
            source="Andersen et al. 2003",
        ),
        Feature(
            "range",
            "price",
            "highest - lowest of the known mids of the bar's states and the last known before them, since the start",
            "ticks",
            "no mid known since the start",
            EVEN,
            bars=1,
            session=True,
        ),
        Feature(
            "jump",
            "price",
            "the largest change of the mid in the bar from one known mid to the next, the first of equals; 0 if none",
            "ticks",
            "never",
            ODD,
            bars=1,
            session=True,
        ),
        Feature(
            "efficiency",
            "price",
            "return_30 / Σ |one-bar mid change| over the same 30 bars",
            "1",
            "return_30 or a mid between is missing, or the mid never moved",
            ODD,
            bars=BARS,
            source="Kaufman 1995",
        ),
        Feature(
            "microprice_offset",
            "price",
            "(P^a q^b + P^b q^a)/(q^a + q^b) - mid",
            "ticks",
            _NO_SIDE,
            ODD,
            source="Stoikov 2018 (weighted mid)",
        ),
    ]


def _toxicity() -> list[Feature]:
    return [
        Feature(
            "vpin",
            "toxicity",
            "mean of |V_buy - V_sell|/V over the last 50 complete buckets of V = features.vpin_bucket since the start; "
            "a trade that straddles buckets is split, an unsigned one is half bought and half sold",
            "1",
            "fewer than 10 buckets are complete, or no signed trade since the start",
            EVEN,
            session=True,
            source="Easley, López de Prado & O'Hara 2012",
        ),
        Feature(
            "kyle_lambda",
            "toxicity",
            "least-squares slope, with intercept, of the one-bar mid change on D·volume of the bar, over those of the "
            "last 30 bars whose change is known",
            "ticks a lot",
            "fewer than 10 such bars, or no variance of volume",
            EVEN,
            -1,
            bars=BARS,
            source="Kyle 1985",
        ),
        Feature(
            "amihud",
            "toxicity",
            "mean of 10^4·|ln(mid/mid of the bar before)| / (value traded/10^6) over those of the last 30 bars that "
            "have both and traded",
            "bps a million",
            "fewer than 10 such bars",
            EVEN,
            -1,
            bars=BARS,
            relative=True,
            source="Amihud 2002",
        ),
        Feature(
            "roll_spread",
            "toxicity",
            "2·sqrt(max(0, -cov(Δp_i, Δp_(i-1)))), the covariance (divisor n) over the pairs of successive price "
            "changes among the last 101 trades since the start, signed or not",
            "ticks",
            "fewer than 21 trades",
            EVEN,
            session=True,
            source="Roll 1984",
        ),
    ]


def _arrival() -> list[Feature]:
    decayed = "Σ exp(-(t - t_i)/5s) over {} since the start"
    hawkes = "the kernel of Hawkes 1971"
    return [
        Feature("log_events", "arrival", "ln(1 + number of states in the bar)", "1", "never", EVEN, bars=1),
        Feature(
            "event_rate_60s",
            "arrival",
            "states in (t - 60s, t] / 60s",
            "1/s",
            _YOUNG.format("60s"),
            EVEN,
            window=60 * SECOND,
        ),
        Feature(
            "trade_rate_60s",
            "arrival",
            "trades in (t - 60s, t] / 60s",
            "1/s",
            _YOUNG.format("60s"),
            EVEN,
            window=60 * SECOND,
        ),
        Feature("decayed_events", "arrival", decayed.format("states"), "1", "never", EVEN, session=True, source=hawkes),
        Feature("decayed_trades", "arrival", decayed.format("trades"), "1", "never", EVEN, session=True, source=hawkes),
        Feature(
            "decayed_sign",
            "arrival",
            "Σ D·exp(-(t - t_i)/5s) over trades since the start",
            "1",
            "never",
            ODD,
            session=True,
            source=hawkes,
        ),
        Feature(
            "seconds_since_trade",
            "arrival",
            "t - time of the last trade",
            "s",
            "none since the start",
            EVEN,
            session=True,
        ),
        Feature(
            "seconds_since_move",
            "arrival",
            "t - time of the last state whose mid differs from the known mid before",
            "s",
            "none since the start",
            EVEN,
            session=True,
        ),
    ]


def _clock() -> list[Feature]:
    return [
        Feature("time_of_day", "clock", "exchange-local time", "hours", "never", EVEN),
        Feature("minutes_since_open", "clock", "t - open of the session", "minutes", "never", EVEN),
        Feature("minutes_to_close", "clock", "scheduled close of the session - t", "minutes", "never", EVEN),
        Feature("day_of_week", "clock", "0 for a Monday, of the session's date", "1", "never", EVEN),
    ]


_GROUPS = (_flow, _depth, _spread, _shape, _trades, _price, _toxicity, _arrival, _clock)
_ENTRIES = tuple(entry for group in _GROUPS for entry in group())

CATALOGUE: dict[str, Feature] = {f.name: f for f in _ENTRIES}
INDEX: dict[str, int] = {name: i for i, name in enumerate(CATALOGUE)}


def chosen(columns: list[str]) -> list[Feature]:
    """The catalogue's entries of these names. Raises ConfigError for an unknown name, or one given twice."""
    import difflib

    for name in columns:
        if name not in CATALOGUE:
            close = difflib.get_close_matches(name, CATALOGUE, n=1)
            hint = f"did you mean {close[0]}?" if close else f"it has {', '.join(CATALOGUE)}."
            raise ConfigError(f"features.columns: {name} is not in the catalogue; {hint}")
    if len(set(columns)) < len(columns):
        raise ConfigError(f"features.columns names a feature twice: {', '.join(columns)}.")
    return [CATALOGUE[name] for name in columns]
