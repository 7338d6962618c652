"""An ITCH file in pieces: its messages checked, its symbols listed, the messages of the wanted ones decoded."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ofiml.data.checks import Checker
from ofiml.data.feed import Blob, read_pieces
from ofiml.data.readers.itch import kernel as itch
from ofiml.data.readers.itch.forms import HEAD_BYTES, is_framed
from ofiml.data.remedies import describe_remedy
from ofiml.errors import DataError

_UNSOUND = {
    itch.CUT: "the frame is cut short",
    itch.EMPTY: "the frame is empty, and the file continues after it",
    itch.UNKNOWN_TYPE: "the message type is not in ITCH 5.0",
    itch.WRONG_LENGTH: "the length does not match the message type",
    itch.TIME: "the time is beyond the end of the day",
    itch.SIDE: "the side is neither B nor S",
    itch.PRICE: "the price is 0",
    itch.SHARES: "the number of shares is 0 or far too large",
    itch.PRINTABLE: "the printable flag is neither Y nor N",
    itch.STATE: "the trading state is not one of H, P, Q, T",
    itch.STOCK: "the symbol is not text, or not the earlier symbol of its stock locate code",
    itch.REFERENCE: "the order reference is far too large",
}


@dataclass(frozen=True, slots=True)
class Day:
    """The contents of a file.

    `table` (COLUMNS, messages) has the decoded messages, see `kernel.decode_py`; `locates` the stock locate code of
    each wanted symbol; `counts` (65536,) the number of sound messages by locate code. `ended` says whether the file has
    an end-of-messages event.
    """

    table: NDArray[np.int64]
    locates: dict[str, int]
    counts: NDArray[np.int64]
    ended: bool


@dataclass(slots=True)
class _Fault:
    """The first unsound message of a file, and the number of all."""

    kind: int = itch.SOUND
    byte: int = 0
    number: int = 0
    content: bytes = b""
    count: int = 0


@dataclass(slots=True)
class _Progress:
    """The bytes and messages of the pieces before, and what they contain."""

    framed: bool
    byte: int = 0
    number: int = 0
    ended: bool = False
    lost: bool = False
    stocks: NDArray[np.uint8] = field(default_factory=lambda: np.zeros((1 << 16, 8), np.uint8))
    counts: NDArray[np.int64] = field(default_factory=lambda: np.zeros(1 << 16, np.int64))
    fault: _Fault = field(default_factory=_Fault)
    tables: list[NDArray[np.int64]] = field(default_factory=lambda: [np.empty((itch.COLUMNS, 0), np.int64)])


def read_messages(blob: Blob, symbols: list[str] | None, checker: Checker) -> Day:
    """Check all messages, and decode those of the wanted symbols.

    The file is read in pieces: memory grows with the decoded messages, not with the file. Raises DataError for an empty
    file, another format, a file without symbols or without a wanted one and, if the policy does, for the first unsound
    message; without frames always for a message of unknown type, as its length is unknown.
    """
    progress: _Progress | None = None
    rest = b""
    for piece, final in _mark_last(read_pieces(blob)):
        content = rest + piece
        if progress is None:
            progress = _Progress(is_framed(content[:HEAD_BYTES], blob.name))
        used = _read_piece(content, final, progress, symbols, skip=checker.policy.unreadable == "raise")
        rest = content[used:]
        if progress.lost:
            break
    if progress is None:
        raise DataError(f"{blob.name} is empty: give a file with messages.")
    _report_fault(progress, checker)
    locates = _list_symbols(progress.stocks, blob.name)
    for symbol in symbols or ():
        if symbol not in locates:
            raise DataError(f"{blob.name} contains no symbol {symbol}; it contains {', '.join(list(locates)[:5])} ….")
    wanted = {s: at for s, at in locates.items() if symbols is None or s in symbols}
    return Day(np.concatenate(progress.tables, axis=1), wanted, progress.counts, progress.ended)


def _read_piece(content: bytes, final: bool, progress: _Progress, symbols: list[str] | None, *, skip: bool) -> int:
    """Check and decode the messages of one piece; return the number of bytes used.

    After an unsound message nothing is decoded if `skip`, as the file will be refused.
    """
    data = np.frombuffer(content, np.uint8)
    first, before = np.zeros(3, np.int64), progress.counts.copy()
    used, number, faults, ended, lost = itch.survey(
        data, progress.framed, final, itch.LENGTHS, progress.stocks, progress.counts, first
    )
    if lost or (faults and progress.fault.count == 0):
        kind, at, place = (itch.UNKNOWN_TYPE, used - 1, number) if lost else first.tolist()
        start = at + (2 if progress.framed else 0)
        progress.fault = _Fault(
            kind, progress.byte + at, progress.number + place, content[start : start + 12], progress.fault.count
        )
        progress.lost = bool(lost)
    progress.fault.count += int(faults)
    if not (skip and progress.fault.count):
        chosen = _choose_locates(progress.stocks, symbols)
        capacity = int((progress.counts - before)[chosen].sum())
        table = np.empty((itch.COLUMNS, capacity), np.int64)
        count = itch.decode(data[:used], progress.framed, progress.number, itch.LENGTHS, progress.stocks, chosen, table)
        progress.tables.append(table[:, :count].copy())
    progress.byte += int(used)
    progress.number += int(number)
    progress.ended |= bool(ended)
    return int(used)


def _mark_last(pieces: Iterable[bytes]) -> Iterator[tuple[bytes, bool]]:
    """Yield each piece, and whether it is the last one."""
    before: bytes | None = None
    for piece in pieces:
        if before is not None:
            yield before, False
        before = piece
    if before is not None:
        yield before, True


def _choose_locates(stocks: NDArray[np.uint8], symbols: list[str] | None) -> NDArray[np.bool_]:
    """Return a mask (65536,) of the locate codes of wanted symbols; a code whose symbol is unknown yet may be one."""
    if symbols is None:
        return np.ones(len(stocks), np.bool_)
    chosen = stocks[:, 0] == 0
    for symbol in symbols:
        name = np.frombuffer(symbol.encode("ascii", "replace").ljust(8)[:8], np.uint8)
        chosen |= (stocks == name).all(axis=1)
    return chosen


def _list_symbols(stocks: NDArray[np.uint8], source: str) -> dict[str, int]:
    """List the symbols with their locate codes. Raises DataError for a symbol with two codes, and for no symbol."""
    locates: dict[str, int] = {}
    for locate in np.flatnonzero(stocks[:, 0]).tolist():
        symbol = bytes(stocks[locate]).decode("ascii").strip()
        if symbol in locates:
            raise DataError(f"{source}: {symbol} has two stock locate codes, {locates[symbol]} and {locate}.")
        locates[symbol] = locate
    if not locates:
        raise DataError(f"{source} names no symbol: it is not an ITCH 5.0 file, or its start is missing.")
    return locates


def _report_fault(progress: _Progress, checker: Checker) -> None:
    """Raise DataError for the first unsound message, or count all, as the policy says."""
    fault = progress.fault
    if not fault.count:
        return
    unit = "frame" if progress.framed else "message"
    place = f"{checker.source}, byte {fault.byte} ({unit} {fault.number})"
    content = fault.content.hex(" ") or "nothing"
    if progress.lost:
        raise DataError(
            f"{place}: {_UNSOUND[fault.kind]} ({content}); the file has no length before each message, so "
            "nothing can be read after it: fetch the file again, or one with lengths."
        )
    if checker.policy.unreadable == "raise":
        raise DataError(
            f"{place}: {_UNSOUND[fault.kind]} ({content}; {fault.count} such {unit}{'s' * (fault.count > 1)}). "
            f"{describe_remedy('unreadable', checker.policy)}"
        )
    checker.count("unreadable", fault.count)
