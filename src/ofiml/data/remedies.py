"""What stands after an error about rows: the cause of the first one, and the remedy."""

from collections.abc import Callable
from typing import Any

from ofiml.config import Policy

#: Stands for a point in a file with decimal commas, where a point is not a decimal mark. No feed writes this character.
POINT = "\x01"

_MAX_CELL_CHARS, _MAX_ZERO_BYTES = 80, 8  # of a cell in a message
_REPEATED_HEADER = (
    "The line repeats the header, as where files with headers were put together: such lines may be dropped."
)
_ZERO_BYTES = "It has zero bytes, as where a file was not written to its end."
_EXCHANGED = "Bid and ask seem to be exchanged: exchange their columns (dataset=quotes: dataset.columns)."
# Above this share unusable numbers are no damage, and dropping them would bias the data.
_MAX_DAMAGED_SHARE = 0.001


def describe_remedy(cause: str, policy: Policy) -> str:
    """Describe the remedies for a refused cause."""
    others = [p for p in policy.choices(cause) if p != "raise"]
    verbs = {"drop": "drop and count such rows", "keep": "count and keep them"}
    return "Fix the file, or " + ", or ".join(f"{verbs[p]}: dataset.policy.{cause}={p}" for p in others) + "."


def write_remedy(cause: str, policy: Policy, count: int, n_rows: int, own: str | None) -> str:
    """Write the remedy for `count` bad rows of `n_rows`: the `own` sentence of their cell, or that of the cause.

    If few rows are damaged, dropping them is offered too.
    """
    if cause == "crossed" and 2 * count > n_rows:
        return _EXCHANGED
    sentence = describe_remedy(cause, policy) if own is None else own
    if "=drop" not in sentence and (count == 1 or count <= _MAX_DAMAGED_SHARE * n_rows):
        sentence += f" If only such rows are damaged, drop and count them: dataset.policy.{cause}=drop."
    return sentence


def explain_cell(column: str, explain: Callable[[str], tuple[str, str | None]], cell: str, *, policy: Policy) -> str:
    """Explain why a cell cannot be read, by `explain` of its column or by what any cell may be, with the remedy."""
    if "\0" in cell:
        cause, remedy = _ZERO_BYTES, None
    else:
        cause, remedy = (_REPEATED_HEADER, None) if cell.strip() == column else explain(cell)
    return " ".join(part for part in (cause, remedy or describe_remedy("unreadable", policy)) if part)


def shorten_cell(cell: Any) -> Any:
    """Shorten a cell for an error message: in a damaged file it may be megabytes long."""
    if not isinstance(cell, str):
        return cell
    count = _MAX_ZERO_BYTES if cell.startswith("\0") else _MAX_CELL_CHARS
    return (f"{cell[:count]}…" if len(cell) > count else cell).replace(POINT, ".")
