"""What may come of a damaged input: one sentence, or sessions that are sound and say what stands there."""

import csv
import io
import re
from dataclasses import fields
from decimal import Decimal
from pathlib import Path

import numpy as np

from ofiml.config import FileDataset, Policy
from ofiml.data.schema import F_LAST, ORDER_TIME, TIME, Session, make_schema
from ofiml.data.sessions import list_sources
from ofiml.errors import ConfigError, DataError
from tests.fuzzing.damage import Damaged
from tests.fuzzing.samples import Files, Sample

LONGEST = 1_000  # characters of a sentence
MOST = 4_600_000_000 * 10**9  # of a price, in 1e-9


def policy(choice: str) -> Policy:
    """Every cause with this choice, or its default where it does not have it."""
    causes = (f.name for f in fields(Policy))
    return Policy(**{c: choice for c in causes if choice in Policy().choices(c)})


POLICIES = {choice: policy(choice) for choice in ("raise", "drop", "keep")}


def read_damaged(sample: Sample, damage: Damaged, folder: Path, choice: str) -> list[Session] | None:
    """The sessions of the damaged input, None where it is refused.

    Raises AssertionError for whatever is neither one clear sentence nor sound; other errors pass through.
    """
    for name, content in damage.files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    try:
        config = sample.config(folder / damage.given, POLICIES[choice])
        sessions = [s for source in list_sources(config) for s in source()]
    except (DataError, ConfigError) as error:
        sentence = str(error)
        assert sentence.strip(), "an error without a sentence"
        assert "\n" not in sentence, f"more than a sentence: {sentence!r}"
        assert len(sentence) <= LONGEST, f"a sentence of {len(sentence)} characters: {sentence[:200]!r}"
        named = any(name in sentence for name in damage.files)
        assert named or "matches no file" in sentence, f"the sentence names no file: {sentence!r}"
        return None
    assert sessions, "neither an error nor a session"
    for session in sessions:
        assert_sound(session, config)
    if damage.members is not None:
        assert_stated(sessions, sample, damage.members)
    return sessions


def assert_sound(session: Session, config: FileDataset) -> None:
    """Raises AssertionError where the session is none."""
    e, kept = session.events, {f.name for f in fields(Policy) if getattr(config.policy, f.name) == "keep"}
    optional = {ORDER_TIME: TIME} if ORDER_TIME in e.columns else {}
    assert e.schema == make_schema(session.levels) | optional, "schema"
    assert e.height > 0, "no event"
    may_be_null = re.compile(rf"price|{ORDER_TIME}|(bid|ask)_(px|sz|ct)_\d\d")
    for column in e.columns:
        assert may_be_null.fullmatch(column) or e[column].null_count() == 0, f"a null in {column}"
    stamps = e["ts_recv"].to_physical().to_numpy()
    assert (np.diff(stamps) >= 0).all(), "ts_recv is not sorted"
    assert session.open <= stamps[0], "an event before the open"
    assert stamps[-1] <= session.close, "an event after the close"
    assert (e["ts_event"].to_physical() > -86_400 * 10**9).all(), "ts_event before 1970"
    assert (e["size"] >= 0).all(), "a negative size"
    assert (e["price"].abs().fill_null(0) <= MOST).all(), "a price beyond all"
    ends = (e["flags"] & F_LAST) != 0
    states = e.filter(ends) if ends.any() else e  # inside a message the book may be crossed and out of order
    for side, better in (("bid", 1), ("ask", -1)):
        before = None
        for m in range(session.levels):
            px, sz = e[f"{side}_px_{m:02d}"], e[f"{side}_sz_{m:02d}"]
            assert px.is_null().equals(sz.is_null(), check_names=False), f"half a level at {side} {m}"
            assert (sz.fill_null(1) >= 0).all(), f"a negative size at {side} {m}"
            assert "zero_size" in kept or not (px.is_not_null() & (sz.fill_null(0) == 0)).any(), f"size 0 at {side} {m}"
            assert (px.abs().fill_null(0) <= MOST).all(), f"a price beyond all at {side} {m}"
            state_px = states[f"{side}_px_{m:02d}"]
            if before is not None and "order" not in kept:
                worse = ((before - state_px) * better > 0).fill_null(False)
                assert (worse | state_px.is_null()).all(), f"levels out of order at {side} {m}"
            before = state_px
    crossed = (states["bid_px_00"] > states["ask_px_00"]).any()
    auction = any("in an auction" in note for note in session.quality.notes)
    assert "crossed" in kept or auction or not crossed, "crossed"
    assert session.symbol, "no symbol"
    assert (e["symbol"] == session.symbol).all(), "the symbol"
    q = session.quality
    assert q.used == e.height, "quality.used"
    assert min([0, *q.dropped.values(), *q.kept.values()]) == 0, "a negative count"
    assert q.rows >= q.used + sum(q.dropped.values()), f"quality does not add up: {q}"
    assert "\n" not in "".join(q.notes), "notes"


def assert_same(sessions: list[Session], whole: list[Session]) -> None:
    """Raises AssertionError where the sessions are not those of the undamaged input."""
    ours, theirs = ([(s.symbol, s.date, s.open, s.close) for s in those] for those in (sessions, whole))
    assert ours == theirs, "other sessions, though no value was touched"
    for s, w in zip(sessions, whole, strict=True):
        assert s.events.equals(w.events), "other events, though no value was touched"
        assert s.quality.dropped == w.quality.dropped, "other rows dropped, though no value was touched"


# --- what stands there, read another way -----------------------------------------------------------------------------

Book = tuple[tuple[Decimal, Decimal], ...]
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?", re.ASCII)
_NOTHING = Decimal(0), Decimal(0)


def assert_stated(sessions: list[Session], sample: Sample, members: Files) -> None:
    """Raises AssertionError where a session shows a book that no row of the text states, number by number."""
    books = _books(sample, members, sessions[0].levels)
    if books is None:
        return
    for s in sessions:
        names = [f"{side}_{q}_{m:02d}" for m in range(s.levels) for side in ("bid", "ask") for q in ("px", "sz")]
        for row in s.events.select(names).unique().iter_rows():
            pairs = zip(row[::2], row[1::2], strict=True)
            shown = tuple(_NOTHING if px is None else (Decimal(px), Decimal(sz)) for px, sz in pairs)
            assert shown in books, f"a book that stands in no row: {row}"


def _books(sample: Sample, members: Files, levels: int) -> set[Book] | None:
    columns = _COLUMNS.get(sample.name)
    if columns is None:
        return None
    name = next((n for n in members if "_orderbook_" in n), next(iter(members)))
    text = members[name].decode("utf-8", "replace").removeprefix("\ufeff")
    rows = list(csv.reader(io.StringIO(text, newline=""), strict=False)) if text.count('"') else [
        line.split(",") for line in re.split(r"\r?\n", text)
    ]  # fmt: skip
    price_unit, size_unit, place = columns
    quotes = sample.name == "quotes"  # 0 is nobody's price, and nobody's size
    if sample.kind == "lines":
        header = [place(s, q, m) for m in range(levels) for s in ("ask", "bid") for q in ("px", "sz")]
    else:
        header, rows = [cell.strip() for cell in rows[0]], rows[1:]
    found = {tuple(_NOTHING for _ in range(2 * levels))}  # before the first book
    for row in rows:
        if sample.kind == "lines" and len(row) < 4:
            continue
        cells = dict(zip(header, row, strict=False))
        sides = []
        for m in range(levels):
            for side in ("bid", "ask"):
                px, sz = (_number(cells.get(place(side, q, m), "")) for q in ("px", "sz"))
                empty = px is not None and sample.kind == "lines" and abs(px) == 9_999_999_999
                if px is None or sz is None or empty or (px == 0 and sz == 0) or (quotes and 0 in (px, sz)):
                    sides.append(_NOTHING)
                else:
                    sides.append((_as_float(px * price_unit), _as_float(sz / size_unit)))
        found.add(tuple(sides))
    return found


def _as_float(value: Decimal) -> Decimal:
    """Whole where only the last bits of a float say otherwise."""
    whole = value.to_integral_value()
    return whole if abs(value - whole) <= abs(value) * Decimal("3e-15") else value


def _number(cell: str) -> Decimal | None:
    cell = cell.strip()
    return Decimal(cell) if _NUMBER.fullmatch(cell) else None


_ONE, _NANO = Decimal(1), Decimal(10**9)


def _numbered(side: str, q: str, m: int) -> str:
    return f"{side}_{q}_{m:02d}"


def _quoted(side: str, q: str, m: int) -> str:
    return {"bid_px": "BID", "bid_sz": "BIDSIZ", "ask_px": "OFR", "ask_sz": "OFRSIZ"}[f"{side}_{q}"]


def _tardis(side: str, q: str, m: int) -> str:
    return f"{side}s[{m}].{'price' if q == 'px' else 'amount'}"


def _tardis_quote(side: str, q: str, m: int) -> str:
    return f"{side}_{'price' if q == 'px' else 'amount'}"


_LOBSTER = Decimal(100_000), _ONE, _numbered
_COLUMNS = {
    "databento_csv": (_NANO, _ONE, _numbered),
    "databento_raw": (_ONE, _ONE, _numbered),
    "databento_bbo": (_NANO, _ONE, _numbered),
    "databento_tbbo": (_NANO, _ONE, _numbered),
    "databento_cmbp": (_NANO, _ONE, _numbered),
    "lobster_pair": _LOBSTER,
    "lobster_zip": _LOBSTER,
    "lobster_7z": _LOBSTER,
    "quotes": (_NANO, _ONE, _quoted),
    "tardis_snapshot": (_NANO, Decimal("0.001"), _tardis),
    "tardis_quotes": (_NANO, Decimal("0.001"), _tardis_quote),
    "tardis_snapshot_trades": (_NANO, Decimal("0.001"), _tardis),
}
