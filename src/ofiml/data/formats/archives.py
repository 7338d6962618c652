"""Files of a zip or 7z archive by base name, read into memory. Nothing is written to disk, no archive path is used."""

import io
import tarfile
import zipfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import PurePosixPath
from typing import Any

from ofiml.data.feed import Blob, read_at_most, unpack_file
from ofiml.errors import DataError

MAX_MEMBER = 8 << 30  # bytes of one file, unpacked
SUFFIXES = (".zip", ".7z")
_ZIP = b"PK\x03\x04"
_MAX_FILES = 10  # of an archive that is one input
_NO_DATA = (".CHECKSUM", ".MD5", ".SHA256", ".PDF", ".DOCX")


def _is_7z(blob: Blob) -> bool:
    return blob.content.startswith(b"7z\xbc\xaf\x27\x1c") or blob.name.lower().endswith(".7z")


def list_files(blob: Blob) -> dict[str, int]:
    """List the base names of the files in the archive, with their unpacked sizes as the archive states them.

    Raises DataError for a damaged archive, two files with one name, and a 7z if the package py7zr is missing.
    """
    entries = _list_7z(blob) if _is_7z(blob) else _list_zip(blob)
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
    contents = _read_7z(blob, names) if _is_7z(blob) else _read_zip(blob, names)
    for name, content in contents.items():
        if len(content) > MAX_MEMBER:
            raise DataError(f"{blob.name}: {name} unpacks to more than {MAX_MEMBER >> 30} GiB: split it.")
    return contents


def unpack_members(blob: Blob) -> list[Blob]:
    """Unpack an archive of data files, in the order of their names; return any other file as the only one.

    A file that is compressed itself is decompressed. Checksums, hidden files and those of `__MACOSX` are left out.
    Raises DataError for an archive that is damaged, or has no other file.
    """
    if not _is_7z(blob) and not blob.content.startswith(_ZIP):
        return [unpack_file(blob)]
    names = sorted(n for n in list_files(blob) if not n.startswith(".") and not n.upper().endswith(_NO_DATA))
    if not names:
        raise DataError(f"{blob.name} contains no data file: fetch it again.")
    contents = read_files(blob, names)
    return [unpack_file(Blob(f"{blob.name}/{name}", contents[name])) for name in names]


def unpack_single(blob: Blob) -> Blob:
    """Unpack a gzip or zstd file, or a zip or tar with one file; return any other unchanged.

    Raises DataError for a damaged or too large file, and for an archive with several files.
    """
    parts = unpack_all(blob)
    if len(parts) != 1:
        raise DataError(f"{blob.name} contains {len(parts)} files, not one: unpack it.")
    return Blob(blob.name, parts[0].content)


def unpack_all(blob: Blob) -> list[Blob]:
    """Unpack a gzip or zstd file, or the files of a zip or tar; the file itself if it is not packed.

    A file of an archive is named `ARCHIVE: FILE`. Raises DataError for a damaged or too large file, and for an archive
    without files, or with more than _MAX_FILES.
    """
    if blob.content.startswith(_ZIP):
        return _unpack_archive(blob, "zip", _read_zip_files)
    blob = unpack_file(blob)
    if blob.content[257:262] == b"ustar":
        return _unpack_archive(blob, "tar", _read_tar_files)
    return [blob]


def _unpack_archive(blob: Blob, kind: str, read: Callable[[Blob], Iterator[tuple[str, bytes]]]) -> list[Blob]:
    try:
        parts = [Blob(f"{blob.name}: {_get_base_name(path)}", content) for path, content in read(blob)]
        parts = [unpack_file(part) for part in parts]
    except DataError:
        raise
    except Exception as error:
        raise _make_error(blob, kind, error) from error
    if not 1 <= len(parts) <= _MAX_FILES:
        raise DataError(f"{blob.name} contains {len(parts)} files: give an archive with the files of one input.")
    return parts


def _read_zip_files(blob: Blob) -> Iterator[tuple[str, bytes]]:
    with zipfile.ZipFile(io.BytesIO(blob.content)) as archive:
        infos = [info for info in archive.infolist() if not info.is_dir()]
        for info in infos[: _MAX_FILES + 1]:
            with archive.open(info) as stream:
                yield info.filename, read_at_most(stream.read, MAX_MEMBER, blob)


def _read_tar_files(blob: Blob) -> Iterator[tuple[str, bytes]]:
    with tarfile.open(fileobj=io.BytesIO(blob.content), mode="r:") as archive:
        for info in [m for m in archive.getmembers() if m.isfile()][: _MAX_FILES + 1]:
            stream = archive.extractfile(info)
            assert stream is not None  # a regular file
            yield info.name, read_at_most(stream.read, MAX_MEMBER, blob)


def _get_base_name(path: str) -> str:
    return PurePosixPath(path.replace("\\", "/")).name


def _make_error(blob: Blob, kind: str, error: Exception) -> DataError:
    """Make the error for a damaged archive; the packages and their decoders raise exceptions of many types for one."""
    reason = (str(error) or type(error).__name__).splitlines()[0]
    return DataError(f"{blob.name} is damaged, locked or not a {kind} ({reason:.200}): fetch it again.")


def _list_zip(blob: Blob) -> list[tuple[str, int]]:
    try:
        with zipfile.ZipFile(io.BytesIO(blob.content)) as archive:
            return [(i.filename, i.file_size) for i in archive.infolist() if not i.is_dir()]
    except Exception as error:
        raise _make_error(blob, "zip", error) from error


def _read_zip(blob: Blob, wanted: set[str]) -> dict[str, bytes]:
    contents = {}
    try:
        with zipfile.ZipFile(io.BytesIO(blob.content)) as archive:
            for info in archive.infolist():
                if _get_base_name(info.filename) in wanted and not info.is_dir():
                    with archive.open(info) as stream:
                        contents[_get_base_name(info.filename)] = stream.read(MAX_MEMBER + 1)
    except Exception as error:
        raise _make_error(blob, "zip", error) from error
    return contents


def _list_7z(blob: Blob) -> list[tuple[str, int]]:
    py7zr = _import_py7zr(blob)
    try:
        with py7zr.SevenZipFile(io.BytesIO(blob.content)) as archive:
            return [(i.filename, int(i.uncompressed or 0)) for i in archive.list() if not i.is_directory]
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
            if self.buffer.tell() + len(s) > MAX_MEMBER:
                raise DataError(f"{blob.name}: a file unpacks to more than {MAX_MEMBER >> 30} GiB: split it.")
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
            paths = [i.filename for i in archive.list() if not i.is_directory and _get_base_name(i.filename) in wanted]
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
