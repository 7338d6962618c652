"""The quality of a session's input: counts of rows read, used, dropped and kept, by cause."""

from dataclasses import dataclass, field


@dataclass(slots=True)
class Quality:
    """Counts of rows: read (`rows`), `used`, and by cause those `dropped` and those flagged but `kept`.

    `rows` less `used` less all dropped is the number of rows that make no event of their own, such as the price levels
    of one update, or orders below the shown levels. The causes are those of `dataset.policy`; dropped rows also have
    `outside_hours` and `beyond_max_events`. Rows dropped before their session is known (unreadable rows, wrong times)
    count in the first session of their input; rows that two joined files hold count as `overlap`. `warnings` are
    what is implausible about the session, by kind.
    """

    rows: int = 0
    used: int = 0
    dropped: dict[str, int] = field(default_factory=dict)
    kept: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    warnings: dict[str, str] = field(default_factory=dict)


def add_counts(total: dict[str, int], more: dict[str, int]) -> dict[str, int]:
    """Add two counts by cause; omit causes with count 0 in `more`."""
    return total | {cause: total.get(cause, 0) + count for cause, count in more.items() if count}
