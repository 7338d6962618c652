"""Packed files: gzip and zstd, and archives (zip, 7z, tar), whose files are read into memory by their base name.

Nothing is written to disk, and no path of an archive is used. Checksums, documents, hidden files and those of
`__MACOSX` are left out.
"""

import io
import re
import tarfile
import zipfile
from collections.abc import Iterable
from pathlib import PurePosixPath
from typing import Any

from ofiml.data.feed import Blob, check_size, read_at_most, unpack_file
from ofiml.data.file_head import is_data_file
from ofiml.errors import DataError

MAX_MEMBER = 8 << 30  # bytes of one file, unpacked
SUFFIXES = (".zip", ".7z")
_ZIP = b"PK\x03\x04"


def is_archive(name: str) -> bool:
    """Return whether a file's name is that of an archive of several files."""
    return re.search(r"\.(zip|7z|tgz|tar(\.(gz|bz2|xz|zst))?)$", name, re.IGNORECASE) is not None


def _is_7z(blob: Blob) -> bool:
    return blob.content.startswith(b"7z\xbc\xaf\x27\x1c") or blob.name.lower().endswith(".7z")


def list_files(blob: Blob) -> dict[str, int]:
    """List the base names of the data files in the archive, with their unpacked sizes as the archive states them.

    Raises DataError for a damaged archive, two files with one name, and a 7z if the package py7zr is missing.
    """
    entries = _list_7z(blob) if _is_7z(blob) else _list_tar(blob) if _is_tar(blob) else _list_zip(blob)
    sizes: dict[str, int] = {}
    for path, size in entries:
        name = _get_base_name(path)
        if name in sizes:
            raise DataError(f"{blob.name} contains two files named {name}: keep one.")
        sizes[name] = size
    return sizes


def read_files(blob: Blob, wanted: Iterable[str]) -> dict[str, bytes]:
    """Read the files with the `wanted` base names. Raises DataError for a damaged archive or a file of over 8 GiB."""
    names = set(wanted)
    read = _read_7z if _is_7z(blob) else _read_tar if _is_tar(blob) else _read_zip
    contents = read(blob, names)
    for name, content in contents.items():
        if len(content) > MAX_MEMBER:
            raise DataError(f"{blob.name}: {name} unpacks to more than {MAX_MEMBER >> 30} GiB: split it.")
    return contents


def unpack_all(blob: Blob, *, most: int | None = None) -> list[Blob]:
    """Unpack a gzip or zstd file, or the files of a zip, 7z or tar, in the order of their names; keep any other.

    A file of an archive is named ARCHIVE/FILE, and is decompressed if it is packed itself. Raises DataError for a file
    that is damaged or too large, and for an archive without data files or with more than `most`.
    """
    if not _is_7z(blob) and not blob.content.startswith(_ZIP):
        blob = unpack_file(blob)
        if not _is_tar(blob):
            return [blob]
    names = sorted(list_files(blob))
    if not names:
        raise DataError(f"{blob.name} contains no data file: fetch it again.")
    if most is not None and len(names) > most:
        raise DataError(f"{blob.name} contains {len(names)} files: give an archive with the files of one input.")
    contents = read_files(blob, names)
    return [unpack_file(Blob(f"{blob.name}/{name}", contents.pop(name))) for name in names]


def unpack_single(blob: Blob, *, inner_name: bool = False) -> Blob:
    """Unpack a gzip or zstd file, or an archive with one file; return any other unchanged.

    With `inner_name` the file of an archive has its own name instead of the archive's. Raises DataError as
    `unpack_all`, and for an archive with several files.
    """
    parts = unpack_all(blob)
    if len(parts) != 1:
        raise DataError(f"{blob.name} contains {len(parts)} files, not one: unpack it.")
    if inner_name:
        return Blob(parts[0].name.removeprefix(f"{blob.name}/"), parts[0].content)
    return Blob(blob.name, parts[0].content)


def _is_tar(blob: Blob) -> bool:
    return blob.content[257:262] == b"ustar"


def _get_base_name(path: str) -> str:
    return PurePosixPath(path.replace("\\", "/")).name


def _make_error(blob: Blob, kind: str, error: Exception) -> DataError:
    """Make the error for a damaged archive; the packages and their decoders raise exceptions of many types for one."""
    reason = (str(error) or type(error).__name__).splitlines()[0]
    return DataError(f"{blob.name} is damaged, locked or not a {kind} ({reason:.200}): fetch it again.")


def _list_zip(blob: Blob) -> list[tuple[str, int]]:
    try:
        with zipfile.ZipFile(io.BytesIO(blob.content)) as archive:
            return [
                (i.filename, i.file_size) for i in archive.infolist() if not i.is_dir() and is_data_file(i.filename)
            ]
    except Exception as error:
        raise _make_error(blob, "zip", error) from error


def _read_zip(blob: Blob, wanted: set[str]) -> dict[str, bytes]:
    contents = {}
    try:
        with zipfile.ZipFile(io.BytesIO(blob.content)) as archive:
            for info in archive.infolist():
                name = _get_base_name(info.filename)
                if name in wanted and not info.is_dir() and is_data_file(info.filename):
                    with archive.open(info) as stream:
                        contents[name] = read_at_most(stream.read, MAX_MEMBER, blob)
    except DataError:
        raise
    except Exception as error:
        raise _make_error(blob, "zip", error) from error
    return contents


def _list_tar(blob: Blob) -> list[tuple[str, int]]:
    try:
        with tarfile.open(fileobj=io.BytesIO(blob.content), mode="r:") as archive:
            return [(m.name, m.size) for m in archive.getmembers() if m.isfile() and is_data_file(m.name)]
    except Exception as error:
        raise _make_error(blob, "tar", error) from error


def _read_tar(blob: Blob, wanted: set[str]) -> dict[str, bytes]:
    contents = {}
    try:
        with tarfile.open(fileobj=io.BytesIO(blob.content), mode="r:") as archive:
            for info in archive.getmembers():
                if info.isfile() and is_data_file(info.name) and _get_base_name(info.name) in wanted:
                    stream = archive.extractfile(info)
                    assert stream is not None  # a regular file
                    contents[_get_base_name(info.name)] = read_at_most(stream.read, MAX_MEMBER, blob)
    except DataError:
        raise
    except Exception as error:
        raise _make_error(blob, "tar", error) from error
    return contents


def _list_7z(blob: Blob) -> list[tuple[str, int]]:
    py7zr = _import_py7zr(blob)
    try:
        with py7zr.SevenZipFile(io.BytesIO(blob.content)) as archive:
            files = [i for i in archive.list() if not i.is_directory and is_data_file(i.filename)]
            return [(i.filename, int(i.uncompressed or 0)) for i in files]
    except Exception as error:
        raise _make_error(blob, "7z archive", error) from error


def _read_7z(blob: Blob, wanted: set[str]) -> dict[str, bytes]:
    py7zr = _import_py7zr(blob)
    buffers: dict[str, io.BytesIO] = {}

    class Memory(py7zr.io.Py7zIO):  # type: ignore[misc, name-defined]
        """A file in memory of at most MAX_MEMBER bytes."""

        def __init__(self, buffer: io.BytesIO) -> None:
            self.buffer = buffer

        def write(self, s: Any) -> int:
            check_size(self.buffer.tell() + len(s), MAX_MEMBER, blob)
            return self.buffer.write(s)

        def read(self, size: int | None = None) -> bytes:
            return self.buffer.read(size)

        def seek(self, offset: int, whence: int = 0) -> int:
            return self.buffer.seek(offset, whence)

        def flush(self) -> None:
            pass

        def size(self) -> int:
            return self.buffer.getbuffer().nbytes

    class Factory(py7zr.io.WriterFactory):  # type: ignore[misc, name-defined]
        def create(self, filename: str) -> Memory:
            return Memory(buffers.setdefault(_get_base_name(filename), io.BytesIO()))

    try:
        with py7zr.SevenZipFile(io.BytesIO(blob.content)) as archive:
            names = [i.filename for i in archive.list() if not i.is_directory and is_data_file(i.filename)]
            paths = [name for name in names if _get_base_name(name) in wanted]
            archive.extract(targets=paths, factory=Factory())
    except DataError:
        raise
    except Exception as error:
        raise _make_error(blob, "7z archive", error) from error
    missing = sorted(wanted - set(buffers))
    if missing:
        raise DataError(f"{blob.name} is damaged: {missing[0]} cannot be extracted; fetch it again.")
    return {name: buffer.getvalue() for name, buffer in buffers.items()}


def _import_py7zr(blob: Blob) -> Any:
    try:
        import py7zr
        import py7zr.io
    except ImportError as error:
        raise DataError(
            f"{blob.name} is a 7z archive and needs the package py7zr: pip install 'ofiml[7z]', or unpack it "
            "with 7-Zip and set dataset.path to the folder."
        ) from error
    return py7zr
