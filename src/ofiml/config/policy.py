"""The schema of the policy for irregular rows."""

from dataclasses import dataclass, fields

from ofiml.config.checks import require_one_of


@dataclass(slots=True)
class Policy:
    """The policy for irregular rows, by cause: `raise` stops the run, `drop` drops and counts them, `keep` counts them.

    A cause has only the choices that make sense for it: a row that cannot be read cannot be kept.
    """

    unreadable: str = "raise"  # a missing cell, or one that cannot be read
    negative_size: str = "raise"
    zero_size: str = "raise"  # a level with a price but no size
    sentinel: str = "keep"  # a number that stands for no price; if kept, the level is missing
    crossed: str = "raise"  # the best bid above the best ask
    locked: str = "keep"  # the best bid equal to the best ask
    one_sided: str = "keep"  # no bid, or no ask
    order: str = "raise"  # levels out of order, or with a gap
    clock: str = "raise"  # an event over a second later than its receipt; if kept, both clocks stay as they are
    time_reversal: str = "raise"  # receipts that run back; if kept, a neighbouring row's receipt replaces them
    sequence: str = "keep"  # sequence numbers that run back
    duplicate: str = "keep"  # a resting-order row equal to the row before it, sequence number included
    gap: str = "keep"  # missing sequence numbers; if kept, no flow is measured across the gap
    no_effect: str = "keep"  # an order event that does not change the shown book
    halt: str = "keep"  # if kept, no flow is measured across it
    unknown_order: str = "keep"  # a message about an order or level that is not in the book
    excess_size: str = "keep"  # a cancel or trade of more than the order's remaining size
    order_twice: str = "keep"  # a new order with the id of a resting order
    swept_level: str = "keep"  # a level that a later message proves to be gone
    no_snapshot: str = "drop"  # updates and trades while the book is unknown

    def choices(self, cause: str) -> tuple[str, ...]:
        """List the possible policies of a cause."""
        if cause in ("unreadable", "negative_size"):
            return "raise", "drop"
        if cause in ("gap", "halt", "unknown_order", "excess_size", "order_twice", "swept_level"):
            return "raise", "keep"
        return "raise", "drop", "keep"

    def __post_init__(self) -> None:
        for f in fields(self):
            require_one_of(f"dataset.policy.{f.name}", getattr(self, f.name), self.choices(f.name))
