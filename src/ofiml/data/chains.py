"""Which files may share a session, and which of them are read as one stream so that the book is carried over."""

import datetime as dt
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path

from ofiml.config import FileDataset
from ofiml.data import calendar
from ofiml.data.cutting import OutsideHoursError
from ofiml.data.ends import End, find_end, read_beginning
from ofiml.data.quality import BadFile, make_bad_file
from ofiml.data.readers import READERS, Groups
from ofiml.data.schema import Session
from ofiml.errors import DataError
from ofiml.units import SECOND

_GRACE = 60 * SECOND  # a file that begins so soon after a session does not continue it
# A stream is in memory as a whole, so a longer one is cut; the bytes of a packed file count several times.
_MAX_STREAM_BYTES, _PACKED_WEIGHT = 4 << 30, 8
_PACKED_SUFFIXES = (".gz", ".zst", ".zip")


@dataclass(frozen=True, slots=True)
class Stream:
    """Inputs that are read as one; `lost`: events between them and the ones before may be missing."""

    inputs: Groups
    lost: bool = False


@dataclass(slots=True)
class Reading:
    """What was found while the streams of a chain are read: the errors, the inputs left out, the losses so far.

    `outside` has the errors of inputs without an event in the sessions' hours.
    """

    outside: list[OutsideHoursError] = field(default_factory=list)
    errors: list[DataError | OSError] = field(default_factory=list)
    bad_files: list[BadFile] = field(default_factory=list)
    losses: int = 0


def chain_inputs(groups: Groups, dataset: FileDataset) -> list[Groups]:
    """Put inputs that may share a session into one chain, in order of their first events.

    An input continues the last one of its symbols if its first event lies inside a session that began more than a
    minute earlier, and that the last one reaches. An input whose ends cannot be read is assumed to continue. One
    without an event in a session, such as an hour before the open, belongs to the others of its day. If the reader's
    chain crosses days, an input that does not begin anew continues the last one that ends so soon before it. An input
    that does not name its symbol belongs to the one before it, and to one that begins so soon after it.
    """
    if len(groups) < 2 or READERS[dataset.name].whole_days:
        return [[group] for group in groups]
    firsts = [find_end(group, dataset, last=False) for group in groups]
    known = [first.stamp for first in firsts if first is not None]
    if len(known) == len(groups):
        order = sorted(range(len(groups)), key=lambda k: known[k])
        groups, firsts = [groups[k] for k in order], [firsts[k] for k in order]
    chains: list[Groups] = []
    of_symbol: dict[str, Groups] = {}  # the last chain of each symbol
    unknown: list[Groups] = []  # the last chain, if its end has unknown symbols
    ordered = len(known) == len(groups)
    outside = [ordered and _is_outside(k, groups, firsts, dataset) for k in range(len(groups))]
    places = {id(group): k for k, group in enumerate(groups)}

    def belongs(chain: Groups, k: int) -> bool:
        if outside[k] or outside[places[id(chain[-1])]]:
            return _is_same_day(find_end(chain[-1], dataset, last=True), firsts[k])
        return _continues_session(chain[-1], firsts[k], dataset) or _continues_book(chain[-1], groups[k], dataset)

    for k, (group, first) in enumerate(zip(groups, firsts, strict=True)):
        named = first is not None and bool(first.symbols)
        before = [*([] if first is None else [of_symbol[s] for s in sorted(first.symbols) if s in of_symbol]), *unknown]
        before = before if named else chains[-1:]
        chain = next((chain for chain in before if belongs(chain, k)), None)
        if chain is None:
            chain = []
            chains.append(chain)
        chain.append(group)
        of_symbol |= dict.fromkeys(first.symbols if first and named else of_symbol, chain)
        unknown = [] if named else [chain]
    return chains


def _continues_session(before: list[Path], first: End | None, dataset: FileDataset) -> bool:
    """Return whether an input whose first event is `first` may continue a session of the input `before`."""
    if first is None:
        return True
    nameless = not first.symbols or _is_nameless(before, dataset)
    if nameless and (end := find_end(before, dataset, last=True)) is not None and first.stamp <= end.stamp + _GRACE:
        return True
    windows = calendar.list_windows(first.calendar, dataset.hours, first.stamp, first.stamp)
    opens = [window.open for window in windows if window.open + _GRACE < first.stamp <= window.close]
    if not opens:
        return False
    last = find_end(before, dataset, last=True)
    return last is None or last.stamp >= opens[0]


def _is_nameless(group: list[Path], dataset: FileDataset) -> bool:
    end = find_end(group, dataset, last=True)
    return end is not None and not end.symbols


def _continues_book(before: list[Path], group: list[Path], dataset: FileDataset) -> bool:
    """Return whether an input that states no book of its own follows another so soon that it needs that one's book."""
    chain = READERS[dataset.name].chain
    if chain is None or not chain.crosses_days or _begins_anew(group, dataset):
        return False
    pause = measure_pause(before, group, dataset)
    return pause is not None and 0 <= pause <= _GRACE


def _begins_anew(group: list[Path], dataset: FileDataset) -> bool:
    """Return whether an input states its own book; False where its beginning cannot be read."""
    chain = READERS[dataset.name].chain
    if chain is None or chain.begins_anew is None:
        return False
    beginnings = [blob for path in group if (blob := read_beginning(path)) is not None]
    return bool(beginnings) and chain.begins_anew(beginnings, dataset)


def _is_outside(k: int, groups: Groups, firsts: list[End | None], dataset: FileDataset) -> bool:
    """Return whether no event of input `k` lies in a session's hours; inputs are in order of their first events.

    A packed file must be unpacked for its last event, so that is asked for only if the next input begins on the same
    day, or before the next session: files of whole days do not.
    """
    first = firsts[k]
    if first is None or _has_session(first, first.stamp, dataset):
        return False
    following = next((f for f in firsts[k + 1 :] if f is not None and f.symbols & first.symbols), None)
    if following is not None and _has_session(first, following.stamp, dataset) and not _is_same_day(first, following):
        return False
    last = find_end(groups[k], dataset, last=True)
    return last is not None and not _has_session(first, last.stamp, dataset)


def _has_session(first: End, until: int, dataset: FileDataset) -> bool:
    windows = calendar.list_windows(first.calendar, dataset.hours, first.stamp, until)
    return any(window.open <= until and window.close >= first.stamp for window in windows)


def _is_same_day(one: End | None, other: End | None) -> bool:
    """Return whether two events are on one day of their exchange."""
    if one is None or other is None:
        return False
    zone = calendar.find_time_zone(other.calendar)
    days = {dt.datetime.fromtimestamp(end.stamp // SECOND, zone).date() for end in (one, other)}
    return len(days) == 1


def split_streams(inputs: Groups, dataset: FileDataset) -> list[Stream]:
    """Split a chain into streams: inputs that the reader can read as one, with the book carried from each to the next.

    A new stream begins with an input that states its own book, that overlaps the one before, or that would make the
    stream too large for memory.
    """
    chain = READERS[dataset.name].chain
    if chain is None:
        return [Stream([group]) for group in inputs]
    streams = [Stream([inputs[0]])]
    size = _weigh(inputs[0])
    for before, group in pairwise(inputs):
        anew = _begins_anew(group, dataset)
        overlaps = not chain.drops_overlap and (measure_pause(before, group, dataset) or 0) < 0
        size += _weigh(group)
        if anew or overlaps or size > _MAX_STREAM_BYTES:
            streams.append(Stream([group], lost=not anew and not overlaps))
            size = _weigh(group)
        else:
            streams[-1].inputs.append(group)
    return streams


def measure_pause(before: list[Path], after: list[Path], dataset: FileDataset) -> int | None:
    """Measure the time from the last event of an input to the first of the next, ns; None if an end is not known."""
    last, first = find_end(before, dataset, last=True), find_end(after, dataset, last=False)
    return None if last is None or first is None else first.stamp - last.stamp


def _weigh(group: list[Path]) -> int:
    """Estimate the unpacked bytes of an input."""
    return sum(path.stat().st_size * (_PACKED_WEIGHT if path.suffix in _PACKED_SUFFIXES else 1) for path in group)


def describe_stream(inputs: Groups, dataset: FileDataset) -> str:
    """Describe a stream of several inputs, for a note."""
    pauses = [measure_pause(before, after, dataset) for before, after in pairwise(inputs)]
    known = [pause for pause in pauses if pause is not None]
    pause = f", with a pause of at most {max(0, *known) / SECOND:,.3f} s between them" if known else ""
    return f"read as one stream from {len(inputs)} files, the book carried over{pause}"


def read_streams(
    streams: list[Stream], dataset: FileDataset, read: Callable[[Groups], Iterator[Session]], reading: Reading
) -> Iterator[tuple[Session, int]]:
    """Yield the sessions of each stream, and the number of losses before it; `reading` gets what cannot be read.

    With `dataset.bad_files=skip` a bad file is left out of its stream, and what follows it is a stream of its own: the
    book is unknown there, as after a gap.
    """
    skips = dataset.bad_files == "skip"
    waiting = list(streams)
    while waiting:
        stream = waiting.pop(0)
        reading.losses += stream.lost
        try:
            sessions = read(stream.inputs)
            for session in list(sessions) if skips else sessions:  # a bad stream yields no part of a session
                yield session, reading.losses
        except OutsideHoursError as error:
            reading.outside.append(error)
        except (DataError, OSError) as error:
            reading.errors.append(error)
            if skips:
                before, bad, after = _split_at_bad_input(stream.inputs, error)
                reading.bad_files.append(make_bad_file([path for group in bad for path in group], error))
                waiting = [Stream(part) for part in (before, after) if part] + waiting
                following = int(bool(before))
            else:
                following = 0
            if following < len(waiting):
                waiting[following] = replace(waiting[following], lost=True)


def _split_at_bad_input(inputs: Groups, error: DataError | OSError) -> tuple[Groups, Groups, Groups]:
    """Split a stream into the inputs before the one that an error begins with, that one, and those after it.

    All inputs are bad if the error names none of them.
    """
    paths = [path for group in inputs for path in group]
    names = dict(zip(paths, name_paths(paths), strict=True))
    concerned = [path for path in paths if _concerns(error, path, names[path])]
    bad = max(concerned, key=lambda path: len(names[path]), default=None)
    for k, group in enumerate(inputs):
        if bad in group:
            return inputs[:k], [group], inputs[k + 1 :]
    return [], inputs, []


def _concerns(error: DataError | OSError, path: Path, name: str) -> bool:
    """Return whether an error is of a file alone: it names the file, and not as the first of several."""
    if isinstance(error, OSError):
        return error.filename == str(path)
    return str(error).startswith(name) and not str(error).startswith((f"{name} and ", f"{name} to "))


def name_paths(paths: list[Path]) -> list[str]:
    """Name files by their last part, and those of one name in several folders by the folder too."""
    names = [path.name for path in paths]
    if len(set(names)) == len(names):
        return names
    return [f"{path.parent.name}/{path.name}" for path in paths]
