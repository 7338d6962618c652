"""The inputs of a dataset: groups of files that belong together, and errors that name the reader or file to choose."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ofiml.config import FileDataset, files
from ofiml.data.readers import READERS, Groups
from ofiml.data.recognition import explain_other_reader
from ofiml.errors import DataError

if TYPE_CHECKING:
    from ofiml.data.schema import Session


def group_inputs(dataset: FileDataset) -> Groups:
    """Group the dataset's files into inputs. Raises DataError where the reader's `group_files` does."""
    paths = files(dataset.path)
    try:
        return READERS[dataset.name].group_files(paths)
    except DataError as error:
        raise _append_hint(error, paths, dataset) from error


def explain_wrong_reader(
    sessions: "Iterator[Session]", paths: Sequence[Path], dataset: FileDataset
) -> "Iterator[Session]":
    """Yield the sessions of an input. An error of a file of another reader ends with the name of that one."""
    try:
        yield from sessions
    except DataError as error:
        raise _append_hint(error, paths, dataset) from error


def _append_hint(error: DataError, paths: Sequence[Path], dataset: FileDataset) -> DataError:
    hint = explain_other_reader(paths, dataset)
    return DataError(f"{error} {hint}") if hint else error


def describe_same_session(symbol: str, date: str, first: str, second: str) -> str:
    """Describe two sources of the same session, with a glob that chooses one of them if their names allow it."""
    choice = _find_choice(first.partition("/")[0], second.partition("/")[0])
    remedy = f"choose one, as with the glob dataset.path='FOLDER/{choice}'" if choice else "join them, or choose one"
    return f"{first} and {second} contain the same session, {symbol} on {date}: {remedy}."


def _find_choice(first: str, second: str) -> str:
    """Find the glob for the second name that the first does not match: from the last part in which they differ."""
    parts, others = (re.split(r"([_.\- ])", name) for name in (second, first))
    same = 0
    for a, b in zip(reversed(parts), reversed(others), strict=False):
        if a != b:
            break
        same += 1
    if same >= min(len(parts), len(others)) or len(parts) - same < 3:
        return ""
    return "*" + "".join(parts[len(parts) - same - 2 :])
