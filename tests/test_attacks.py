"""What a stranger may send: each hostile form ends in one sentence, and nothing is written, run or filled by it."""

import gzip
import io
import json
import stat
import tarfile
import tracemalloc
import zipfile
from pathlib import Path

import polars as pl
import py7zr
import pyarrow as pa
import pytest
import yaml

from ofiml.config import resolve_config
from ofiml.data import feed
from ofiml.data.cache import read_sealed, write_sealed
from ofiml.data.feed import Blob, unpack_file
from ofiml.data.formats import archives, parquet
from ofiml.data.formats.archives import unpack_all
from ofiml.data.formats.dbn import read_dbn
from ofiml.data.formats.parquet import read_parquet
from ofiml.errors import ConfigError, DataError
from ofiml.storage import Folder
from ofiml.tracking.reproduction import load_logged, read_logged
from tests.data.test_itch import add, framed, listed, read, written
from tests.effort import bounded

REPORT = json.dumps({"dataset": {"sessions": []}, "predictions": {}})


# --- configs ---------------------------------------------------------------------------------------------------------


def load_stranger(folder, text):
    (folder / "config.yaml").write_text(text)
    (folder / "report.json").write_text(REPORT)
    raw, _ = read_logged("0" * 32, folder / "config.yaml", folder / "report.json")
    return load_logged(raw, "--path FILE")


@pytest.fixture(scope="module")
def logged(configure):
    return resolve_config(configure("debug=tiny"))


def test_a_logged_config_as_it_is(tmp_path, logged):
    assert resolve_config(load_stranger(tmp_path, yaml.safe_dump(logged)))["seed"] == logged["seed"]


@pytest.mark.parametrize(
    ("group", "key", "value"),
    [
        ("model", "_target_", "os.system"),
        ("model", "name", "os.system"),
        ("model", "name", "../../evil"),
        ("dataset", "_target_", "builtins.eval"),
        ("ofi", "_recursive_", True),
        ("tracking", "experiment", "${oc.env:HOME}"),
        ("dataset", "name", "${oc.env:HOME}"),
        ("tracking", "experiment", "${oc.decode:1}"),
        ("dataset", "sessions", 10**400),
        ("dataset", "seed", -(10**40)),
        ("dataset", "max_events", 10**30),
        ("model", "n_estimators", 10**12),
        ("model", "learning_rate", 1e308),
        ("model", "learning_rate", float("inf")),
        ("model", "learning_rate", float("nan")),
        ("dataset", "tick", 1e-300),
        ("dataset", "session_length", "9" * 400 + "s"),
        ("horizon", "length", "9" * 30 + "h"),
        ("tuning", "storage", ["a"]),
        ("dataset", "impact", [[1.0] * 50] * 50),
    ],
)
def test_a_value_that_no_study_writes(tmp_path, logged, group, key, value):
    """Objects, environments and names that are paths build nothing; numbers beyond all measure are refused."""
    changed = logged | {group: logged[group] | {key: value}}
    with pytest.raises(ConfigError) as raised:
        load_stranger(tmp_path, yaml.safe_dump(changed))
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    "text",
    [
        "a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n",
        "[" * 100_000,
        "{a: " * 50_000,
        "a: !!python/object/apply:os.system ['true']\n",
        "a: !!binary not base64!\n",
        "seed: " + "9" * 5000 + "\n",
        "seed: 1e99999\n",
        "\x00",
        "? [a]\n: b\n",
        "- 1\n",
    ],
)
def test_yaml_that_no_study_writes(tmp_path, text):
    with bounded(calls=1_000_000), pytest.raises(ConfigError) as raised:
        load_stranger(tmp_path, text)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    "place", ["postgresql://me:s3cret@evil/x", "postgresql://evil/x", "sqlite:////evil.db", "/evil"]
)
def test_a_logged_config_names_no_place_of_trials(tmp_path, logged, place):
    """What reads it connects to no address and writes into no folder of a stranger."""
    changed = logged | {"tuning": logged["tuning"] | {"storage": place}}
    config = load_stranger(tmp_path, yaml.safe_dump(changed))
    assert config.tuning.storage == ".ofiml/tuning"


@pytest.mark.parametrize("key", ["dataset.path", "dataset.store", "features.store"])
def test_a_credential_in_an_address_of_data(tmp_path, logged, key):
    group, _, name = key.partition(".")
    value = "s3://me:s3cret@bucket/x"
    changed = logged | {group: logged[group] | {name: value}}
    if name == "path":
        changed["dataset"] = {"name": "quotes", "path": value}
    if name == "store":
        (tmp_path / "config.yaml").write_text(yaml.safe_dump(changed))
        from ofiml.config import load

        with pytest.raises(ConfigError, match=rf"{key} contains a credential: leave it out") as raised:
            load(changed)
    else:
        with pytest.raises(ConfigError, match=rf"{key} contains a credential: leave it out") as raised:
            load_stranger(tmp_path, yaml.safe_dump(changed))
    assert "s3cret" not in str(raised.value)


# --- archives --------------------------------------------------------------------------------------------------------

NAMES = ["../../evil.csv", "/etc/evil.csv", "..\\..\\evil.csv", "C:\\evil.csv", "a/../../evil.csv"]


def pack_zip(name, content, mode=0):
    info = zipfile.ZipInfo(name)
    info.external_attr = mode << 16
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(info, content, zipfile.ZIP_DEFLATED)
    return Blob("x.zip", buffer.getvalue())


def pack_tar(*members):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for info, content in members:
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return Blob("x.tar", buffer.getvalue())


def pack_7z(name, content):
    buffer = io.BytesIO()
    with py7zr.SevenZipFile(buffer, "w") as archive:
        archive.writef(io.BytesIO(content), name)
    return Blob("x.7z", buffer.getvalue())


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_a_path_in_an_archive_leads_nowhere(tmp_path, monkeypatch, name, kind):
    """Only the last part of a name counts, and files are read into memory."""
    place = tmp_path / "a" / "b"
    place.mkdir(parents=True)
    monkeypatch.chdir(place)
    packed = pack_zip(name, "1") if kind == "zip" else pack_tar((tarfile.TarInfo(name), b"1"))
    (part,) = unpack_all(packed)
    assert (part.name, part.content) == (f"x.{kind}/evil.csv", b"1")
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
    assert not Path("/etc/evil.csv").exists()


def forge_7z(name, content):
    """A 7z whose file has a name that py7zr itself would not write."""
    honest = "x" * len(name)
    with pytest.MonkeyPatch.context() as patch:
        write = py7zr.archiveinfo.write_utf16
        patch.setattr(
            py7zr.archiveinfo, "write_utf16", lambda file, text: write(file, name if text == honest else text)
        )
        return pack_7z(honest, content)


@pytest.mark.parametrize("name", NAMES)
def test_a_path_in_a_7z_leads_nowhere(tmp_path, monkeypatch, name):
    """py7zr refuses most."""
    place = tmp_path / "a" / "b"
    place.mkdir(parents=True)
    monkeypatch.chdir(place)
    packed = forge_7z(name, b"1")
    if name.startswith("/"):
        (part,) = unpack_all(packed)
        assert (part.name, part.content) == ("x.7z/evil.csv", b"1")
    else:
        with pytest.raises(DataError, match="Specified path is bad"):
            unpack_all(packed)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
    assert not Path("/etc/evil.csv").exists()


def test_a_link_in_a_7z_is_not_followed(tmp_path):
    secret, link = tmp_path / "secret.csv", tmp_path / "link.csv"
    secret.write_text("s3cret")
    link.symlink_to(secret)
    buffer = io.BytesIO()
    with py7zr.SevenZipFile(buffer, "w") as archive:
        archive.write(link, "link.csv")
    assert b"s3cret" not in buffer.getvalue()
    (part,) = unpack_all(Blob("x.7z", buffer.getvalue()))
    assert part.content == str(secret).encode()


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE])
def test_a_link_or_device_in_a_tar_is_no_file(tmp_path, kind):
    secret = tmp_path / "secret.csv"
    secret.write_text("s3cret")
    info = tarfile.TarInfo("link.csv")
    info.type, info.linkname = kind, str(secret)
    with pytest.raises(DataError, match="contains no data file"):
        unpack_all(pack_tar((info, b"")))


def test_a_link_in_a_zip_is_not_followed(tmp_path):
    secret = tmp_path / "secret.csv"
    secret.write_text("s3cret")
    (part,) = unpack_all(pack_zip("link.csv", str(secret), stat.S_IFLNK | 0o777))
    assert part.content == str(secret).encode()


@pytest.mark.parametrize("kind", ["zip", "7z", "gz", "zst", "tar.gz", "gz in a zip"])
def test_bombs_in_archives_are_stopped(monkeypatch, kind):
    content = bytes(3_000_000)
    packed = {
        "zip": lambda: pack_zip("x.csv", content),
        "7z": lambda: pack_7z("x.csv", content),
        "gz": lambda: Blob("x.csv.gz", gzip.compress(content)),
        "zst": lambda: Blob("x.csv.zst", pa.compress(content, "zstd", asbytes=True)),
        "tar.gz": lambda: Blob("x.tgz", gzip.compress(pack_tar((tarfile.TarInfo("x.csv"), content)).content)),
        "gz in a zip": lambda: pack_zip("x.csv.gz", gzip.compress(content)),
    }[kind]()
    assert sum(len(part.content) for part in unpack_all(packed)) == 3_000_000
    monkeypatch.setattr(feed, "_MIN_BOMB_BYTES", 1_000_000)
    monkeypatch.setattr(feed, "_CHUNK_BYTES", 100_000)
    with pytest.raises(DataError, match=r"unpacks to more than 200 times its \d+ bytes"):
        unpack_all(packed)
    monkeypatch.setattr(feed, "_MIN_BOMB_BYTES", 1 << 30)
    monkeypatch.setattr(archives, "MAX_MEMBER", 500_000)
    monkeypatch.setattr(feed, "MAX_BYTES", 500_000)
    with pytest.raises(DataError, match="unpacks to more than 0 GiB"):
        unpack_all(packed)


# --- headers that claim gigabytes ------------------------------------------------------------------------------------


def measure_refusal(work, words):
    """The bytes that are allocated before the refusal."""
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match=words):
            work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_a_dbn_header_that_claims_gigabytes():
    blob = Blob("x.dbn", b"DBN\x03" + (0xFFFFFFF0).to_bytes(4, "little") + bytes(1000))
    assert measure_refusal(lambda: read_dbn(blob), "ends inside its metadata") < 10_000_000


def test_a_zstd_header_that_claims_gigabytes():
    frame = b"\x28\xb5\x2f\xfd" + b"\xe0" + (1 << 40).to_bytes(8, "little") + b"\x01\x00\x00"
    assert measure_refusal(lambda: unpack_file(Blob("x.zst", frame)), "damaged") < 50_000_000  # two pieces


@pytest.mark.parametrize(
    ("frames", "words"),
    [
        (framed(add(1, 2**64 - 1, "B", 1, 100_000)), "the order reference is far too large"),
        (b"\xff\xffA", "the frame is cut short"),
    ],
    ids=["reference", "length"],
)
def test_an_itch_file_that_claims_gigabytes(tmp_path, frames, words):
    path = written(tmp_path, framed(listed()) + frames)
    measure_refusal(lambda: read(path), words)  # imports
    assert measure_refusal(lambda: read(path), words) < 50_000_000


def test_a_parquet_file_that_claims_gigabytes(monkeypatch):
    buffer = io.BytesIO()
    pl.DataFrame({"a": [1] * 10_000}).write_parquet(buffer)
    blob = Blob("x.parquet", buffer.getvalue())
    assert len(blob.content) < 2000
    assert read_parquet(blob, lambda names: names).height == 10_000
    monkeypatch.setattr(parquet, "MAX_BYTES", 50_000)
    with pytest.raises(DataError, match="unpacks to more than 0 GiB"):
        read_parquet(blob, lambda names: names)


def test_a_parquet_footer_of_any_length():
    buffer = io.BytesIO()
    pl.DataFrame({"a": [1, 2, 3]}).write_parquet(buffer)
    content = buffer.getvalue()
    for length in (0xFFFFFFFF, 0x7FFFFFFF, 0):
        forged = content[:-8] + length.to_bytes(4, "little") + content[-4:]
        refused = measure_refusal(lambda forged=forged: read_parquet(Blob("x", forged), list), "cannot be read")
        assert refused < 10_000_000


# --- caches ----------------------------------------------------------------------------------------------------------


def test_a_sealed_file_flipped_or_cut_at_any_byte_is_none(tmp_path):
    folder, path = Folder(tmp_path), tmp_path / "a.json"
    write_sealed(folder, "a.json", [{"sha256": "ab" * 32, "symbol": "SYN", "tick": 0.01}])
    content = path.read_bytes()
    assert read_sealed(folder, "a.json") is not None
    for place in range(len(content)):
        flipped = bytearray(content)
        flipped[place] ^= 1 << place % 8
        for damaged in (bytes(flipped), content[:place]):
            path.write_bytes(damaged)
            assert read_sealed(folder, "a.json") is None, place
