"""The quality of a session's input: rows read and used, and rows dropped, or noticed and kept, by cause."""

from dataclasses import dataclass, field


@dataclass(slots=True)
class Quality:
    """Rows read (`rows`) and used, rows dropped by cause, rows noticed and kept by cause.

    `rows` less `used` less all dropped is the number of rows that make no event of their own, such as the price levels
    of one update, or orders below the shown levels. The causes are those of `dataset.policy`, and of dropping also
    `outside_hours` and `beyond_max_events`. What was dropped before a row's session was known (unreadable rows, wrong
    times) counts with the first session of its input.
    """

    rows: int = 0
    used: int = 0
    dropped: dict[str, int] = field(default_factory=dict)
    kept: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def add_counts(total: dict[str, int], more: dict[str, int]) -> dict[str, int]:
    """Add two counts by cause; causes of count 0 in `more` are left out."""
    return total | {cause: total.get(cause, 0) + count for cause, count in more.items() if count}
