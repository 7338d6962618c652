"""Binance: partial books, T_DEPTH files, units of time, sizes off the step, real streams without their full book."""

import gzip
import io
import json
import tarfile
import zipfile

import numpy as np
import orjson
import polars as pl
import pytest

from ofiml.data.feed import Blob
from ofiml.data.readers.binance import READER
from ofiml.data.readers.binance import streams as binance
from ofiml.errors import DataError
from tests.conftest import slow_but_each
from tests.data.test_binance import BOOK, START, best, dataset, depth, full, read, stream, ticker, trade

STREAMS = {"usdm": ("usdm_btcusdt_20240808.gz", 0.1, 0.001), "spot": ("spot_btcusdt_20240808.gz", 0.01, 1e-6)}


def partial(k, **other):
    bids = [(f"{100.0 - m / 10:.1f}", str(k + m)) for m in range(5)]
    asks = [(f"{100.1 + m / 10:.1f}", f"{m + 1}.5") for m in range(5)]
    return full(100 + k, bids, asks, **other)


def wrapped(message, name="btcusdt@depth5@100ms"):
    return {"stream": name, "data": message}


def expected(count):
    return [("M", 100.0, 1000 * k, 100.1, 1500) for k in range(1, count + 1)]


# --- times -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("unit", slow_but_each(2, [10**9, 10**6, 10**3, 1]))
@pytest.mark.parametrize("separator", [" ", "\t", ", "])
def test_the_local_time_has_the_unit_of_its_digits(tmp_path, unit, separator):
    t = START * 10**6 // unit
    lines = [f"{t + i}{separator}{json.dumps(m)}" for i, m in enumerate((BOOK, depth(10, 11, 9, [("100.0", "8")])))]
    (s,) = read(stream(tmp_path / "x.txt", *lines, stamped=False))
    assert s.events["ts_recv"].to_physical().to_list() == [(t + i) * unit for i in range(2)]


def test_the_local_time_may_be_decimal_seconds(tmp_path):
    line = f"1723161600.25 {json.dumps(BOOK)}"
    (s,) = read(stream(tmp_path / "x.txt", line, line.replace(".25", ".5"), stamped=False))
    assert s.events["ts_recv"].to_physical().to_list() == [1_723_161_600_250_000_000, 1_723_161_600_500_000_000]


@pytest.mark.parametrize("stamped", [True, False])
def test_event_times_may_be_microseconds(tmp_path, stamped):
    update = depth(10, 11, 9, [("100.0", "8")])
    fine = update | {"E": update["E"] * 1000 + 7, "T": update["T"] * 1000 + 5}
    (s,) = read(stream(tmp_path / "x.txt", BOOK, fine, stamped=stamped))
    event = (fine["T"] if stamped else fine["E"]) * 1000
    assert s.events["ts_event"].to_physical().to_list()[1] == event


# --- partial books ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["bare spot", "wrapped spot", "bare futures", "wrapped futures"])
def test_partial_books_are_whole_books(tmp_path, form):
    messages = [partial(k) for k in range(1, 5)]
    if "futures" in form:
        messages = [depth(k, k + 1, k, m["bids"], m["asks"]) for k, m in enumerate(messages)]
    if "wrapped" in form:
        messages = [wrapped(m) for m in messages]
    (s,) = read(stream(tmp_path / "btcusdt_20240808.txt", *messages))
    assert best(s) == expected(4)
    assert s.symbol == ("X" if "futures" in form else "BTCUSDT")
    assert (s.levels, s.quality.rows, s.quality.used) == (5, 4, 4)
    assert s.events["ask_px_04"].to_list() == [100_500_000_000] * 4
    assert s.events["bid_sz_04"].to_list() == [1000 * (k + 4) for k in range(1, 5)]
    assert s.events["flags"].to_list() == [128] * 4  # flow is measured between them


def test_partial_books_with_trades_and_quotes(tmp_path):
    messages = [partial(1), trade(1, "100.1", "0.5", maker=False, at=2), ticker(5, "1", "1", "2", "1"), partial(2)]
    (s,) = read(stream(tmp_path / "x.txt", *messages, partial(1)))
    assert best(s) == [expected(2)[0], ("T", 100.0, 1000, 100.1, 1500), expected(2)[1]]
    assert s.symbol == "X"
    assert s.quality.notes[:2] == ["messages ignored: 1 bookTicker", "books older than the book before them: 1"]
    (s,) = read(tmp_path / "x.txt", levels=2)
    assert s.levels == 2
    with pytest.raises(DataError, match=r"at most 5 levels: set dataset\.levels=5"):
        read(tmp_path / "x.txt", levels=6)


def test_the_symbol_of_a_bare_book(tmp_path):
    path = stream(tmp_path / "ethbtc.txt", partial(1), partial(2))
    (s,) = read(path)
    assert (s.symbol, "from the file name" in s.quality.notes[0]) == ("ETHBTC", True)
    (s,) = read(path, symbols=["Z"])
    assert s.symbol == "Z"
    both = [trade(1, "1", "1", maker=True, at=1), trade(2, "1", "1", maker=True, at=1) | {"s": "Y"}]
    with pytest.raises(DataError, match=r"line 1: a full book without a symbol, in a stream of several \(X, Y\)"):
        read(stream(path, partial(1), *both, partial(2)))
    with pytest.raises(DataError, match=r"line 1: .*full books have no time: record the local time before each"):
        read(stream(path, partial(1), partial(2), stamped=False))


def test_differences_are_not_taken_for_whole_books(tmp_path):
    books = [partial(k) for k in range(1, 5)]
    updates = [depth(k, k, k - 1, m["bids"], m["asks"]) for k, m in enumerate(books, start=1)]
    updates[2]["b"] = updates[2]["b"][:4]  # one of them has other levels: all are differences
    (s,) = read(stream(tmp_path / "x.txt", *updates))
    assert best(s) == expected(4)
    assert s.levels == 10
    assert s.events["flags"].to_list() == [160, 128, 128, 128]


# --- sizes off the step ----------------------------------------------------------------------------------------------


def test_a_far_level_off_the_step_does_not_decide(tmp_path):
    far = full(10, [("100.0", "1"), ("99.9", "2"), ("1.0", "0.00005")], [("100.1", "3"), ("200.0", "25.4261")])
    messages = [far, depth(10, 11, 9, [("100.0", "8")], [("200.0", "7.00001")]), depth(12, 12, 11, [("99.9", "0")])]
    path = stream(tmp_path / "x.txt", *messages)
    (s,) = read(path, levels=1)
    assert best(s) == [("M", 100.0, 1000, 100.1, 3000), ("M", 100.0, 8000, 100.1, 3000)]
    assert s.events.row(1, named=True)["price"] is None  # the level that the update sets last
    assert s.events["size"].to_list() == [0, 0]
    assert s.quality.notes[0] == (
        "sizes that are not multiples of dataset.size_unit, all outside of the shown levels: 3 "
        "(first in line 1: 0.00005 at 1.0)"
    )
    unit = r"\(3 such sizes\): set dataset\.size_unit=1e-05, which fits all sizes"
    with pytest.raises(DataError, match=rf"line 1: the size '0\.00005' at '1\.0' is not a multiple .*{unit}"):
        read(path, levels=2)
    (s,) = read(path, levels=2, size_unit=1e-5)
    assert s.events["ask_sz_01"].to_list()[0] == 2_542_610


def test_trades_and_quotes_off_the_step_name_the_unit(tmp_path):
    messages = [BOOK, depth(10, 11, 9, [("100.0", "8")]), trade(1, "100.1", "0.0005", maker=True, at=12)]
    for policy in ("raise", "drop"):
        with pytest.raises(DataError, match=r"line 3: the size '0\.0005' at '100\.1' .*set dataset\.size_unit=1e-04"):
            read(stream(tmp_path / "x.txt", *messages), policy={"unreadable": policy})
    with pytest.raises(DataError, match=r"line 1: the size '0\.5' .*size_unit=1 .*set dataset\.size_unit=1e-01"):
        read(stream(tmp_path / "x.txt", ticker(1, "100.0", "0.5", "100.1", "2")), size_unit=1.0)


def test_the_real_level_off_the_step(data):
    """The exchange's step size reads the stream; the books are those of a step that fits all levels."""
    name, tick, fine = STREAMS["spot"]
    (coarse,) = read(data(f"binance/{name}"), tick=tick, size_unit=1e-5)
    (exact,) = read(data(f"binance/{name}"), tick=tick, size_unit=fine)
    sizes = [c for c in exact.events.columns if "_sz_" in c]
    assert coarse.events.drop("price", "size", "side", *sizes).equals(
        exact.events.drop("price", "size", "side", *sizes)
    )
    for column in sizes:
        assert (coarse.events[column] * 10).equals(exact.events[column])


# --- real streams without their full book ----------------------------------------------------------------------------


def read_stream(path, tick, size_unit, *, with_book):
    lines = gzip.decompress(path.read_bytes()).splitlines(keepends=True)
    content = b"".join(line for line in lines if with_book or b'"lastUpdateId"' not in line)
    config = dataset(path, levels=5, tick=tick, size_unit=size_unit)
    (feed,) = binance.read_feeds([Blob("x", content)], config)
    return feed.events.filter(pl.col("action") != "T"), content


@pytest.mark.parametrize("market", slow_but_each(2, STREAMS, first=1))
def test_what_is_shown_without_a_full_book_is_the_book(data, market):
    name, tick, unit = STREAMS[market]
    path = data(f"binance/{name}")
    with_book, content = read_stream(path, tick, unit, with_book=True)
    without, _ = read_stream(path, tick, unit, with_book=False)
    columns = ["bid_px_00", "bid_sz_00", "ask_px_00", "ask_sz_00"]
    quotes = []
    for line in content.splitlines():
        m = orjson.loads(line.partition(b" ")[2]).get("data", {})
        if "B" in m:
            scales = ((k, 10**9 if k in "ba" else round(1 / unit)) for k in ("b", "B", "a", "A"))
            quotes.append([m["u"], *(round(float(m[k]) * scale) for k, scale in scales)])
    theirs = np.array(quotes)
    for events, count in ((with_book, {"usdm": 628, "spot": 557}), (without, {"usdm": 628, "spot": 555})):
        known = events.drop_nulls(columns)
        at = np.searchsorted(theirs[:, 0], known["sequence"].to_numpy(), side="right") - 1
        same = (at >= 0) & (theirs[at, 0] == known["sequence"].to_numpy())
        assert same.sum() == count[market]
        assert (known.select(columns).to_numpy()[same] == theirs[at[same], 1:]).all()
    both = with_book.join(without, on="sequence", suffix="_seen", maintain_order="left")
    assert both.height > 0.99 * with_book.height
    for m in range(5):
        for column in (f"{side}_{q}_{m:02d}" for side in ("bid", "ask") for q in ("px", "sz")):
            shown = both.filter(pl.col(f"{column}_seen").is_not_null())
            assert shown[column].equals(shown[f"{column}_seen"], check_names=False)
            assert shown.height > 0.8 * both.height


# --- T_DEPTH ---------------------------------------------------------------------------------------------------------

_HEADER = b"symbol,timestamp,first_update_id,last_update_id,side,update_type,price,qty\n"
_SNAP = b"X,1723161599999,10,10,a,snap,100.1,3.0\nX,1723161599999,10,10,b,snap,100.0,1.0\n"
_UPDATE = (
    b"X,1723161600001,12,14,b,set,100.0,0.000\nX,1723161600001,12,14,b,set,99.9,2\n"
    b"X,1723161600001,12,14,a,set,100.1,5\nX,1723161600002,20,21,a,set,100.1,4.5\n"
)
T_DEPTH = {"snap": _HEADER + _SNAP, "update": _HEADER + _UPDATE}


def write_t_depth(folder, parts=T_DEPTH):
    for part, content in parts.items():
        (folder / f"X_T_DEPTH_2024-08-09_depth_{part}.csv").write_bytes(content)
    return folder / "X_T_DEPTH_2024-08-09_depth_update.csv"


def check_t_depth(sessions):
    (s,) = sessions
    assert best(s) == [
        ("M", 100.0, 1000, 100.1, 3000),
        ("M", 99.9, 2000, 100.1, 5000),
        ("M", 99.9, 2000, 100.1, 4500),
    ]
    # The full book of the day before belongs to the session that follows.
    assert s.events["ts_event"].to_physical().to_list() == [(START + k) * 10**6 for k in (1, 1, 2)]
    assert s.events["sequence"].to_list() == [10, 14, 21]
    return s


def test_t_depth(tmp_path):
    path = write_t_depth(tmp_path)
    s = check_t_depth(read(path))
    assert s.quality.rows == 6
    assert s.quality.notes == ["the files have no column pu, so missing updates cannot be detected"]
    check_t_depth(read(path.with_name(path.name.replace("update", "snap"))))
    check_t_depth(read(tmp_path / "*.csv"))
    check_t_depth(read(write_t_depth(tmp_path, {p: c.replace(b",", b" , ") for p, c in T_DEPTH.items()})))
    write_t_depth(tmp_path)
    packed = tmp_path / "x.zip"
    with zipfile.ZipFile(packed, "w") as archive:
        for part, content in T_DEPTH.items():
            archive.writestr(f"d/x_depth_{part}.csv", content)
    check_t_depth(read(packed))
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for part, content in T_DEPTH.items():
            info = tarfile.TarInfo(f"../x_depth_{part}.csv")
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    (tmp_path / "x.tar.gz").write_bytes(buffer.getvalue())
    check_t_depth(read(tmp_path / "x.tar.gz"))


def test_t_depth_without_a_header_and_with_more_columns(tmp_path):
    bare = {part: content.partition(b"\n")[2] for part, content in T_DEPTH.items()}
    check_t_depth(read(write_t_depth(tmp_path, bare)))
    ids = {b"10,10": b"9", b"12,14": b"10", b"20,21": b"14"}

    def extend(content, gap=b""):
        head, *rows = content.splitlines()
        rows = [row + b"," + next(pu for key, pu in ids.items() if key in row) for row in rows]
        return b"\n".join([head + b",pu", *rows]).replace(b",14\n", gap or b",14\n") + b"\n"

    s = check_t_depth(read(write_t_depth(tmp_path, {p: extend(c) for p, c in T_DEPTH.items()})))
    assert s.quality.notes == []
    ids[b"20,21"] = b"17"
    (s,) = read(write_t_depth(tmp_path, {p: extend(c) for p, c in T_DEPTH.items()}))
    assert (best(s)[2], s.quality.kept["gap"]) == (("R", None, None, None, None), 1)


def test_t_depth_that_cannot_be_read(tmp_path):
    for old, new, what in (
        (b"12,14,b,set,99.9,2", b"12,14,c,set,99.9,2", r"line 3, column side: 'c' cannot be read"),
        (b"set,99.9,2", b"set,x,2", r"line 3, column price: 'x' is not a positive price"),
        (b"set,99.9,2", b"set,99.9,-2", r"line 3, column qty: '-2' is not a size"),
        (b"set,99.9,2", b"set,99.9,0.0005", r"line 3: the size '0\.0005' at '99\.9' .*size_unit=1e-04"),
        (b",qty", b",amount", "the column qty is missing"),
    ):
        with pytest.raises(DataError, match=what):
            read(write_t_depth(tmp_path, T_DEPTH | {"update": T_DEPTH["update"].replace(old, new, 1)}))
    path = write_t_depth(tmp_path)
    path.unlink()
    with pytest.raises(DataError, match=r"its update file X_T_DEPTH_2024-08-09_depth_update\.csv is not in the same"):
        READER.group_files([path.with_name(path.name.replace("update", "snap"))])
