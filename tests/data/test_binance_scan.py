"""The scan of Binance's usual lines: its twin, the general parser on the same lines, and lines that it must leave."""

import json
import random

import numpy as np
import pytest

from ofiml.config import Policy
from ofiml.data.checks import Checker
from ofiml.data.feed import Blob
from ofiml.data.formats import decimals
from ofiml.data.readers.binance import scan, values
from ofiml.data.readers.binance.messages import Parser
from ofiml.errors import DataError
from tests.conftest import slow_but_each
from tests.data.test_binance import BOOK, START, depth, spot, ticker, trade
from tests.data.test_binance_depth import partial

QUOTE = {"u": 9, "s": "X", "b": "100.0", "B": "1", "a": "100.1", "A": "2"}
MESSAGES = [
    ticker(1, "100.0", "1", "100.1", "2"),
    depth(1, 2, 0, [("100.0", "8"), ("99.90", "0.000")], [("100.1", "0.001")]),
    BOOK,
    spot(depth(11, 12, 10, [], [("100.10000000", "5.50000000")])),
    trade(1, "100.1", "0.5", maker=False, at=12),
    trade(2, "100.0", "7", maker=True, at=13, X="MARKET"),
    trade(3, "100.0", "7", maker=True, at=13, X="NA"),
    spot(trade(4, "100.0", "7", maker=True, at=14)) | {"T": (START + 14) * 1000},
    trade(5, "100.0", "7", maker=True, at=14, kind="aggTrade"),
    ticker(13, "100.0", "1", "100.1", "2"),
    QUOTE,
    QUOTE | {"s": "Y"},
    depth(3, 4, 2, [("7", "8")], [("8", "1")], symbol="Y"),
    depth(13, 14, 12),
    QUOTE | {"s": "Y"},
    partial(20),
    {"e": "markPriceUpdate", "s": "X"},
]


def compact(message, name=None):
    if name is not None:
        message = {"stream": name, "data": message}
    return json.dumps(message, separators=(",", ":"))


def stream_names(message):
    kind = message.get("e", "bookTicker" if "B" in message else "depth5@100ms")
    return f"x@{'depth@100ms' if kind == 'depthUpdate' else kind}"


def lines(form):
    for i, message in enumerate(MESSAGES):
        text = compact(message, stream_names(message) if "wrapped" in form else None)
        stamp = (START + i) * 10 ** (6 if i % 2 else 3)
        yield (f"{stamp} {text}" if "stamped" in form else text).encode()


def parse(content, monkeypatch, *, scanned=True, wanted=None, policy="raise"):
    """Return all that the parser makes of the content; with or without the scan."""
    if not scanned:

        def leave_all(content, size_unit, *, stamped):
            ends = np.cumsum([len(line) for line in content.splitlines(keepends=True)])
            texts = content.splitlines(keepends=True)
            kept = [k for k, text in enumerate(texts) if text.strip()]
            left = [(k + 1, n, ends[k] - len(texts[k]), ends[k]) for n, k in enumerate(kept, start=1)]
            empty = np.empty((0, 13), np.int64), np.empty(0, np.int64), np.empty(0, np.int64)
            return scan.Scan(*empty, np.array(left, np.int64), len(left), [], np.empty((0, 5), np.int64))

        monkeypatch.setattr(scan, "scan_lines", leave_all)
    parser = Parser(Checker("x", Policy(unreadable=policy)), 0.001, wanted)
    try:
        parser.parse_file(Blob("x", content))
    except DataError as error:
        return str(error)
    finally:
        monkeypatch.undo()
    messages = parser.finish()
    kinds = (messages.depth, messages.partial, messages.ticker, messages.trade, messages.aggregate)
    names = ("pairs", "prices", "sizes")
    tables = [(k.rows.rows(), k.rows.columns, *(getattr(k, n).tolist() for n in names)) for k in kinds]
    counts = messages.symbols, messages.depth_of, messages.total, messages.rows, dict(+messages.ignored)
    return tables, counts, parser.checker.dropped, messages.off_step.sizes


@pytest.mark.parametrize("form", ["bare", "wrapped", "stamped", "stamped wrapped"])
@pytest.mark.parametrize("wanted", slow_but_each(2, [None, ["Y"], ["X"], ["Z"]]))
def test_it_agrees_with_the_general_parser(monkeypatch, form, wanted):
    for end in (b"\n", b"\r\n", b"\n\n"):
        rows = list(lines(form))
        if form in ("bare", "wrapped"):
            rows = [row for row in rows if b'"E"' in row]
        for content in (end.join(rows), end.join(rows) + end, b"\xef\xbb\xbf" + end.join(rows)):
            ours = parse(content, monkeypatch, wanted=wanted)
            assert isinstance(ours, tuple)
            assert ours == parse(content, monkeypatch, wanted=wanted, scanned=False)


def test_it_takes_the_usual_lines():
    content = b"\n".join(lines("stamped wrapped"))
    found = scan.scan_lines(content, 0.001, stamped=True)
    assert found.rows[:, values.LINE].tolist() == [2, 4, 5, 6, 8, 13, 14]
    assert found.left[:, 0].tolist() == [1, 3, 7, 9, 12, 16, 17]
    assert found.symbols[:, scan.QUOTES].tolist() == [2, 1]


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.slow
def test_damaged_lines_end_as_in_the_general_parser(monkeypatch, seed):
    rng = random.Random(seed)
    rows = list(lines("stamped wrapped" if seed % 2 else "stamped"))
    alphabet = b'0123456789.,:"[]{} eEsbBaAuUpqtTmMX-+\\\x00\xff'
    for _ in range(60):
        broken = [bytearray(row) for row in rows]
        row = rng.choice(broken)
        for _ in range(rng.choice([1, 1, 2])):
            at = rng.randrange(len(row))
            how = rng.randrange(4)
            if how == 0:
                row[at] = rng.choice(alphabet)
            elif how == 1:
                row.insert(at, rng.choice(alphabet))
            elif how == 2:
                del row[at : at + rng.choice([1, 1, 4])]
            else:
                row[at:at] = row[at : at + rng.randrange(1, 20)]
        content = b"\n".join(bytes(row) for row in broken)
        for policy in ("raise", "drop"):
            ours, theirs = (parse(content, monkeypatch, scanned=s, policy=policy) for s in (True, False))
            assert ours == theirs, bytes(row)


def test_the_twin():
    for form in ("stamped", "stamped wrapped", "wrapped"):
        content = b"\n".join(lines(form))
        data = np.frombuffer(content, np.uint8)
        results = []
        for run in (scan.scan, scan.scan_py):
            places, divisor = decimals.split_unit(0.001)
            units = np.array([9, 4_000_000 * 10**9, places, 10**12, divisor])
            rows, left, symbols = (np.full(shape, -9) for shape in ((30, 13), (30, 4), (64, 5)))
            prices, sizes = np.full(300, -9), np.full(300, -9)
            n, pairs, n_left, total, count = run(data, "stamped" in form, units, rows, prices, sizes, left, symbols)
            arrays = rows[:n], prices[:pairs], sizes[:pairs], left[:n_left], symbols[:count]
            results.append(([a.tolist() for a in arrays], total))
        assert results[0] == results[1]
