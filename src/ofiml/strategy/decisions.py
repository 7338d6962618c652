"""The decisions of a strategy in one session, and the limits of its risk."""

from typing import NamedTuple

from ofiml._typing import Int64, UInt8

HOLD, TARGET, QUOTE = 0, 1, 2

#: `until` of a position without an end: it is closed at the session's close.
LAST = 2**63 - 1


class Decisions(NamedTuple):
    """The decisions of one session and symbol (and path), (D,) each, in time order. Times are in ns, sizes in lots."""

    time: Int64  # on the clock of receipts: when the inputs are known, the bar's close
    kind: UInt8  # HOLD: nothing new, but holding times end. TARGET: a position. QUOTE: a bid and an ask
    target: Int64  # of TARGET: the position wanted, signed
    until: Int64  # of TARGET: when the position ends; LAST: at the session's close
    bid: Int64  # of QUOTE: the price in 1e-9 units
    bid_size: Int64  # of QUOTE: 0 for no bid
    ask: Int64
    ask_size: Int64


class Limits(NamedTuple):
    """The limits of the risk in one session."""

    cap: int  # lots that |position + what is outstanding| never exceeds
    stop: int  # ticks from the average entry price, on the side that one would close at; 0 for none
    take: int  # likewise
    flat_from: int  # ns: from here on the position is only closed, by marketable orders
    loss: float  # currency: once gross less costs, marked at the closing side, falls below -loss, stop; inf for none
    post: bool  # entries are post-only limit orders at the near touch, not marketable orders; exits are marketable
