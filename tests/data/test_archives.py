"""Archives as people make them: with folders, files of macOS, checksums; by one rule in every reader."""

import io
import tarfile
import zipfile

import py7zr
import pytest

from ofiml.data.feed import Blob, read_pieces
from ofiml.data.file_head import read_head
from ofiml.data.formats.archives import unpack_all, unpack_single
from ofiml.errors import DataError

MAC = {"__MACOSX/days/._b.csv": b"\x00\x05\x16\x07", "days/.DS_Store": b"\x00", "days/b.csv.CHECKSUM": b"123  b.csv"}


def pack(kind, files):
    buffer = io.BytesIO()
    if kind == "zip":
        with zipfile.ZipFile(buffer, "w") as archive:
            archive.writestr("days/", b"")
            for name, content in files.items():
                archive.writestr(name, content)
    elif kind == "7z":
        with py7zr.SevenZipFile(buffer, "w") as archive:
            for name, content in files.items():
                archive.writef(io.BytesIO(content), name)
    else:
        with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
            for name, content in files.items():
                info = tarfile.TarInfo(name)
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
    return Blob(f"x.{kind}", buffer.getvalue())


@pytest.mark.parametrize("kind", ["zip", "7z", "tar"])
def test_only_data_files_count(kind):
    blob = pack(kind, MAC | {"days/b.csv": b"b"})
    assert (unpack_single(blob).name, unpack_single(blob).content) == (f"x.{kind}", b"b")
    assert unpack_single(blob, inner_name=True).name == "b.csv"
    two = pack(kind, MAC | {"days/b.csv": b"b", "a.csv": b"a"})
    assert [(part.name, part.content) for part in unpack_all(two)] == [
        (f"x.{kind}/a.csv", b"a"),
        (f"x.{kind}/b.csv", b"b"),
    ]
    with pytest.raises(DataError, match=r"contains 2 files, not one"):
        unpack_single(two)
    with pytest.raises(DataError, match=r"contains 2 files: give an archive with the files of one input"):
        unpack_all(two, most=1)
    with pytest.raises(DataError, match=r"contains no data file"):
        unpack_all(pack(kind, MAC))


def test_the_head_and_the_pieces_of_a_zip_of_macos(tmp_path):
    path = tmp_path / "x.zip"
    path.write_bytes(pack("zip", MAC | {"days/b.csv": b"time,bid\n1,2\n"}).content)
    head = read_head(path)
    assert (head.name, head.members, head.header) == ("b.csv", ("b.csv",), ("time", "bid"))
    assert b"".join(read_pieces(Blob(path.name, path=path))) == b"time,bid\n1,2\n"
