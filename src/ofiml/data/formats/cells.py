"""Plain cells of a CSV in one pass over its bytes: numbers to exact integers, ISO times to nanoseconds, a few words.

Plain cells are those that feeds usually write: `-12.5`, `2024-10-21T11:54:29.221230963Z`, `AAPL`. Anything else (a
quote, a space, `1e3`, a line with fewer cells than the first) ends the reading without a result; a general CSV parser
must read such a file. `cell_kernel` has the kernels.
"""

from collections.abc import Set
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import polars as pl

from ofiml.data.formats.cell_kernel import (
    EMPTY,
    MAX_VALUE,
    MAX_WORDS,
    SKIP,
    WORD,
    Int64,
    UInt8,
    count_lines,
    read_lines,
)


@dataclass(frozen=True, slots=True)
class Plain:
    """The format of a column's plain cells.

    A NUMBER of at most `scale` decimals (and zeros after them: 100.0 is whole) is read as an integer of 10^-`scale`,
    from `low` to `high`; an INSTANT as UTC nanoseconds, from 1970 to 2259; a LOCAL time, which states no zone, as the
    nanoseconds of the same time in UTC; a WORD as text, of at most MAX_WORDS different words. `dtype` is the type of
    the column, None for the type that was read. A number is divided by `divisor`, rounded.
    """

    kind: int
    scale: int = 0
    low: int = -MAX_VALUE
    high: int = MAX_VALUE
    dtype: pl.DataType | None = None
    divisor: int = 1


def read_cells(
    content: bytes, start: int, names: list[str], columns: dict[str, Plain], optional: Set[str]
) -> pl.DataFrame | None:
    """Read the `columns` of the lines from byte `start` on, whose cells have the `names` in order.

    Null where an `optional` cell is empty. Words have the type Enum of the words in the file. Returns None if one of
    these cells is not plain, a line has fewer or more cells than there are names, or there are no lines.
    """
    if len(names) == 1:
        return None  # an empty line would count as a row
    cells = [columns.get(name, Plain(SKIP)) for name in names]
    formats = np.array([[c.kind, c.scale, c.low, c.high] for c in cells], np.int64)
    may_lack = np.array([name in optional and c.kind != WORD for name, c in zip(names, cells, strict=True)])
    places = {name: i for i, name in enumerate(columns)}
    place = np.array([places.get(name, -1) for name in names], np.int64)
    parts = split_lines(content, start, pl.thread_pool_size())
    if not parts:
        return None
    with ThreadPoolExecutor(pl.thread_pool_size()) as pool:
        rows = [0, *np.cumsum(list(pool.map(count_lines, parts))).tolist()]
        values = np.empty((len(columns), rows[-1]), np.int64)
        words = np.zeros((len(parts), len(columns), MAX_WORDS, 2), np.int64)
        futures = [
            pool.submit(read_lines, part, row, formats, may_lack, place, values, its)
            for part, row, its in zip(parts, rows, words, strict=False)
        ]
        if not all(future.result() for future in futures):
            return None
    raw = pl.DataFrame({name: values[i] for i, name in enumerate(columns)})
    typed: dict[str, pl.Expr | pl.Series] = {}
    for i, (name, plain) in enumerate(columns.items()):
        if plain.kind == WORD:
            typed[name] = _convert_words(np.split(values[i], rows[1:-1]), parts, words[:, i])
            continue
        column = pl.when(pl.col(name) != EMPTY).then(pl.col(name)) if name in optional else pl.col(name)
        if plain.divisor > 1:
            column = (column + plain.divisor // 2) // plain.divisor
        typed[name] = column if plain.dtype is None else column.cast(plain.dtype)
    return raw.with_columns(**typed)


def split_lines(content: bytes, start: int, count: int) -> list[UInt8]:
    """Split the lines from byte `start` on into at most `count` parts of whole lines.

    A last line without a newline is one more part.
    """
    data = np.frombuffer(content, np.uint8)
    end = max(content.rfind(b"\n") + 1, start)
    step = (end - start) // count + 1
    cuts = [start, *(content.find(b"\n", at) + 1 for at in range(start + step, end, step)), end]
    parts = [data[a:b] for a, b in pairwise(cuts) if a < b]
    return parts if end == len(content) else [*parts, np.frombuffer(content[end:] + b"\n", np.uint8)]


def _convert_words(codes: list[Int64], parts: list[UInt8], places: Int64) -> pl.Series:
    """Convert the codes of each part to words; `places` (parts, MAX_WORDS, 2) has their bounds in the part's bytes."""
    categories: dict[str, int] = {}
    common_codes = []
    for own_codes, data, bounds in zip(codes, parts, places.tolist(), strict=True):
        words = [data[a:b].tobytes().decode("ascii") for a, b in bounds if b]
        common_codes.append(np.array([categories.setdefault(word, len(categories)) for word in words])[own_codes])
    return pl.Series(np.concatenate(common_codes).astype(np.uint16)).cat.to(pl.Enum(list(categories)))
