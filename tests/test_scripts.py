"""Scripts and benchmarks: each name that they import exists, and `--help` of each answers and writes nothing."""

import ast
import importlib
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.conftest import ROOT

FILES = sorted([*(ROOT / "scripts").glob("*.py"), *(ROOT / "benchmarks").glob("*.py")])
PROGRAMS = [path for path in FILES if '\nif __name__ == "__main__":' in path.read_text()]


def missing(source):
    """The names that the source imports from ofiml and that are not there, wherever in it they are imported."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names if alias.name.startswith("ofiml") and not there(alias.name)]
        elif isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "ofiml":
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            found += [name for name in names if not there(name)]
    return found


def there(name):
    """Whether the dotted name is a module, or is in one."""
    try:
        importlib.import_module(name)
        return True
    except ImportError:
        module, _, attribute = name.rpartition(".")
        try:
            return hasattr(importlib.import_module(module), attribute)
        except ImportError:
            return False


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_what_is_imported_exists(path):
    assert missing(path.read_text()) == []


def test_a_name_that_does_not_exist_is_found():
    source = """
from ofiml.metrics.scores import ic, measure
import ofiml.nowhere
def late():
    from ofiml.nowhere.at import all
    from ofiml.metrics import scores
"""
    assert missing(source) == ["ofiml.metrics.scores.measure", "ofiml.nowhere", "ofiml.nowhere.at.all"]


@pytest.mark.slow
def test_help_answers_and_writes_nothing(tmp_path):
    """A program that ignored --help would begin its work: none takes a second of processor time beyond its imports."""

    def asked(path):
        line, env = [sys.executable, str(path), "--help"], os.environ | {"PYTHONDONTWRITEBYTECODE": "1"}
        return subprocess.run(line, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=1200, check=False)

    before = state()
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for path, done in zip(PROGRAMS, pool.map(asked, PROGRAMS), strict=True):
            assert done.returncode == 0, f"{path.name}: {done.stderr}"
            assert done.stdout.startswith(f"usage: {path.name}")
    assert not list(tmp_path.iterdir())
    assert state() == before


def state():
    """When each file of the repository that a script might write was changed."""
    places = ("docs", "scripts", "benchmarks", "experiments", "tests")
    files = (path for place in places for path in (ROOT / place).rglob("*") if "__pycache__" not in path.parts)
    return {path: path.stat().st_mtime_ns for path in files}
