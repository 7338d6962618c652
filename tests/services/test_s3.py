"""The caches of sessions and samples at s3://, on a server of this machine."""

import pytest

from ofiml.errors import ConfigError, DataError
from ofiml.storage import RemoteFolder, open_storage
from tests.parallel.runs import QUOTES, TINY, complete, start, write_days


@pytest.fixture
def bucket(s3, monkeypatch, tmp_path):
    """The files of the bucket, by name; a test has its own folder in it."""
    for name, value in s3.items():
        monkeypatch.setenv(name, value)
    pytest.importorskip("s3fs", reason="s3fs is not installed (make test-services): its tests were not run")
    folder = open_storage(f"s3://ofiml/{tmp_path.name}")
    yield folder
    folder.delete()


def test_a_file_is_what_was_written(bucket):
    assert isinstance(bucket, RemoteFolder)
    assert bucket.read("x") is None
    assert bucket.list_names() == []
    bucket.write("x", lambda path: path.write_bytes(b"one"))
    bucket.write("y", lambda path: path.write_bytes(b"two"))
    bucket.write("x", lambda path: path.write_bytes(b"three"))
    assert (bucket.read("x"), bucket.list_names()) == (b"three", ["x", "y"])
    bucket.delete()
    assert bucket.list_names() == []


def test_a_write_that_fails_leaves_nothing(bucket):
    def write_half(path):
        path.write_bytes(b"half")
        raise RuntimeError("interrupted")

    with pytest.raises(RuntimeError, match="interrupted"):
        bucket.write("x", write_half)
    assert bucket.list_names() == []


def test_a_missing_bucket_or_key_is_one_sentence_without_credentials(bucket, monkeypatch):
    elsewhere = open_storage("s3://no-such-bucket/cache")
    with pytest.raises(DataError, match=r"s3://no-such-bucket/cache cannot be written \(.*check the address") as raised:
        elsewhere.write("x", lambda path: path.write_bytes(b"x"))
    assert "secret-of-a-test" not in str(raised.value)
    with pytest.raises(ConfigError, match=r"nowhere://x is no address that fsspec knows"):
        open_storage("nowhere://x")


def test_a_study_reads_its_samples_from_the_bucket(s3, bucket, study, expected, tmp_path):
    place = f"s3://ofiml/{tmp_path.name}"
    report = study(f"features.store={place}", **s3)
    assert report["predictions"]["sha256"].startswith(TINY)
    assert report == expected
    names = bucket.list_names()
    assert any(name.endswith(".arrow") for name in names)
    for path in (tmp_path / "outputs").rglob("*"):
        if path.is_file():
            assert b"secret-of-a-test" not in path.read_bytes(), path
            path.unlink()
    # What was cached is read: with an altered table the file is made again, with the same result.
    table = next(name for name in names if name.endswith("-0.arrow"))
    bucket.write(table, lambda path: path.write_bytes(b"damaged"))
    assert study(f"features.store={place}", "parallel=processes", **s3) == expected
    assert bucket.read(table) != b"damaged"


def test_checked_sessions_are_cached_in_the_bucket(s3, bucket, tmp_path):
    write_days(tmp_path / "days")
    line = (*QUOTES, f"dataset.path={tmp_path / 'days'}", f"dataset.store=s3://ofiml/{tmp_path.name}")
    code, _, err = complete(start(tmp_path, *line, "features.store=null", "tracking=off", **s3))
    assert "Traceback" not in err
    assert sum(name.endswith(".arrow") for name in bucket.list_names()) == 4, (code, err)
