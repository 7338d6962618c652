"""The built wheel, installed in an empty environment outside the repository, does what the repository does."""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tomllib
import zipfile
from pathlib import Path

import pytest

from tests.conftest import ROOT

pytestmark = pytest.mark.slow

DIGEST = "806756f947013ad8"  # of debug=tiny, on every Python
SETTINGS = {  # of this process, that must not reach the environment
    *("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "MLFLOW_TRACKING_URI"),
    *("NUMBA_BOUNDSCHECK", "NUMBA_CACHE_DIR"),
}


def call(*command: str | Path, cwd: Path, code: int = 0) -> str:
    """What the command prints; fails where it ends with another code."""
    env = {name: value for name, value in os.environ.items() if name not in SETTINGS}
    done = subprocess.run([*map(str, command)], cwd=cwd, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == code, f"{command} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
    return done.stdout


def uv() -> str:
    """The uv of this environment."""
    return str(Path(sysconfig.get_path("scripts")) / "uv")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from a copy of what git tracks: nothing that merely lies about here gets in."""
    clone, out = tmp_path_factory.mktemp("clone"), tmp_path_factory.mktemp("dist")
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, names.split("\0")):
        if (ROOT / name).is_file():
            (clone / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, clone / name)
    call(uv(), "build", "--quiet", "--wheel", "--out-dir", out, clone, cwd=out)
    (path,) = out.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def scripts(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The scripts folder of an environment with the wheel and what it needs, as locked, checked by hash."""
    place = tmp_path_factory.mktemp("installed")
    call(sys.executable, "-m", "venv", "--without-pip", place / "env", cwd=place)
    scripts = place / "env" / ("Scripts" if os.name == "nt" else "bin")
    install = (uv(), "pip", "install", "--quiet", "--python", scripts / "python")
    call(*install, "--constraints", ROOT / "requirements.lock", wheel, cwd=place)
    return scripts


def test_the_wheel_holds_the_package_and_conf(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    sources = {p.relative_to(ROOT / "src").as_posix() for p in (ROOT / "src" / "ofiml").rglob("*.py")}
    pages = {f"ofiml/{p.relative_to(ROOT).as_posix()}" for p in (ROOT / "conf").rglob("*.yaml")}
    documents = {f"ofiml/reporting/html/document.{end}" for end in ("css", "html.j2")}
    assert sources | pages | documents | {"ofiml/conformance/ofi_books.json"} <= names
    assert {name.partition("/")[0] for name in names if ".dist-info" not in name} == {"ofiml"}


def test_it_runs_the_embedded_market_and_repeats_it(scripts: Path, tmp_path: Path) -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert call(scripts / "ofiml", "--version", cwd=tmp_path) == f"ofiml {version}\n"
    assert not list(tmp_path.iterdir())
    shown = call(scripts / "python", "-m", "ofiml.run", "debug=tiny", cwd=tmp_path)
    assert f"Predictions sha256 {DIGEST}" in shown
    run_id = re.search(r"MLflow run ([0-9a-f]{32})", shown)
    assert run_id
    repeated = call(scripts / "ofiml", "reproduce", run_id[1], cwd=tmp_path)
    assert "are identical" in repeated
    assert DIGEST in repeated
    assert "mlofi" in call(scripts / "ofiml", "run", "--help", cwd=tmp_path)
