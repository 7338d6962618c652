"""LOBSTER: message and orderbook files (https://lobsterdata.com/info/DataStructure.php), in archives or as CSV files.

Messages without an orderbook file have a book built from them, which lacks what the file leaves out.
Symbol, date and hours come from the file name. A row's time is seconds after exchange midnight, its price dollars times
10,000. LOBSTER has one clock: `ts_recv` equals `ts_event`. Each row is one message.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ofiml.config import FileDataset
from ofiml.data.readers import Groups, Reader
from ofiml.errors import DataError

if TYPE_CHECKING:
    from ofiml.data.feed import Blob, Feed


def group_files(paths: Sequence[Path]) -> Groups:
    """Archives alone, message files with their orderbook files where they have them, which a glob may match as well.

    Of several files, those that are neither are passed over, as what else lies in a folder. Raises DataError where no
    file is left, for an orderbook file without its messages, and for a lone file that is neither.
    """
    from ofiml.data.formats.archives import SUFFIXES

    found = []
    for path in paths:
        if path.suffix.lower() in SUFFIXES:
            found.append([path])
        elif "_message_" in path.name:
            book = path.with_name(path.name.replace("_message_", "_orderbook_"))
            found.append([path, book] if book.is_file() else [path])
        elif "_orderbook_" in path.name:
            message = path.with_name(path.name.replace("_orderbook_", "_message_"))
            if message not in paths:
                raise DataError(f"{path.name}: add its message file, {message.name}.")
    if not found:
        raise DataError(
            f"{paths[0].name}: give the zip, the 7z, the message file (…_message_N.csv), or a folder of them. "
            "Databento's CSV: dataset=databento."
        )
    return found


def read_feeds(files: Sequence["Blob"], dataset: FileDataset) -> Iterator["Feed"]:
    """See `days.read_feeds`."""
    from ofiml.data.readers.lobster import days

    return days.read_feeds(files, dataset)


READER = Reader(
    name="lobster",
    config=FileDataset,
    read_feeds=read_feeds,
    description="LOBSTER message and orderbook files: zip, 7z, folder or CSV",
    group_files=group_files,
)
