"""Files whose format no reader reads: packet captures, and FI-2010."""

import gzip
import struct

import numpy as np
import pytest

from ofiml.config import Policy
from ofiml.data.formats.foreign import describe_foreign
from ofiml.data.sessions import list_sources
from ofiml.errors import DataError
from tests.conftest import slow_but_each
from tests.data.test_quotes import config as quotes_config
from tests.golden.test_aapl import file_dataset


def iex(protocol, *, magic=b"\x0a\x0d\x0d\x0a"):
    """A capture with one packet of IEX's transport, as its layout says: 40 bytes of head."""
    head = struct.pack("<BBHIIHHqqq", 1, 0, protocol, 1, 7, 0, 0, 0, 1, 1_600_000_000 * 10**9)
    return magic + bytes(60) + b"E" + bytes(41) + head


def fi2010(samples=300):
    """The file as published: 149 rows of numbers with spaces between them."""
    rng = np.random.default_rng(1)
    values = np.vstack([rng.standard_normal((144, samples)), rng.integers(1, 4, (5, samples))])
    return "".join("   " + "   ".join(f"{v:.7e}" for v in row) + "\n" for row in values).encode(), values


def read(name, path):
    config = quotes_config(path) if name == "quotes" else file_dataset(name, path, policy=Policy())
    return [s for source in list_sources(config) for s in source()]


@pytest.mark.parametrize("dataset", ["databento", "quotes", "tardis", "algoseek", "itch"])
@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (iex(0x8004), r"is a packet capture \(pcap\) of IEX DEEP, which no reader reads: .*dataset=parquet"),
        (iex(0x8003, magic=b"\xd4\xc3\xb2\xa1"), r"is a packet capture \(pcap\) of IEX TOPS"),
        (b"\xa1\xb2\xc3\xd4" + bytes(100), r"is a packet capture \(pcap\), which no reader reads"),
    ],
)
def test_captures(tmp_path, dataset, content, sentence):
    for pack in (bytes, gzip.compress):
        path = tmp_path / "20180127_IEXTP1_DEEP1.0.pcap.gz"
        path.write_bytes(pack(content))
        if dataset != "itch" or "IEX" in sentence:
            with pytest.raises(DataError, match=sentence):
                read(dataset, path)


@pytest.mark.parametrize("dataset", slow_but_each(2, ["databento", "quotes", "tardis", "algoseek"]))
@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("Train_Dst_NoAuction_ZScore_CF_7.txt", "by z-score"),
        ("Test_Dst_NoAuction_DecPre_CF_9.txt", "by decimal precision"),
        ("Train_Dst_Auction_MinMax_CF_1.txt", "by minimum and maximum"),
        ("mine.txt", "normalised"),
    ],
)
def test_fi2010_as_published(tmp_path, dataset, name, kind):
    path = tmp_path / name
    path.write_bytes(fi2010()[0])
    with pytest.raises(
        DataError, match=rf"{name} is FI-2010, with prices and sizes normalised.*{kind}|{kind}.*no order"
    ):
        read(dataset, path)


@pytest.mark.parametrize("header", [True, False])
@pytest.mark.parametrize("index", [True, False])
def test_fi2010_with_samples_as_rows(tmp_path, header, index):
    values = fi2010(20)[1].T
    lines = [",".join([str(i)] * index + [repr(float(v)) for v in row]) for i, row in enumerate(values)]
    names = ",".join([""] * index + [str(i) for i in range(149)])
    path = tmp_path / "train.csv"
    path.write_text("\n".join([names] * header + lines) + "\n")
    with pytest.raises(DataError, match=r"train\.csv is FI-2010"):
        read("quotes", path)


def test_other_files_are_not_foreign():
    lines = [",".join(str(i) for i in range(149)), ",".join("7" * 149)]
    for text in ("", "a,b\n1,2\n", "1.5 2.5\n", "\n".join([*lines, ""]), "1.0000000e-01 " * 20 + "\n"):
        assert describe_foreign("x", text.encode()) is None
