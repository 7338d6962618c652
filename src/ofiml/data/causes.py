"""What the causes for which rows are dropped, or flagged and kept, are called where people read them."""

from collections.abc import Mapping

#: (noun, rest) by cause: those of `dataset.policy`, of readers, and of samples.
_WORDS = {
    "unreadable": ("row", "that cannot be read"),
    "negative_size": ("row", "with a negative size"),
    "zero_size": ("row", "with a level of size 0"),
    "sentinel": ("row", "with a number that stands for no price"),
    "crossed": ("row", "with a crossed book"),
    "locked": ("row", "with a locked book"),
    "one_sided": ("row", "with a one-sided book"),
    "order": ("row", "with levels out of order"),
    "clock": ("row", "with a receipt before its event"),
    "time_reversal": ("row", "with a receipt that runs back"),
    "sequence": ("row", "with a sequence number that runs back"),
    "duplicate": ("row", "equal to the row before"),
    "gap": ("row", "after missing sequence numbers"),
    "no_effect": ("row", "without effect on the shown book"),
    "halt": ("row", "of a halt"),
    "unknown_order": ("row", "of an order or level absent from the book"),
    "excess_size": ("row", "with more than the remaining size of its order"),
    "order_twice": ("row", "with a new order that rests already"),
    "swept_level": ("level", "that a later message proves to be gone"),
    "no_snapshot": ("row", "received while the book was unknown"),
    "outside_hours": ("row", "outside the hours"),
    "beyond_max_events": ("row", "beyond the number of events to read"),
    "overlap": ("row", "that two files hold"),
    "no_mid": ("bar", "without a mid"),
    "no_label": ("bar", "without a label"),
}


def name_cause(cause: str, count: int = 0) -> str:
    """Name a cause, in the plural unless `count` is 1.

    >>> name_cause("no_label"), name_cause("crossed", 1)
    ('bars without a label', 'row with a crossed book')
    """
    noun, rest = _WORDS.get(cause, ("row", f"({cause.replace('_', ' ')})"))
    return f"{noun}{'' if count == 1 else 's'} {rest}"


def list_counts(counts: Mapping[str, int]) -> str:
    """List counts by cause; empty if there are none.

    >>> list_counts({"no_label": 1200, "crossed": 1})
    '1,200 bars without a label, 1 row with a crossed book'
    """
    return ", ".join(f"{count:,} {name_cause(cause, count)}" for cause, count in counts.items())
