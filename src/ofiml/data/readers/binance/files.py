"""The files of an input of Binance: a stream, a full book with its updates, or T_DEPTH, packed or not."""

from collections.abc import Iterator, Sequence

from ofiml.config import FileDataset
from ofiml.data.feed import Blob, Feed
from ofiml.data.formats.archives import unpack_all
from ofiml.data.readers.binance import streams, t_depth
from ofiml.errors import DataError

_MAX_FILES = 10  # of an archive, which is one input


def read_feeds(files: Sequence[Blob], dataset: FileDataset) -> Iterator[Feed]:
    """Yield each symbol's events; see `streams.read_feeds` and `t_depth.read_feeds`.

    Raises DataError for an archive of several files that are not T_DEPTH.
    """
    unpacked = [part for file in files for part in unpack_all(file, most=_MAX_FILES)]
    if all(t_depth.is_t_depth(part.content) for part in unpacked):
        return t_depth.read_feeds(unpacked, dataset)
    if len(unpacked) > len(files):
        names = ", ".join(part.name for part in unpacked[:5])
        raise DataError(f"{files[0].name} contains several files ({names:.200}): unpack it.")
    return streams.read_feeds(unpacked, dataset)
