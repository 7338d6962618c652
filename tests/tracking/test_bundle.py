"""A run as a zip file: what goes in comes out, and what a stranger puts in is refused."""

import hashlib
import json
import zipfile

import pytest

from ofiml.errors import ConfigError
from ofiml.tracking.bundle import pack_run, unpack_run

CONTENTS = {
    "config.yaml": b"seed: 7\n",
    "report.json": b"{}",
    "predictions.parquet": b"PAR1",
    "models/fold_00.txt": b"tree",
    "models/fold_01_features.json": b"{}",
    "environment.txt": b"numpy==2.0\n",
}


@pytest.fixture
def run(tmp_path):
    """The folder of a run, with files that do not belong into its zip."""
    folder = tmp_path / "run"
    for name, content in (CONTENTS | {"figures/a.png": b"png", "models/notes.md": b"x", "tables.md": b"t"}).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def test_what_is_packed_is_unpacked(run, tmp_path):
    assert pack_run(run, "a" * 32, tmp_path / "new" / "run.zip") == sorted(CONTENTS)
    assert unpack_run(tmp_path / "new" / "run.zip", tmp_path / "out") == "a" * 32
    found = {p.relative_to(tmp_path / "out").as_posix(): p.read_bytes() for p in (tmp_path / "out").rglob("*.*")}
    assert found == CONTENTS
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["run.zip"]


def test_the_same_run_gives_the_same_file(run, tmp_path):
    for name in ("a.zip", "b.zip"):
        pack_run(run, "r", tmp_path / name)
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()


def write(path, contents, **manifest):
    """Write a zip with these contents and a manifest that fits them, but for `manifest`."""
    sha256 = {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("run.json", json.dumps({"format": 1, "run": "r", "sha256": sha256} | manifest))
        for name, content in contents.items():
            archive.writestr(name, content)
    return path


def test_a_file_made_by_hand_is_read(tmp_path):
    assert unpack_run(write(tmp_path / "run.zip", CONTENTS), tmp_path / "out") == "r"


@pytest.mark.parametrize(
    ("more", "manifest", "words"),
    [
        ({"../evil.txt": b""}, {}, r"'\.\./evil\.txt', which is no file of a run"),
        ({"/etc/evil": b""}, {}, "no file of a run"),
        ({"models/../../evil.txt": b""}, {}, "no file of a run"),
        ({"models/fold_00.pkl": b""}, {}, "no file of a run"),
        ({"models/fold_00.skops": b""}, {}, "no file of a run"),
        ({}, {"run": "../up"}, "no valid id"),
        ({}, {"run": ".."}, "no valid id"),
        ({}, {"format": 2}, "format 2; this version of ofiml reads 1"),
        ({}, {"sha256": {"config.yaml": "0"}}, "does not have the files"),
        ({}, {"sha256": dict.fromkeys(CONTENTS, "0")}, "SHA-256 differs"),
        ({}, {"sha256": [1]}, "must be an object"),
        ({}, {"more": 1}, "not written by"),
    ],
)
def test_what_no_run_has_is_refused(tmp_path, more, manifest, words):
    path = write(tmp_path / "run.zip", CONTENTS | more, **manifest)
    with pytest.raises(ConfigError, match=words):
        unpack_run(path, tmp_path / "a" / "out")
    assert not [p for p in tmp_path.rglob("*") if "evil" in p.name]


def test_a_part_that_is_missing_is_named(tmp_path):
    path = write(tmp_path / "run.zip", {name: c for name, c in CONTENTS.items() if name != "report.json"})
    with pytest.raises(ConfigError, match=r"has no report\.json"):
        unpack_run(path, tmp_path / "out")


def test_a_name_that_stands_there_twice_is_refused(tmp_path):
    path = write(tmp_path / "run.zip", CONTENTS)
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("config.yaml", b"seed: 8\n")
    with pytest.raises(ConfigError, match="does not have the files"):
        unpack_run(path, tmp_path / "out")


def test_a_bomb_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("ofiml.tracking.bundle._MAX_BYTES", 1000)
    path = write(tmp_path / "run.zip", CONTENTS | {"predictions.parquet": bytes(5000)})
    with pytest.raises(ConfigError, match=r"predictions\.parquet unpacks to more"):
        unpack_run(path, tmp_path / "out")


@pytest.mark.parametrize("size", [0, 10, 200, -30])
def test_a_damaged_file_is_refused(run, tmp_path, size):
    pack_run(run, "r", tmp_path / "run.zip")
    content = (tmp_path / "run.zip").read_bytes()
    (tmp_path / "run.zip").write_bytes(content[:size])
    with pytest.raises(ConfigError, match=r"run\.zip"):
        unpack_run(tmp_path / "run.zip", tmp_path / "out")


def test_another_zip_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "data.zip", "w") as archive:
        archive.writestr("AMZN.csv", "1,2")
    with pytest.raises(ConfigError, match=r"has no run\.json"):
        unpack_run(tmp_path / "data.zip", tmp_path / "out")
