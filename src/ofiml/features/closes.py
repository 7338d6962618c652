"""The open and the close of a bar: its sums start, and its values at the close join those of earlier bars."""

from ofiml.features.entry import BARS
from ofiml.features.layout import (
    BOUGHT,
    DUE_AT,
    NAN,
    NONE,
    PARTS,
    SOLD,
)  # fmt: skip
from ofiml.features.measures import ratio, shown_sizes
from ofiml.features.memory import Memory
from ofiml.features.update import realise_spread, restart, stand_until, take_reading


def open_session(m: Memory) -> None:
    """Open the session and its first bar; the rows before it have set the book."""
    s = m.state
    if s.known:
        restart(s, s.open)
        s.last_mid = s.mid
        take_reading(m, s.open)
    _open_bar(m, s.open)


def _open_bar(m: Memory, t: int) -> None:
    s, total, opened = m.state, m.total, m.opened
    for k in range(len(total)):
        opened[k] = total[k]
    s.bar_open = t
    s.high = s.last_mid
    s.low = s.last_mid
    s.jump = 0
    s.stood = t
    s.both = 0
    s.paid_size = 0
    s.due_size = 0
    s.priced_size = 0
    s.large_flow = 0
    s.squares = 0.0
    s.spread_time = 0.0
    s.paid = 0.0
    s.realised = 0.0
    s.impact = 0.0
    s.priced = 0.0
    s.value = 0.0


def end_bar(m: Memory, t: int) -> None:
    """Close the bar at t (ns), and open the next one."""
    s, due = m.state, m.due
    while s.due_count and due[s.due_head % len(due), DUE_AT] <= t:
        realise_spread(s, due)
    stand_until(s, m.book, t)
    write_close(m)
    s.closed += s.known
    _open_bar(m, t)


def write_close(m: Memory) -> None:
    """Write the current values of the bar to its place among the last bars."""
    s, book = m.state, m.book
    i = s.closed % (BARS + 1)
    both = s.known and s.mid != NONE
    s.mids[i] = s.mid / (2.0 * s.tick) if both else NAN
    s.spreads[i] = (book[2] - book[0]) / s.tick if both else NAN
    bid, ask = shown_sizes(book, s.levels)
    s.depths[i] = (bid + ask) / 2.0
    width = s.flow_levels
    s.flows[i] = m.total[0] - m.opened[0] - (m.total[width] - m.opened[width])
    part = PARTS * s.flow_levels
    s.volumes[i] = m.total[part + BOUGHT] - m.opened[part + BOUGHT] - (m.total[part + SOLD] - m.opened[part + SOLD])
    s.values[i] = s.value
    s.queues[i] = ratio(book[1] - book[3], book[1] + book[3])
