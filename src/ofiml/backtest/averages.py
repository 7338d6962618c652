"""The average of typed records, number by number, as for the paths of a combinatorial split."""

from collections.abc import Sequence
from dataclasses import fields, is_dataclass, replace
from typing import Any, TypeVar

Record = TypeVar("Record")


def average_records(records: Sequence[Record]) -> Record:
    """Average records of one dataclass: each number is the mean of those that are not NaN, and so are the numbers of
    nested records and lists. A text is that of the first record; None where all are None.
    """
    return _average(list(records))


def _average(parts: list[Any]) -> Any:
    first = next((part for part in parts if part is not None), None)
    if is_dataclass(first) and not isinstance(first, type):
        known = [part for part in parts if part is not None]
        return replace(first, **{f.name: _average([getattr(p, f.name) for p in known]) for f in fields(first)})
    if isinstance(first, list):
        return [_average(list(column)) for column in zip(*parts, strict=True)]
    if isinstance(first, bool) or not isinstance(first, int | float):
        return first
    known = [part for part in parts if part == part]
    return sum(known) / len(known) if known else float("nan")
