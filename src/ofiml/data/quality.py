"""The quality of a session's input: counts of rows read, used, dropped and kept, by cause."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ofiml.provenance import hash_files


@dataclass(frozen=True, slots=True)
class BadFile:
    """An input that was left out: the names of its files, the digest of their bytes, and the error of the reader."""

    files: list[str]
    digest: str
    error: str


@dataclass(slots=True)
class Quality:
    """Counts of rows: read (`rows`), `used`, and by cause those `dropped` and those flagged but `kept`.

    `rows` less `used` less all dropped is the number of rows that make no event of their own, such as the price levels
    of one update, or orders below the shown levels. The causes are those of `dataset.policy`; dropped rows also have
    `outside_hours` and `beyond_max_events`. Rows dropped before their session is known (unreadable rows, wrong times)
    count in the first session of their input; rows that two joined files hold count as `overlap`. `warnings` are
    what is implausible about the session, by kind. `left_out` are the bad files of a session in several files.
    """

    rows: int = 0
    used: int = 0
    dropped: dict[str, int] = field(default_factory=dict)
    kept: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    warnings: dict[str, str] = field(default_factory=dict)
    left_out: list[BadFile] = field(default_factory=list)


def make_bad_file(paths: Sequence[Path], error: Exception) -> BadFile:
    """Make the record of an input that is left out for an error."""
    try:
        digest = hash_files(paths)
    except OSError:
        digest = ""
    sentence = f"{error.filename}: {error.strerror}." if isinstance(error, OSError) else str(error)
    return BadFile([path.name for path in paths], digest, sentence)


def restore_quality(stored: dict[str, Any]) -> Quality:
    """Restore the counts from their JSON form."""
    return Quality(**stored | {"left_out": [BadFile(**bad) for bad in stored["left_out"]]})


def add_counts(total: dict[str, int], more: dict[str, int]) -> dict[str, int]:
    """Add two counts by cause; omit causes with count 0 in `more`."""
    return total | {cause: total.get(cause, 0) + count for cause, count in more.items() if count}
