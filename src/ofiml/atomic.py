"""Files that appear whole or not at all, folders that go once they are old, and errors that name the file."""

import errno
import hashlib
import os
import re
import shutil
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

#: The errors of a disk that has no room left, or none for this user.
FULL = (errno.ENOSPC, errno.EDQUOT)


def write_atomically(path: Path, write_to: Callable[[Path], object]) -> str:
    """Write a temporary file beside `path` and rename it, so it appears whole or not at all; return its SHA-256.

    Raises OSError with the name of the file.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}.{uuid.uuid4().hex}")
    try:
        with name_file(path):
            write_to(part)
            sha = hash_file(part)
            part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return sha


def write_text_atomically(path: Path, text: str) -> None:
    """Write text as UTF-8, with the line ends that it has, as `write_atomically` does."""
    write_atomically(path, lambda part: part.write_bytes(text.encode()))


def hash_file(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def delete_old_folders(place: Path, prefix: str, days: int) -> None:
    """Delete the folders in `place` whose names begin with `prefix` and that nobody has used for so many days; another
    process may be faster.
    """
    oldest = time.time() - days * 24 * 3600
    for folder in place.glob(prefix + "*"):
        with suppress(OSError):
            if folder.stat().st_mtime < oldest:
                shutil.rmtree(folder)


@contextmanager
def name_file(path: Path) -> Iterator[None]:
    """Give an error of the disk inside the name of the file, or folder, that is written there.

    Libraries in Rust raise errors of their own, whose text has the number of the system's error.
    """
    try:
        yield
    except Exception as error:
        number = error.errno if isinstance(error, OSError) else None
        if number is None:
            told = re.search(r"\(os error ([0-9]+)\)", str(error))
            if told is None:
                raise
            number = int(told[1])
        raise OSError(number, os.strerror(number), str(path)) from error
