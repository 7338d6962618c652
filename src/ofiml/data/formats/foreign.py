"""Formats of order-book data that no reader reads, recognised so that an error can name them.

Packet captures: IEX gives its DEEP and TOPS feeds as pcap files. Of the packages on PyPI, iex-parser (last release
1.7.0, January 2022) and iex-cppparser (1.0.3, July 2024) read them; neither is maintained, so there is no reader.

FI-2010 (Ntakaris et al. 2018, arXiv 1705.03233): 149 rows, of which 40 are the prices and sizes of ten levels, 104
features of them, and 5 labels; a column is a sample of ten events. Copies have the samples as rows.
"""

import re

_CAPTURES = (b"\xd4\xc3\xb2\xa1", b"\xa1\xb2\xc3\xd4", b"\x4d\x3c\xb2\xa1", b"\xa1\xb2\x3c\x4d", b"\x0a\x0d\x0d\x0a")
# The head of IEX's transport: version 1, a reserved byte, the protocol of the messages, channel 1.
_IEX_HEAD, _IEX_CHANNEL = b"\x01\x00", b"\x80\x01\x00\x00\x00"
_IEX_FEEDS = {b"\x03": "TOPS", b"\x04": "DEEP", b"\x05": "DEEP+"}

_OTHERS = {
    b"<!doctype html": "a web page, such as the error page of a download: fetch the file again",
    b"<html": "a web page, such as the error page of a download: fetch the file again",
    b"version https://git-lfs": "a pointer of Git LFS, not the file itself: run git lfs pull",
    b"\x89HDF": "HDF5: write the table as Parquet or CSV first, as pandas.read_hdf(…).to_parquet(…) does",
    b"ARROW1\0": "an Arrow (Feather) file: write it as Parquet first, as polars.read_ipc(…).write_parquet(…) does",
    b"SQLite format 3": "an SQLite database: write the table as Parquet or CSV first",
    b"\x93NUMPY": "a NumPy array (npy): write the table as Parquet or CSV first",
    b"\xd0\xcf\x11\xe0": "an Excel workbook: save the sheet as CSV first",
    b"%PDF": "a PDF, which holds no data that can be read",
    b"\x80\x04": "a pickle, which is never read, because it can run any code: write the table as Parquet instead",
    b"\x80\x05": "a pickle, which is never read, because it can run any code: write the table as Parquet instead",
    b"MATLAB 5": "a MATLAB file: write the table as Parquet or CSV first",
    b"RDX2\n": "an R data file: write the table as Parquet or CSV first",
    b"RDX3\n": "an R data file: write the table as Parquet or CSV first",
}

_BOOK_KEY = rb'"(bids|asks|b|a|changes|levels|l2update|orderbook|book|data)"\s*:\s*\['
_MESSAGE = re.compile(rb"\s*(\d{10,19}\s+)?\{[^\n]*" + _BOOK_KEY)

_FI2010_VALUE = rb"\s*-?\d\.\d{3,}e[+-]\d\d"
_FI2010_TEXT = re.compile(_FI2010_VALUE + rb"(\s+-?\d\.\d{3,}e[+-]\d\d){60}")
_FI2010_ROWS = 149
_NORMALISATIONS = {"zscore": "by z-score", "minmax": "by minimum and maximum", "decpre": "by decimal precision"}


def describe_foreign(name: str, head: bytes) -> str | None:
    """Describe a file whose format no reader reads, by its name and its first bytes; None for any other."""
    if head.startswith(_CAPTURES):
        return _describe_capture(head)
    start = head[:64].lstrip().lower()
    for magic, what in _OTHERS.items():
        if start.startswith(magic.lower()):
            return what
    if _MESSAGE.match(head):
        return (
            "JSON messages of a kind that no reader reads: write their books as a wide table (dataset=wide), or as "
            "lines of ccxt (dataset=ccxt)"
        )
    if head[257:262] == b"ustar":
        return "a tar archive: unpack it first"
    if is_fi2010(head):
        kind = find_normalisation(name)
        return (
            f"FI-2010, with prices and sizes normalised{' ' * bool(kind)}{kind}: it has one sample for ten events of "
            "five stocks that follow each other without a mark, and neither times nor trades, so no order flow, bar, "
            "spread or cost can be computed from it; it only serves to compare models on its own labels, which "
            "scripts/fi2010.py does with the published text files (docs/data.md)"
        )
    return None


def _describe_capture(head: bytes) -> str:
    for feed, name in _IEX_FEEDS.items():
        if _IEX_HEAD + feed + _IEX_CHANNEL in head:
            return (
                f"a packet capture (pcap) of IEX {name}, which no reader reads: convert its price levels to Parquet in "
                "the event schema (docs/event-schema.md), then use dataset=parquet"
            )
    return (
        "a packet capture (pcap), which no reader reads: extract the messages from its packets (ITCH: each with its "
        "length before it, or as they follow each other)"
    )


def find_normalisation(name: str) -> str:
    """Return how an FI-2010 file is normalised, by its name, as in `by z-score`; empty if the name does not tell."""
    return next((text for word, text in _NORMALISATIONS.items() if word in name.lower()), "")


def is_fi2010(head: bytes) -> bool:
    """Return whether the file is FI-2010 as published, or a CSV with its samples as rows."""
    if _FI2010_TEXT.match(head):
        return True
    lines = head.split(b"\n", 2)
    if len(lines) < 3 or head[:1] in b"{[":
        return False
    first, second = ([c.strip().strip(b'"') for c in line.split(b",")] for line in lines[:2])
    if len(first) not in (_FI2010_ROWS, _FI2010_ROWS + 1) or len(second) != len(first):
        return False
    labels = second[-5:]
    names = first[-_FI2010_ROWS:]
    is_header = names == [str(i).encode() for i in range(_FI2010_ROWS)]
    is_row = all(re.fullmatch(rb"-?\d+(\.\d*)?(e[+-]?\d+)?", cell) for cell in names)
    return (is_header or is_row) and all(re.fullmatch(rb"[123](\.0*)?(e[+]?0+)?", label) for label in labels)
