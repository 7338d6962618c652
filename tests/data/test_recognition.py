"""A file is recognised by its head: the reader, the command, and the hint of a wrong dataset=."""

import gzip
import json
import re
import shlex
import subprocess
import sys
import zipfile

import pyarrow as pa
import pytest

from ofiml.cli.data import main
from ofiml.config import Policy
from ofiml.data.file_head import read_head
from ofiml.data.readers import READERS
from ofiml.data.recognition import describe_path, recognise_file, write_overrides
from ofiml.data.sessions import list_sources
from ofiml.errors import DataError
from tests.conftest import slow_but_each
from tests.data import test_itch, test_quotes, test_tardis
from tests.fuzzing.samples import samples
from tests.golden.test_aapl import file_dataset

SAMPLES = samples()
CANDIDATES = {"databento_parquet": "parquet"}  # in the event schema, which both readers read


def write(folder, files):
    folder.mkdir(exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)


def recognised(path):
    return [c for c in recognise_file(read_head(path)) if c.readable]


def test_every_own_reader_recognises_its_files():
    assert [name for name in READERS.list_own() if READERS[name].recognise is None] == []


OWN_NAMES = ["quotes_headless"]  # columns that nobody else calls so


@pytest.mark.parametrize("name", OWN_NAMES)
def test_columns_of_ones_own_names_are_not_guessed(tmp_path, name):
    sample = SAMPLES[name]
    write(tmp_path, sample.files())
    assert recognised(tmp_path / sample.given) == []


@pytest.mark.parametrize("name", slow_but_each(2, [name for name in SAMPLES if name not in OWN_NAMES]))
def test_every_format_is_recognised(tmp_path, name):
    sample = SAMPLES[name]
    write(tmp_path, sample.files())
    (first,) = recognised(tmp_path / sample.given)
    assert first.reader == CANDIDATES.get(name, sample.config(tmp_path / sample.given, Policy()).name)
    for file in sample.files():
        assert first.reader in [c.reader for c in recognise_file(read_head(tmp_path / file))]


@pytest.mark.parametrize("name", slow_but_each(3, [name for name, s in SAMPLES.items() if s.unpacks]))
@pytest.mark.parametrize("pack", [lambda c: gzip.compress(c), lambda c: pa.compress(c, "zstd", asbytes=True)])
def test_compression_hides_nothing(tmp_path, name, pack):
    sample = SAMPLES[name]
    (tmp_path / f"{sample.given}.gz").write_bytes(pack(sample.members[sample.given]))
    reader = sample.config(tmp_path / f"{sample.given}.gz", Policy()).name
    assert [c.reader for c in recognised(tmp_path / f"{sample.given}.gz")] == [reader]


@pytest.mark.parametrize("name", slow_but_each(5, SAMPLES))
def test_a_damaged_head_raises_nothing(tmp_path, name):
    for content in SAMPLES[name].files().values():
        for part in (content[: len(content) // 2], content[:9], content[::-1], b"\x00" * 64 + content, content[5:]):
            (tmp_path / "x.csv.gz").write_bytes(part)
            describe_path(str(tmp_path / "x.csv.gz"), "check")


OTHERS = [
    (b"", "empty"),
    (b"\n\n<!DOCTYPE html><html>404</html>", "a web page, such as the error page"),
    (b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
    (b"\x89HDF\r\n\x1a\n" + bytes(20), "HDF5: write the table as Parquet"),
    (b"\xd4\xc3\xb2\xa1" + bytes(20), "a packet capture"),
    (b"\x80\x04\x95" + bytes(20), "a pickle, which is never read"),
    (gzip.compress(b"x" * 5000)[:12], "a gzip file that is damaged, empty or locked"),
    (b"open,high,low,close\n1,2,3,4\n", "a table (CSV) with the columns open, high, low, close"),
    (b"hello\n", "text that no source writes; it starts with 'hello'"),
    (bytes(range(1, 60)), "binary, in a format that no source writes; it starts with the bytes 01 02"),
    (b"\x00\x05T\x00\x00\x00\x01" * 9, "Nasdaq ITCH of a version before 5.0: only version 5.0 is supported"),
    (b"34200.1,1,5,100,1000000,1\n" * 3, "name it as LOBSTER does"),
    ((test_tardis.TRADE_HEADER + "\nx\n").encode(), "tardis.dev's trades (CSV): give the book"),
]


@pytest.mark.parametrize(("content", "sentence"), OTHERS, ids=[s[:20] for _, s in OTHERS])
def test_what_no_reader_reads_is_named(tmp_path, content, sentence):
    path = tmp_path / "file"
    path.write_bytes(content)
    lines, readable = describe_path(str(path), "describe")
    assert not readable
    assert lines[0].startswith(f"{path} is ")
    assert sentence in lines[0]


def test_itch_without_lengths_is_itch(tmp_path):
    (tmp_path / test_itch.NAME).write_bytes(b"".join(m if isinstance(m, bytes) else bytes(m) for m in test_itch.DAY))
    (one,) = recognise_file(read_head(tmp_path / test_itch.NAME))
    assert (one.reader, "without the length" in one.recognition.what) == ("itch", True)


QUOTES = "Time;Symbol;Bid Price;Ask Price;Bid Size;Ask Size\n2024-01-16 14:30:00;X;100,00;100,01;1;2\n"


@pytest.mark.parametrize(
    ("header", "settings"),
    [
        ("DT,SYMBOL,BID,OFR,BIDSIZ,OFRSIZ", []),
        ("DT,BID,OFR,BIDSIZ,OFRSIZ,SYMBOL,EX", []),
        (
            "timestamp,local_timestamp,bid,ask,bid_qty,ask_qty",
            ["dataset.columns.time=timestamp", "dataset.columns.bid=bid", "dataset.columns.ask=ask",
             "dataset.columns.bid_size=bid_qty", "dataset.columns.ask_size=ask_qty",
             "+dataset.columns.received=local_timestamp", "~dataset.columns.symbol", "dataset.symbols=[NAME]"],
        ),
        (
            "Ticker|Time (UTC)|Bid Price|Offer Price|x",
            ["dataset.columns.time=COLUMN", "dataset.columns.bid=Bid Price", "dataset.columns.ask=Offer Price",
             "dataset.columns.bid_size=COLUMN", "dataset.columns.ask_size=COLUMN", "dataset.columns.symbol=Ticker"],
        ),
    ],
)  # fmt: skip
def test_columns_of_quotes_are_mapped(tmp_path, header, settings):
    (tmp_path / "q.csv").write_text(f"{header}\n")
    (one,) = recognise_file(read_head(tmp_path / "q.csv"))
    assert one.reader == "quotes"
    assert [s for s in one.recognition.settings if "=LOT" not in s and "TICK" not in s and "units" not in s] == settings


PRESETS = [
    ("ETHUSDT-bookTicker-2022-01-15.csv", "3831603310013,2474.3,4.7,2474.31,28.3,1705276800759,1705276800764\n" * 3,
     "binance_vision", ()),
    ("x.csv", "update_id,best_bid_price,best_bid_qty,best_ask_price,best_ask_qty,transaction_time,event_time\n",
     "binance_vision", ("dataset.symbols=[NAME]",)),
    ("x.csv", "DATE,TIME_M,EX,SYM_ROOT,SYM_SUFFIX,BID,BIDSIZ,ASK,ASKSIZ,QU_COND,QU_SEQNUM\n", "taq",
     ("dataset.exchange=EXCHANGE",)),
    ("x.csv", "date,time_m,sym_root,best_bid,best_bidsizshares,best_ask,best_asksizshares\n", "taq_nbbo", ()),
    ("x.csv", "time,bidPrice0,bidSize0,askPrice0,askSize0,bidPrice1,bidSize1,askPrice1,askSize1\n", "wide",
     ("dataset.columns.time=time", "dataset.columns.bid=bidPrice{level}", "dataset.columns.ask=askPrice{level}",
      "dataset.columns.bid_size=bidSize{level}", "dataset.columns.ask_size=askSize{level}", "dataset.symbols=[NAME]")),
]  # fmt: skip


@pytest.mark.parametrize(("name", "content", "dataset", "settings"), PRESETS)
def test_sources_with_a_preset_are_read_by_it(tmp_path, name, content, dataset, settings):
    (tmp_path / name).write_text(content)
    (one,) = recognise_file(read_head(tmp_path / name))
    assert (one.reader, one.recognition.dataset) == ("quotes", dataset)
    assert one.recognition.settings[: len(settings)] == settings
    assert write_overrides(one, "x")[0] == f"dataset={dataset}"


@pytest.mark.parametrize(
    ("columns", "reader", "what"),
    [
        ("symbol,timestamp,first_update_id,last_update_id,side,update_type,price,qty", "binance", "Binance's T_DEPTH"),
        (
            "exchange,symbol,timestamp,local_timestamp,ask_amount,ask_price,bid_price,bid_amount",
            "tardis",
            "best quotes",
        ),
    ],
)
def test_other_tables_of_known_sources(tmp_path, columns, reader, what):
    (tmp_path / "x.csv").write_text(f"{columns}\n")
    (one,) = recognise_file(read_head(tmp_path / "x.csv"))
    assert one.reader == reader
    assert what in one.recognition.what


def test_utf16_is_read(tmp_path):
    (tmp_path / "q.csv").write_bytes(f"{test_quotes.HEADER}\n".encode("utf-16"))
    assert recognise_file(read_head(tmp_path / "q.csv"))[0].reader == "quotes"


def test_describe_prints_a_command_that_reads_the_file(tmp_path, capsys):
    folder = tmp_path / "My Data [2024] (a=1)"
    write(folder, SAMPLES["databento_csv"].files())
    assert main(["describe", str(folder / "x.csv")]) == 0
    out = capsys.readouterr().out
    assert "x.csv is Databento's MBP-2 (CSV)" in out
    command = shlex.split(next(line for line in out.splitlines() if line.startswith("  ofiml data describe")))
    assert command[:3] == ["ofiml", "data", "describe"]
    assert main(["check", *command[3:], "dataset.store=null", "--json"]) == 0
    sessions = json.loads(capsys.readouterr().out)["sessions"]
    assert {s["symbol"] for s in sessions} == {"X", "Y"}


def test_describe_of_folders_and_of_nothing(tmp_path, capsys):
    write(tmp_path, SAMPLES["lobster_pair"].files() | SAMPLES["quotes"].files())
    assert main(["describe", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert "LOBSTER's message file" in out
    assert f"dataset=quotes dataset.path={tmp_path}/x.csv" in out
    assert main(["describe", str(tmp_path / "y.csv")]) == 2
    assert f"{tmp_path} has no file y.csv; near it: x.csv." in capsys.readouterr().err
    (tmp_path / "x.csv").write_bytes(b"")
    assert main(["check", str(tmp_path / "x.csv")]) == 1


def test_describe_loads_nothing_heavy(tmp_path):
    write(tmp_path, SAMPLES["databento_csv"].files())
    code = (
        "import sys; from ofiml.cli.data import main; main(['describe', sys.argv[1]]); "
        "print([m for m in ('polars', 'numba', 'pyarrow', 'exchange_calendars') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "x.csv")], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "[]"


# --- a wrong dataset= ------------------------------------------------------------------------------------------------

WRONG = [
    ("databento", "quotes", "x.csv looks like best quotes (CSV): use dataset=quotes dataset.path={path}."),
    ("databento", "databento_mbo_csv", "use dataset=databento_mbo"),
    ("databento", "algoseek", "x.csv looks like AlgoSeek's US Equity TAQ (CSV): use dataset=algoseek"),
    ("databento", "lobster_zip", "days.zip looks like LOBSTER's message and orderbook files in a zip: use dataset=lob"),
    ("databento_mbo", "databento_csv", "x.csv looks like Databento's MBP-2 (CSV): use dataset=databento dataset.path"),
    ("lobster", "databento_csv", "x.csv looks like Databento's MBP-2 (CSV): use dataset=databento"),
    ("lobster", "binance_stream", "x.txt looks like a recorded stream of Binance"),
    ("tardis", "binance_stream", "use dataset=binance"),
    ("itch", "databento_dbn", "x.dbn looks like Databento's MBP-10 as DBN: use dataset=databento"),
    ("binance", "tardis_incremental", "tardis.dev's incremental_book_L2 (CSV, gzip): use dataset=tardis"),
    ("algoseek", "parquet", "x.parquet looks like Parquet in the event schema, 3 levels: use dataset=parquet"),
    ("parquet", "databento_csv", "use dataset=databento"),
]


@pytest.mark.parametrize(("reader", "name", "sentence"), WRONG, ids=[f"{r}-{n}" for r, n, _ in WRONG])
def test_the_error_of_a_wrong_reader_ends_with_the_right_one(tmp_path, reader, name, sentence):
    sample = SAMPLES[name]
    write(tmp_path, sample.files())
    given = tmp_path / sample.given
    dataset = file_dataset(reader, given)
    if reader == "algoseek":
        dataset = SAMPLES["algoseek"].config(given, Policy())
    with pytest.raises(DataError, match=re.escape(sentence.replace("{path}", str(given)))) as error:
        [s for source in list_sources(dataset) for s in source()]
    assert "\n" not in str(error.value)


def test_the_right_reader_gets_no_hint(tmp_path):
    header, *rows = SAMPLES["databento_csv"].members["x.csv"].decode().splitlines()
    (tmp_path / "x.csv").write_text("\n".join([header, rows[0].replace("10.01", "ten"), *rows[1:]]))
    with pytest.raises(DataError, match="column price: 'ten'") as error:
        [s for source in list_sources(file_dataset("databento", tmp_path / "x.csv")) for s in source()]
    assert "looks like" not in str(error.value)


def test_a_web_page_is_named_as_such(tmp_path):
    (tmp_path / "x.csv").write_text("<!DOCTYPE html>\n<html><body>Not found</body></html>\n")
    with pytest.raises(DataError, match=r"x\.csv looks like a web page, such as the error page of a download"):
        [s for source in list_sources(file_dataset("databento", tmp_path / "x.csv")) for s in source()]


def test_an_archive_of_one_file_is_recognised_by_that_file(tmp_path):
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr("a/b.csv", f"{test_quotes.HEADER}\n")
    (one,) = recognise_file(read_head(tmp_path / "x.zip"))
    assert (one.reader, one.recognition.what) == ("quotes", "best quotes (CSV, zip)")
    assert write_overrides(one, "a b.zip")[1] == "'dataset.path=a b.zip'"
