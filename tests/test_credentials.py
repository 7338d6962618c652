"""Secrets in the environment, in the address of the store and in those of data: none reaches a byte that is kept."""

import base64
import os
import sqlite3
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest

from ofiml.config import load, resolve_config
from ofiml.database import hide_credentials
from ofiml.errors import ConfigError
from ofiml.overrides.arguments import check_arguments
from ofiml.storage import list_credentials, strip_credentials
from tests.conftest import ROOT, command_line
from tests.tracking.servers import serve_store

PASSWORD = "uri+pass/wört#1?"
#: What an environment holds; libraries of the study read some of them.
ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "AKIAPLANTEDKEY0001",
    "AWS_SECRET_ACCESS_KEY": "planted/aws+secret/0002",
    "AWS_SESSION_TOKEN": "planted-session-0003==",
    "DATABASE_URL": "postgresql://owner:planted-database-0004@db.invalid/x",
    "PGPASSWORD": "planted-pg-0005",
    "GITHUB_TOKEN": "ghp_planted0006",
    "VENDOR_API_KEY": "db-planted-vendor-0007",
    "FSSPEC_S3_SECRET": "planted-fsspec-0008",
}
SECRETS = {**ENVIRONMENT, "DATABASE_URL": "planted-database-0004", "tracking.uri": PASSWORD}


def list_forms(secret: str) -> set[bytes]:
    """A secret as it is, as URLs and JSON have it, and as base64 has it at any place of a longer text."""
    texts = {secret, quote(secret, safe=""), quote(secret), quote_plus(secret), ascii(secret)[1:-1]}
    forms = {text.encode() for text in texts} | {secret.encode("latin-1"), secret.encode("utf-16-le")}
    for shift in range(3):
        raw = b"\0" * shift + secret.encode()
        whole = raw[: len(raw) // 3 * 3]  # what follows changes the rest
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            forms.add(encode(whole)[-(-shift * 8 // 6) :])
    return forms


def read_all(path: Path) -> Iterator[bytes]:
    """The bytes of a file, those of the members of a zip, and the rows of a database, whose pages cut long texts."""
    content = path.read_bytes()
    yield content
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            yield from (archive.read(name) for name in archive.namelist())
    if content.startswith(b"SQLite format 3"):
        with sqlite3.connect(path) as store:
            yield "\n".join(store.iterdump()).encode()


def find_secrets(folder: Path, secrets: dict[str, str] = SECRETS) -> list[tuple[str, str]]:
    """The names of the secrets that files below a folder have, each with its file. Names of files count, too."""
    forms = {name: list_forms(secret) for name, secret in secrets.items()}
    found = set()
    for path in folder.rglob("*"):
        place = str(path.relative_to(folder))
        for content in (place.encode(), *(read_all(path) if path.is_file() else ())):
            found |= {(name, place) for name, texts in forms.items() if any(text in content for text in texts)}
    return sorted(found)


def test_the_search_finds_what_is_there(tmp_path):
    secret = {"it": "planted/sécret+0009?"}
    assert find_secrets(tmp_path, secret) == []
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("config.yaml", "x" * 100 + secret["it"])
    with sqlite3.connect(tmp_path / "b.db") as store:
        store.execute("CREATE TABLE params (value TEXT)")
        store.execute("INSERT INTO params VALUES (?)", ["x" * 4080 + secret["it"] + "x" * 9000])
    for shift in range(3):
        (tmp_path / f"c{shift}").write_bytes(base64.b64encode(b"x" * shift + secret["it"].encode() + b"yy"))
    (tmp_path / "d").write_text(quote(secret["it"], safe=""))
    (tmp_path / "e").write_text(secret["it"][:-1])
    assert [place for _, place in find_secrets(tmp_path, secret)] == ["a.zip", "b.db", "c0", "c1", "c2", "d"]


@pytest.mark.slow
def test_no_secret_reaches_what_a_study_leaves(tmp_path):
    """A run, a sweep, an export and a sync with a server whose address has a password."""
    work = tmp_path / "work"
    work.mkdir()
    with serve_store(tmp_path / "server") as server:
        uri = server.uri_of(f"me:{quote(PASSWORD, safe='')}@")
        environment = {**os.environ, **ENVIRONMENT, "PYTHONPATH": str(ROOT / "src"), "MLFLOW_TRACKING_URI": uri}

        def call(name, *arguments):
            done = subprocess.run(
                [sys.executable, "-m", f"ofiml.{name}", *arguments],
                cwd=work,
                env=environment,
                capture_output=True,
                timeout=1200,
            )
            number = len(list(work.glob("*.out")))
            (work / f"{number}-{name}.out").write_bytes(done.stdout)
            (work / f"{number}-{name}.err").write_bytes(done.stderr)
            assert done.returncode == 0, done.stderr.decode()

        tiny = ("debug=tiny", "report.figures=[]", "evaluation.leak_check=false", "hydra.verbose=true")
        scheme = "file://" if find_spec("fsspec") else ""  # an address where the package for them is installed
        store = f"features.store={scheme}{work / 'cache'}"
        call("run", *tiny, "model=ridge", store, "tuning.storage=tuning", "hydra.run.dir=outputs/one")
        run_id = (work / "outputs/one/run_id").read_text().strip()
        call("run", "-m", *tiny, "model=ols,ridge", store, "hydra.sweep.dir=outputs/sweep")
        call("reproduce", run_id, "--export", "run.zip")
        call("sync", "outputs/one")
    names = {path.name for path in work.rglob("*")} | {path.name for path in tmp_path.glob("server/**/*")}
    assert {"run.zip", "journal", "report.html", "config.yaml", "sweep.json", "server.db"} <= names
    assert any(path.suffix == ".arrow" for path in (work / "cache").rglob("*")), "the samples are in the cache"
    assert find_secrets(tmp_path) == []


#: Addresses with a secret that urlsplit does not see: it ends a host at / ? #, and knows no chain and no expression.
HIDDEN = [
    "s3://AKIA:s3/cr+et@bucket/x",
    "s3://AKIA:s3?cr#et@bucket/x",
    "s3://AKIA:1s3cret/@bucket",
    "simplecache::s3://AKIA:s3cret@bucket/x",
    "zip://x.csv::s3://AKIA:s3cret@bucket/x.zip",
    "https://s3cret@host/x",
    "https://host/x?token=s3cret",
    "simplecache::https://host/x?token=s3cret",
]


@pytest.mark.parametrize("address", HIDDEN)
def test_an_address_with_a_secret_is_refused_everywhere(tmp_path, configure, address):
    words = "contains a credential: leave it out"
    for text in (address, f"'{address}'", f"choice({address},null)", f"[x,{address}]", f"{{a:{address}}}"):
        for key in ("features.store", "dataset.path"):
            with pytest.raises(ConfigError, match=f"{key} {words}") as raised:
                check_arguments(["-m", f"{key}={text}"])
            assert address not in str(raised.value)
    logged = resolve_config(configure())
    for value in (address, [address], {"a": address}):
        for key in ("path", "horizon"):
            changed = logged | {"dataset": logged["dataset"] | {key: value}}
            with pytest.raises(ConfigError, match=words) as raised:
                load(changed)
            assert "AKIA" not in str(raised.value)


@pytest.mark.parametrize(
    "address",
    [
        "s3://bucket/a@b",
        "http://127.0.0.1:5000/a@b",
        "tls://host:8786",
        "sqlite:////home/a:b@c/mlflow.db",
        "file:///x@y",
        "http://[::1]:5000/x",
        "a@b",
        "/data/x?y.csv",
        "10:30:00@x",
    ],
)
def test_an_address_without_a_secret_is_left_as_it_is(address):
    assert strip_credentials(address) == address
    assert list_credentials(address) == []


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("postgresql://me:s3#c/r?et@host:5432/db", "postgresql://host:5432/db"),
        ("postgresql://me:s3@cr@et@host/db?sslpassword=x", "postgresql://host/db"),
        ("mysql+pymysql://me:s3cret/@host/db", "mysql+pymysql://host/db"),
    ],
)
def test_the_uri_of_a_store_is_shown_without_any_password(uri, shown):
    assert strip_credentials(uri) == shown
    password = uri.partition("me:")[2].rpartition("@")[0]
    for form in (uri, password, quote(password, safe=""), f"me:{password}"):
        assert password not in hide_credentials(f"cannot reach {form} now", uri)
        assert quote(password, safe="") not in hide_credentials(f"cannot reach {form} now", uri)


@pytest.mark.parametrize("part", ["://a:b/", "://a#", "://a", "://", "a://?", "://a:"])
def test_a_long_text_of_a_stranger_takes_no_long_time(part):
    """A search that began anew at each address would take minutes."""
    for text in (part * 200_000, part * 200_000 + "@", "@" + part * 200_000):
        strip_credentials(text)
        list_credentials(text)


def test_each_word_has_its_own_credentials():
    text = "from s3://k:s/e@b/x?t=1 to https://h:80/a@b, and s3://u:p@c#d"
    assert strip_credentials(text) == "from s3://b/x to https://h:80/a@b, and s3://c#d"
    assert list_credentials(text) == ["k:s/e", "u:p", "s/e", "p", "t=1"]


@pytest.mark.parametrize("scheme", ["http", "postgresql+nodriver"])
def test_a_store_that_cannot_be_reached_is_named_without_its_password(tmp_path, monkeypatch, scheme):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    for name, secret in ENVIRONMENT.items():
        monkeypatch.setenv(name, secret)
    password = quote(PASSWORD, safe="") if scheme == "http" else PASSWORD
    done = command_line(tmp_path, "debug=tiny", uri=f"{scheme}://me:{password}@127.0.0.1:9/db")
    assert done.returncode == 2
    assert f"tracking.uri={scheme}://127.0.0.1:9/db cannot be used" in done.stderr
    (tmp_path / "said").write_text(done.stdout + done.stderr)
    assert find_secrets(tmp_path) == []
