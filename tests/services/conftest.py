"""Services that the tests start for real, on this machine only, and end: Dask, Ray, PostgreSQL, MLflow, S3.

What the machine has to bring, as PostgreSQL, or may be too small for, as Ray, is skipped aloud if it does not start.
What the environment of make test-services brings has to start.
"""

import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.parallel.runs import QUICK, complete, read_report, start, without_place

sys.path.append(str(ROOT / "scripts"))

from ports import HOST, find_port, wait_for_port

#: Of the user `ofiml` of PostgreSQL. In two parts: a run keeps the lines that are not committed, which may be these.
PASSWORD = "hunter" + "-two"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.services)


@contextmanager
def service(folder: Path, name: str, *arguments: str, **environment: str) -> Iterator[tuple[subprocess.Popen, Path]]:
    """A process of this interpreter with its output in a file; it is ended in the end."""
    log = folder / f"{name}.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, *arguments],
            cwd=folder,
            stdout=out,
            stderr=out,
            env={**os.environ, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}", **environment},
        )
    try:
        yield process, log
    finally:
        process.terminate()
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@pytest.fixture(scope="session")
def expected(tmp_path_factory: pytest.TempPathFactory) -> dict:
    """The report of the study in threads, which every other backend must repeat."""
    folder = tmp_path_factory.mktemp("threads")
    code, _, err = complete(start(folder, *QUICK))
    assert code == 0, err
    return without_place(read_report(folder))


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    """The address of a PostgreSQL server, with a password, and a database `ofiml` in it."""
    programs = [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/initdb")]
    if shutil.which("initdb"):
        programs.append(Path(shutil.which("initdb") or "").resolve().parent)
    if not programs:
        pytest.skip("PostgreSQL is not installed (apt-get install postgresql): its tests were not run")
    is_root = os.geteuid() == 0
    if is_root and not (shutil.which("runuser") and "postgres" in {user.pw_name for user in pwd.getpwall()}):
        pytest.skip(
            "PostgreSQL does not run as root, and runuser or the user postgres is missing: its tests were not run"
        )
    user = ["runuser", "-u", "postgres", "--"] if is_root else []
    folder = Path(tempfile.mkdtemp(prefix="ofiml-postgresql-"))
    port = find_port()
    (folder / "password").write_text(PASSWORD)
    if user:
        shutil.chown(folder, "postgres")
        shutil.chown(folder / "password", "postgres")

    def call(program: str, *arguments: str) -> bool:
        # Its output goes into a file: the server, which inherits a pipe, would keep it open.
        with (folder / "said").open("wb") as out:
            line = [*user, str(programs[-1] / program), *arguments]
            return subprocess.run(line, cwd=folder, stdout=out, stderr=out).returncode == 0

    data, log = folder / "data", folder / "log"
    own = f"-c listen_addresses={HOST} -c unix_socket_directories={folder} -c fsync=off -p {port}"
    try:
        access = ("-U", "ofiml", "-A", "scram-sha-256", f"--pwfile={folder / 'password'}")
        is_started = call("initdb", "-D", str(data), *access, "-E", "UTF8", "--no-sync") and call(
            "pg_ctl", "-D", str(data), "-l", str(log), "-w", "-t", "300", "-o", own, "start"
        )
        if not is_started:
            words = " ".join((folder / "said").read_text(errors="replace").split()[-40:])
            pytest.skip(f"PostgreSQL does not start on this machine ({words}): its tests were not run")
        import psycopg

        address = f"ofiml:{PASSWORD}@{HOST}:{port}"
        with psycopg.connect(f"postgresql://{address}/postgres", autocommit=True) as connection:
            connection.execute("CREATE DATABASE ofiml")
        yield f"postgresql+psycopg://{address}/ofiml"
    finally:
        if (data / "postmaster.pid").exists():  # also of a server that started too slowly
            call("pg_ctl", "-D", str(data), "-m", "immediate", "stop")
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The environment in which s3:// is a server on this machine, with a bucket `ofiml`."""
    port, folder = find_port(), tmp_path_factory.mktemp("s3")
    environment = {
        "AWS_ENDPOINT_URL": f"http://{HOST}:{port}",
        "AWS_ACCESS_KEY_ID": "key-of-a-test",
        "AWS_SECRET_ACCESS_KEY": "secret-of-a-test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    with service(folder, "moto", "-m", "moto.server", "-H", HOST, "-p", str(port)) as (process, log):
        wait_for_port(port, process, log)
        import boto3

        client = boto3.client(
            "s3",
            endpoint_url=environment["AWS_ENDPOINT_URL"],
            aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
            region_name=environment["AWS_DEFAULT_REGION"],
        )
        client.create_bucket(Bucket="ofiml")
        yield environment


@pytest.fixture
def study(tmp_path: Path) -> Callable[..., dict]:
    """Runs the quick study with further overrides in the folder of the test, and returns its report."""

    def run(*overrides: str, **environment: str) -> dict:
        code, out, err = complete(start(tmp_path, *QUICK, *overrides, **environment))
        assert code == 0, out + err
        return without_place(read_report(tmp_path))

    return run
