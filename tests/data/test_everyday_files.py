"""Tables as users bring them: described with the command that reads them, read with its values, or refused with the
cause and a remedy that works.
"""

import re
import shlex
import zipfile

import numpy as np
import polars as pl
import pytest

from ofiml.config import files
from ofiml.data.recognition import describe_path
from ofiml.data.sessions import list_sources
from ofiml.errors import DataError
from ofiml.overrides.text_values import quote_text_values

START = 1_704_292_200_000_000_000  # 2024-01-03 14:30 UTC
COUNT = 40
STAMPS = [START + 23_000_000_000 * i + 123_456_000 for i in range(COUNT)]
BIDS = [f"{185 + i % 7 / 100:.2f}" for i in range(COUNT)]
ASKS = [f"{185.02 + i % 5 / 50 + i % 7 / 100:.2f}" for i in range(COUNT)]
SIZES = [1 + i % 9 for i in range(COUNT)]
HEADER = "timestamp,symbol,bid,ask,bid_size,ask_size"
WORDS = {"NAME": "AAPL", "LOT": "1", "STEP_SIZE": "1", "TICK_SIZE": "0.01"}


def row(i):
    return f"{STAMPS[i]},AAPL,{BIDS[i]},{ASKS[i]},{SIZES[i]},{SIZES[-1 - i]}"


def table(header=HEADER, make=row, end="\n"):
    return end.join([header, *map(make, range(COUNT))]) + end


def write(path, content):
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def describe(path):
    return describe_path(str(path), "check")


def read(configure, path, *more):
    """Read a path with the command that its description prints."""
    lines, readable = describe(path)
    assert readable
    (command,) = (line for line in lines if line.startswith("  ofiml data check "))
    overrides = shlex.split(command)[3:]
    overrides = [
        re.sub(r"(=\[?)(\w+)(\]?)$", lambda m: m[1] + WORDS.get(m[2], m[2]) + m[3], override) for override in overrides
    ]
    dataset = configure(*quote_text_values([*overrides, *more])).dataset
    return [session for source in list_sources(dataset) for session in source()]


def is_true(session, unit=1):
    """Whether the session has the values of the table."""
    events = session.events
    return (
        events["bid_px_00"].to_list() == [round(float(bid) * 1e9) for bid in BIDS]
        and events["ask_px_00"].to_list() == [round(float(ask) * 1e9) for ask in ASKS]
        and events["bid_sz_00"].to_list() == SIZES
        and events["ask_sz_00"].to_list() == SIZES[::-1]
        and all(abs(a - b) < unit for a, b in zip(events["ts_event"].to_physical().to_list(), STAMPS, strict=True))
    )


def local(i, form):
    return pl.select(pl.lit(STAMPS[i]).cast(pl.Datetime("ns")).dt.strftime(form)).item()


def refinitiv(i):
    stamp = local(i, "%Y-%m-%dT%H:%M:%S%.9fZ")
    return f"AAPL,Market Price,{stamp},-5,Quote,{BIDS[i]},{SIZES[i]},{ASKS[i]},{SIZES[-1 - i]}"


def several_levels(i):
    levels = ",".join(f"{float(BIDS[i]) - m:.2f},{SIZES[i]},{float(ASKS[i]) + m:.2f},{SIZES[-1 - i]}" for m in (0, 1))
    return f"{STAMPS[i]},AAPL,{levels}"


READABLE = {
    "the short names of an API": table(
        "t,ax,ap,as,bx,bp,bs,S", lambda i: f"{STAMPS[i]},Q,{ASKS[i]},{SIZES[-1 - i]},P,{BIDS[i]},{SIZES[i]},AAPL"
    ),
    "a header that begins with #": table(
        "#RIC,Domain,Date-Time,GMT Offset,Type,Bid Price,Bid Size,Ask Price,Ask Size", refinitiv
    ),
    "quotes and spaces in the header": "\ufeff"
    + table(
        '"TIMESTAMP" , "SYMBOL", "BID PRICE" ,"ASK PRICE","BID SIZE","ASK SIZE"',
        lambda i: ",".join(f'"{cell}"' for cell in row(i).split(",")),
        "\r\n",
    ).rstrip(),
    "a space before quotes": table(HEADER.replace(",", ", "), lambda i: row(i).replace(",AAPL", ', "AAPL"')),
    "date and time of day apart": table(
        "Date;Time;Symbol;Bid;Ask;BidSize;AskSize",
        lambda i: local(i, "%Y-%m-%d;%H:%M:%S%.9f;") + ";".join(row(i).split(",")[1:]),
    ),
    "numbered short names": table("datetime,code,bp1,bv1,ap1,av1,bp2,bv2,ap2,av2", several_levels),
    "numbers in brackets": table(
        "ts,symbol," + ",".join(f"bids[{m}].price,bids[{m}].amount,asks[{m}].price,asks[{m}].amount" for m in (0, 1)),
        several_levels,
    ),
}


@pytest.mark.parametrize("name", list(READABLE))
def test_the_printed_command_reads_it(tmp_path, configure, name):
    (session,) = read(configure, write(tmp_path / "q.csv", READABLE[name]), "dataset.calendar=XNYS")
    assert session.symbol == "AAPL"
    assert is_true(session)


def test_a_parquet_whose_times_are_the_index_of_pandas(tmp_path, configure):
    import pandas as pd

    columns = {"symbol": ["AAPL"] * COUNT, "bid": map(float, BIDS), "ask": map(float, ASKS), "bid_size": SIZES,
               "ask_size": np.array(SIZES[::-1], np.int32)}  # fmt: skip
    pd.DataFrame({k: list(v) for k, v in columns.items()}, index=pd.to_datetime(STAMPS)).to_parquet(tmp_path / "q.pq")
    (session,) = read(configure, tmp_path / "q.pq")
    assert is_true(session)


def test_documents_beside_data_are_not_read(tmp_path, configure):
    lines = table().splitlines(keepends=True)
    write(tmp_path / "q" / "a.csv", "".join(lines[:20]))
    write(tmp_path / "q" / "b.csv", lines[0] + "".join(lines[20:]))
    for name in ("README.md", "LICENSE", "readme.txt", "guide.PDF", "a.csv.md5"):
        write(tmp_path / "q" / name, "text\n")
    assert [path.name for path in files(str(tmp_path / "q"))] == ["a.csv", "b.csv"]
    assert files(str(tmp_path / "q" / "README.md"))  # what is named is meant
    (session,) = read(configure, tmp_path / "q")
    assert is_true(session)
    # Any other file is described, and the command names those of its kind only.
    write(tmp_path / "q" / "notes.txt", "text\n")
    lines, readable = describe(tmp_path / "q")
    assert not readable
    assert any(f"'dataset.path={tmp_path}/q/*.csv'" in line for line in lines)
    write(tmp_path / "q" / "z.csv", "text\n")  # no glob tells these apart
    lines, _ = describe(tmp_path / "q")
    assert any(f"dataset.path={tmp_path}/q/a.csv " in line for line in lines)


def test_the_files_of_a_zip_are_joined_to_one_session(tmp_path, configure):
    lines = table().splitlines(keepends=True)
    with zipfile.ZipFile(tmp_path / "q.zip", "w") as archive:
        archive.writestr("days/a.csv", "".join(lines[:20]))
        archive.writestr("days/b.csv", lines[0] + "".join(lines[20:]))
        archive.writestr("days/README.txt", "text")
    (session,) = read(configure, tmp_path / "q.zip")
    assert is_true(session)
    assert any(note.startswith("joined from 2 files") for note in session.quality.notes)


@pytest.mark.parametrize("word", ["\\N", "-", "N/A", "None"])
def test_words_for_a_missing_side(tmp_path, configure, word):
    def make(i):
        return row(i) if i != 5 else f"{STAMPS[5]},AAPL,{BIDS[5]},{word},{SIZES[5]},{word}"

    (session,) = read(configure, write(tmp_path / "q.csv", table(make=make)))
    assert session.events["ask_px_00"].is_null().arg_true().to_list() == [5]
    assert session.quality.kept["one_sided"] == 1


@pytest.mark.parametrize(
    ("form", "sentence"),
    [
        ("%d.%m.%Y %H:%M:%S%.3f", 'time_format="%d.%m.%Y %H:%M:%S%.f"'),
        ("%m/%d/%Y %I:%M:%S %p", '…"%m/%d/%Y %I:%M:%S%.f %p"'),
        ("%d-%m-%y %H:%M:%S", 'time_format="%d-%m-%y %H:%M:%S%.f"'),
        ("%d/%m/%YT%H:%M:%S", 'time_format="%d/%m/%YT%H:%M:%S%.f"'),
    ],
)
def test_the_format_in_the_error_reads_the_dates(tmp_path, configure, form, sentence):
    path = write(tmp_path / "q.csv", table(make=lambda i: local(i, form) + row(i)[19:]))
    with pytest.raises(DataError, match=r"does not tell the day from the month") as error:
        read(configure, path)
    assert sentence in str(error.value)
    remedy = re.search(r'"[^"]*"$', sentence)[0]
    (session,) = read(configure, path, f"dataset.time_format={remedy}")
    assert is_true(session, unit=1_000_000_000)


def test_a_date_whose_first_number_is_a_day(tmp_path, configure):
    path = write(tmp_path / "q.csv", table(make=lambda i: f"25.12.2023 14:30:{i:02d}" + row(i)[19:]))
    with pytest.raises(DataError, match=r"does not begin with the year\. Set 'dataset\.time_format=\"%d\.%m\.%Y %H"):
        read(configure, path)


REFUSED = {
    "an abbreviated zone": (
        table(make=lambda i: local(i, "%Y-%m-%d %H:%M:%S EST") + row(i)[19:]),
        r"EST is an abbreviation, which several zones may share\. Remove it from the times and set dataset\.time_zone",
    ),
    "two units of time": (
        table(make=lambda i: row(i) if i > 30 else f"{STAMPS[i] // 1000}{row(i)[19:]}"),
        r"line 33, column timestamp: .* Its unit is another than in most rows\. Write all times in one unit",
    ),
    "bid and ask exchanged": (
        table("timestamp,symbol,ask,bid,ask_size,bid_size"),
        r"crossed \(40 such rows\)\. Bid and ask seem to be exchanged: exchange their columns",
    ),
    "zero bytes at the end": (
        table() + "\0" * 4096,
        r"line 42, column timestamp: '\\x00.{0,40}…' .*It has zero bytes, as where a file was not written to its end",
    ),
}


@pytest.mark.parametrize("name", list(REFUSED))
def test_the_cause_of_an_error(tmp_path, configure, name):
    content, sentence = REFUSED[name]
    with pytest.raises(DataError, match=sentence) as error:
        read(configure, write(tmp_path / "q.csv", content))
    assert "unreadable=drop" not in str(error.value) or name == "zero bytes at the end"


DESCRIBED = {
    "ticks.csv": (
        table(
            "<DATE>\t<TIME>\t<BID>\t<ASK>\t<LAST>\t<VOLUME>", lambda i: local(i, "%Y.%m.%d\t%T\t") + f"{BIDS[i]}\t1\t\t"
        ),
        "it has no sizes of the quotes, which order flow needs",
    ),
    "DAT_EURUSD.csv": (
        "\n".join(local(i, "%Y%m%d %H%M%S000,") + f"{BIDS[i]},{ASKS[i]},0" for i in range(COUNT)),
        "a table (CSV) of 4 columns without their names",
    ),
    "okx.jsonl": (
        '{"arg":{"channel":"books","instId":"X"},"data":[{"asks":[["1","2"]],"bids":[],"ts":"1"}]}\n',
        "JSON messages of a kind that no reader reads: write their books as a wide table",
    ),
    "page.csv": ("<html><body>404</body></html>\n", "a web page"),
}


@pytest.mark.parametrize("name", list(DESCRIBED))
def test_what_cannot_be_read_is_named(tmp_path, name):
    content, what = DESCRIBED[name]
    lines, readable = describe(write(tmp_path / name, content))
    assert not readable
    assert what in lines[0]


def test_a_workbook_is_no_archive_to_unpack(tmp_path):
    with zipfile.ZipFile(tmp_path / "q.xlsx", "w") as archive:
        for name in ("[Content_Types].xml", "xl/workbook.xml", "xl/worksheets/sheet1.xml"):
            archive.writestr(name, "<x/>")
    lines, readable = describe(tmp_path / "q.xlsx")
    assert not readable
    assert "an Office document, such as an Excel workbook: save its sheet as CSV first" in lines[0]
