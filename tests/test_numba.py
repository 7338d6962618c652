"""How kernels are compiled: what a function that one calls gives, and whose cache it is."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ofiml import _numba
from ofiml._numba import cache_folder, digest, sources
from tests.conftest import slow_but_each

KERNEL = """
from ofiml._numba import compiled
from ofiml.rules import FACTOR, shifted

def scaled_py(x: int) -> int:
    return FACTOR * shifted(x)

scaled = compiled(scaled_py)
"""
RULES = """
FACTOR = {factor}

def shifted(x: int) -> int:
    return x + {shift}
"""


@pytest.fixture
def package(tmp_path):
    """A small package `ofiml` with the compiler and a kernel whose callee and constant stand in another file."""
    folder = tmp_path / "src" / "ofiml"
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text("")
    for name in ("_numba.py", "_numba_code.py", "atomic.py"):
        (folder / name).write_text(Path(_numba.__file__).with_name(name).read_text())
    (folder / "kernel.py").write_text(KERNEL)
    (folder / "rules.py").write_text(RULES.format(factor=2, shift=1))
    (folder / "other.py").write_text("FACTOR = 1\n")
    return folder


def answer(package, **environment):
    """(scaled(10), whether it was loaded from the cache, in which folder), of a fresh process."""
    code = (
        "from ofiml.kernel import scaled; print(scaled(10), sum(scaled.stats.cache_hits.values()), "
        "scaled.stats.cache_path)"
    )
    # Python takes bytecode for that of a source of the same size and second of change, and tests change sources faster.
    kept = {k: v for k, v in os.environ.items() if not k.startswith("NUMBA_")} | {"PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=kept | {"PYTHONPATH": str(package.parent)} | environment, cwd=package,
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    value, hits, folder = done.stdout.split(maxsplit=2)
    return int(value), int(hits), Path(folder.strip()).parent


@pytest.mark.slow
def test_a_change_in_another_file_gives_the_new_result(package):
    first = answer(package)
    assert first[:2] == (22, 0)
    assert answer(package) == (22, 1, first[2])
    (package / "rules.py").write_text(RULES.format(factor=3, shift=1))
    constant = answer(package)
    assert constant[:2] == (33, 0)
    (package / "rules.py").write_text(RULES.format(factor=3, shift=5))
    callee = answer(package)
    assert callee[:2] == (45, 0)
    assert len({first[2], constant[2], callee[2]}) == 3
    (package / "other.py").write_text("FACTOR = 7\n")  # what the kernel does not import is nothing to it
    assert answer(package) == (45, 1, callee[2])


@pytest.mark.slow
def test_kernels_that_check_their_bounds_have_a_folder_of_their_own(package):
    assert answer(package)[2] != answer(package, NUMBA_BOUNDSCHECK="1")[2]


@pytest.mark.slow
@pytest.mark.parametrize("apart", [False, True])
def test_the_code_of_a_callee_is_kept_apart_only_if_asked(package, apart):
    (package / "kernel.py").write_text(KERNEL.replace("FACTOR * shifted(x)", "shifted(x)"))
    rules = RULES.format(factor=2, shift=1)
    if apart:
        rules = "from ofiml._numba import keep_apart\n" + rules.replace("def shifted", "@keep_apart\ndef shifted")
    (package / "rules.py").write_text(rules)
    code = (
        "from ofiml.kernel import scaled; scaled(10); (done,) = scaled.overloads.values(); "
        "print(sum('shifted' in f.name for f in done.library._final_module.functions))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | {"PYTHONPATH": str(package.parent)}, cwd=package,
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert int(done.stdout) == apart


@pytest.mark.slow
def test_the_folder_is_beside_the_package_else_the_users_else_where_numba_was_set(package, tmp_path):
    assert answer(package)[2].parent == package / "__pycache__"
    mine = tmp_path / "mine"
    assert answer(package, NUMBA_CACHE_DIR=str(mine))[2].parent == mine
    for path in (package / "__pycache__").glob("kernels-*"):
        for file in [*path.rglob("*")][::-1]:
            file.rmdir() if file.is_dir() else file.unlink()
        path.rmdir()
    for file in (package / "__pycache__").iterdir():
        file.unlink()
    (package / "__pycache__").rmdir()
    (package / "__pycache__").write_text("no folder can be made here, as in a package that is read-only")
    users = answer(package, XDG_CACHE_HOME=str(tmp_path / "users"))
    if sys.platform == "linux":
        assert users[2].parent == tmp_path / "users" / "ofiml"
    (tmp_path / "users.txt").write_text("")
    assert answer(package, XDG_CACHE_HOME=str(tmp_path / "users.txt"))[:2] == (22, 0)  # no cache at all


def test_folders_that_nobody_uses_are_deleted(tmp_path):
    cache_folder.cache_clear()
    _numba._delete_unused.cache_clear()
    old, young, foreign = (tmp_path / name for name in ("kernels-old", "kernels-young", "somebody-elses"))
    for folder in (old, young, foreign):
        folder.mkdir()
        (folder / "file").write_text("")
    long_ago = time.time() - 31 * 24 * 3600
    os.utime(old, (long_ago, long_ago))
    os.utime(foreign, (long_ago, long_ago))
    folder = cache_folder("ofiml.features.kernel", tmp_path)
    assert sorted(tmp_path.iterdir()) == sorted([folder, young, foreign])
    cache_folder.cache_clear()


def test_the_sources_of_the_feature_kernel_are_its_callees_files_and_no_report():
    names = {path.name for path in sources("ofiml.features.kernel")}
    assert {
        "kernel.py",
        "update.py",
        "measures.py",
        "layout.py",
        "depth.py",
        "units.py",
        "_numba.py",
        "_numba_code.py",
    } <= names
    assert "batch.py" not in names
    assert len(digest("ofiml.features.kernel")) == 16


def test_to_import_it_is_to_import_no_numba():
    code = "import sys, ofiml._numba; sys.exit('numba' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


CALLEES = {
    "returning of array passed into": "made(x)[0]\n\n\ndef made(x):\n    return np.zeros(x)\n",
    "same returns an array": "same(x)[1]\n\n\ndef same(a):\n    return a, 1\n",
}


@pytest.mark.parametrize("reason", slow_but_each(2, CALLEES))
@pytest.mark.slow
def test_a_callee_that_makes_or_returns_an_array_is_refused(package, reason):
    """Callees count no references: such an array would be freed too early, or never."""
    argument = "np.zeros(x)" if "same" in reason else "x"
    (package / "rules.py").write_text(
        "import numpy as np\n\nFACTOR = 1\n\n\ndef shifted(x):\n    return " + CALLEES[reason]
    )
    (package / "kernel.py").write_text("import numpy as np\n" + KERNEL.replace("shifted(x)", f"shifted({argument})"))
    with pytest.raises(subprocess.CalledProcessError) as failed:
        answer(package)
    assert reason in failed.value.stderr


def test_the_passes_that_are_left_out_are_numbas():
    """A name that numba does not know would leave out nothing."""
    from numba.core.compiler import DefaultPassBuilder, Flags

    from ofiml._numba_code import _PASSES_WITHOUT_USE

    class State(dict):
        __getattr__ = dict.get

    manager = DefaultPassBuilder.define_nopython_pipeline(State(flags=Flags()))
    assert {each.name() for each, _ in manager.passes} >= _PASSES_WITHOUT_USE


@pytest.mark.slow
@pytest.mark.parametrize("body", ["FACTOR * shifted(x)", "shifted(x, 1)"])
def test_numba_is_as_it_was_after_a_compilation(package, body):
    (package / "kernel.py").write_text(KERNEL.replace("FACTOR * shifted(x)", body))
    code = (
        "from numba import errors\n"
        "from numba.core.types.functions import BaseFunction\n"
        "before = BaseFunction.get_call_type\n"
        "from ofiml.kernel import scaled\n"
        "try:\n    print(scaled(10))\n"
        "except errors.TypingError:\n    print('refused')\n"
        "assert BaseFunction.get_call_type is before\n"
        "from ofiml._numba_code import _calls_of_parts\n"
        "assert not _calls_of_parts\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | {"PYTHONPATH": str(package.parent)}, cwd=package,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stdout == ("22\n" if "FACTOR" in body else "refused\n"), done.stderr
    assert done.returncode == 0, done.stderr


def test_how_kernels_are_compiled_counts_for_their_folder():
    assert "_numba_code.py" in {path.name for path in sources("ofiml.backtest.kernel")}
