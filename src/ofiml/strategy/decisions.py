"""What a strategy wants in one session: its decisions, and the limits of its risk."""

from typing import NamedTuple

from ofiml._typing import Int64, UInt8

#: The kinds of decisions: nothing new, a position to hold, two quotes.
HOLD, TARGET, QUOTE = 0, 1, 2

#: The time at which a position ends that is held until the session's close.
LAST = 2**63 - 1


class Decisions(NamedTuple):
    """The decisions of one session and symbol, in order of time, (D,) each.

    `time` (ns, UTC) is when the inputs of a decision are known, the close of its bar. `kind` is HOLD, TARGET or QUOTE.
    `target` is the position wanted in lots, negative for short, and `until` (ns) when it ends, LAST for the session's
    close; both count for a TARGET only. `bid` and `ask` are prices in 1e-9 currency units, `bid_size` and `ask_size`
    lots, 0 for no quote; they count for a QUOTE only.
    """

    time: Int64
    kind: UInt8
    target: Int64
    until: Int64
    bid: Int64
    bid_size: Int64
    ask: Int64
    ask_size: Int64


class Limits(NamedTuple):
    """The limits of a strategy's risk in one session.

    `cap` (lots) bounds the position with all that is outstanding. `stop` and `take` are distances in ticks from the
    average entry price, on the side at which the position would be closed; 0 for none. From `flat_from` (ns) on only
    closing orders are sent. `loss` is the loss, in the account's money, after which the position is closed and nothing
    is traded for the rest of the session; inf for none. `post` makes entries post-only orders at the near touch; exits
    are always marketable.
    """

    cap: int
    stop: int
    take: int
    flat_from: int
    loss: float
    post: bool
