"""hftbacktest's array of events: its fields and codes, and its numbers as prices and lots."""

import io
import zipfile
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ofiml.config import FileDataset
from ofiml.data.feed import Blob
from ofiml.data.formats import decimals
from ofiml.data.formats.archives import MAX_MEMBER
from ofiml.data.formats.csv import MAX_PRICE, MAX_SIZE
from ofiml.data.formats.off_step import OffStepSizes
from ofiml.data.schema import LATEST, Int64
from ofiml.errors import DataError
from ofiml.units import PRICE_SCALE

_COLUMNS = {"ev": "u8", "exch_ts": "i8", "local_ts": "i8", "px": "f8", "qty": "f8"}
DEPTH, TRADE, CLEAR, SNAPSHOT, BBO = range(1, 6)
_KINDS = (DEPTH, TRADE, CLEAR, SNAPSHOT)
LOCAL, BUY, SELL = 1 << 30, 1 << 29, 1 << 28

Array = NDArray[np.void]


def read_array(blob: Blob) -> Array:
    """Read the array. Raises DataError for a damaged file, one with objects, and another array."""
    try:
        if blob.content.startswith(b"PK"):
            with zipfile.ZipFile(io.BytesIO(blob.content)) as archive:
                size = sum(info.file_size for info in archive.infolist())
            if size > MAX_MEMBER or size > max(1 << 30, 200 * len(blob.content)):
                raise DataError(f"{blob.name} unpacks to {size} bytes, which market data never does: fetch it again.")
        loaded = np.load(io.BytesIO(blob.content), allow_pickle=False)
        array: Any = loaded
        if isinstance(loaded, np.lib.npyio.NpzFile):
            names = loaded.files
            name = "data" if "data" in names else names[0] if len(names) == 1 else None
            if name is None:
                raise DataError(f"{blob.name} contains the arrays {', '.join(names):.100}, and none named data.")
            array = loaded[name]
    except DataError:
        raise
    except Exception as error:  # numpy and zlib raise exceptions of many types for damage
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise DataError(f"{blob.name} is no npz or npy of hftbacktest, or damaged ({reason:.200}).") from error
    if not isinstance(array, np.ndarray):
        raise DataError(f"{blob.name} is no npz or npy of hftbacktest: it contains other files.")
    if array.dtype.names is None and array.ndim == 2:
        raise DataError(
            f"{blob.name} is an array of {array.shape[1]} columns without names, as hftbacktest 1 wrote: convert it "
            "with hftbacktest.data.utils.migration2."
        )
    kinds = {name: array.dtype[name].str[1:] for name in array.dtype.names or ()}
    absent = [name for name, kind in _COLUMNS.items() if kinds.get(name) != kind]
    if absent or array.ndim != 1:
        raise DataError(
            f"{blob.name} is not an array of hftbacktest's events: the column {absent[0] if absent else 'ev'} is "
            f"missing or of another type; it needs {', '.join(_COLUMNS)}."
        )
    if not len(array):
        raise DataError(f"{blob.name} is empty: give a file with events.")
    return array


def begins_with_snapshot(files: Sequence[Blob], _: FileDataset) -> bool:
    """Return whether the first row of a file's array is a snapshot; False where it cannot be read."""
    try:
        return int(read_array(files[0])["ev"][0]) & 0xFF == SNAPSHOT
    except DataError:
        return False


def convert_numbers(
    rows: Array, kinds: Int64, numbers: Int64, size_unit: float, off_step: OffStepSizes
) -> tuple[Int64, Int64, NDArray[np.bool_], list[str]]:
    """Return prices in 1e-9, sizes in lots, the mask of unreadable rows, and the fault of each row (or "")."""
    px, qty = rows["px"], rows["qty"]
    needs = kinds != CLEAR
    with np.errstate(invalid="ignore", over="ignore"):
        units, lots = px * PRICE_SCALE, qty / size_unit
        whole_units, whole_lots = np.round(units), np.round(lots)
        good_price = (px > 0) & (px <= MAX_PRICE) & (np.abs(units - whole_units) <= units * 2e-15)
        is_size = (qty >= 0) & (lots <= MAX_SIZE)
        on_step = np.abs(lots - whole_lots) <= np.abs(lots) * 2e-15
    free = ~needs & ~(px > 0)  # a clear without a price clears the side
    prices = np.where(good_price, whole_units, 0).astype(np.int64)
    sizes = np.where(is_size & on_step & needs, whole_lots, 0).astype(np.int64)
    off = is_size & ~on_step & good_price & needs
    if off.any():
        at = np.flatnonzero(off)
        cells = [text for i in at for text in (f"{px[i]:.12g}", np.format_float_positional(qty[i], trim="-"))]
        codes = np.full(len(at), decimals.TOO_FINE)
        off_step.encode(codes, cells, numbers[at], np.arange(len(at)), prices[at])
        sizes[at] = codes
    side = rows["ev"] & np.uint64(BUY | SELL)
    faults = [
        (~np.isin(kinds, _KINDS), "column ev: the event {ev:#x} is unknown"),
        ((kinds != TRADE) & needs & ((side == 0) | (side == BUY | SELL)), "column ev: {ev:#x} has no side"),
        (~good_price & ~free, "column px: {px!r} is not a price up to 4,600,000,000 with at most 9 decimals"),
        (~is_size & needs, "column qty: {qty!r} is not a size"),
    ]
    for name in ("exch_ts", "local_ts"):
        wrong = (rows[name] < 0) | (rows[name] > LATEST)
        faults.append((wrong, f"column {name}: {{{name}!r}} is not a time in ns"))
    bad = np.logical_or.reduce([mask for mask, _ in faults])
    what = [""] * len(rows)
    if bad.any():
        first = int(np.argmax(bad))
        row = {name: rows[name][first].item() for name in _COLUMNS}
        what[first] = next(text for mask, text in faults if mask[first]).format(**row)
    return prices, sizes, bad, what
