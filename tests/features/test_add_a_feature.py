"""The how-to, followed to the letter in a copy of the package."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from textwrap import dedent
from typing import Any, NamedTuple

import pytest

from ofiml._numba import digest
from ofiml.features.catalogue import CATALOGUE
from tests.conftest import ROOT

pytestmark = pytest.mark.slow  # a copy of the package compiles its own kernels
TESTS = [
    "test_slow.py::test_there_is_a_formula_for_each_feature_of_the_catalogue",
    "test_kernel.py::test_the_prefix_test_can_fail",
    "test_kernel.py::test_each_family_fills_its_own_entries_and_no_others",
    "test_kernel.py::test_mirrored_books_flip_signs_and_keep_sizes",
]
CHECK = """
import json
import numpy as np
from ofiml import _numba
from ofiml.config import TimeBars
from ofiml.features.batch import compute_bars, pack_rows
from ofiml.features.catalogue import CATALOGUE, INDEX
from ofiml.features.machine import Plan, describe_market
from ofiml.live.stream import Stream
from tests.books import busy_session

session = busy_session(0, 120, levels=7)
step, plan = 2 * 10**9, Plan(None, (), 0, 5, 20)
edges = np.arange(session.open, session.close + 1, step)
c = compute_bars(session, describe_market(session, "message"), plan, edges)
stream = Stream(describe_market(session, "message"), TimeBars("time", "2s", "message"), plan)
bars = [bar for rows in pack_rows(session) for row in rows for bar in stream.push_row(row)]
at = [INDEX[name] for name in ("near_share", "depth_5", "depth_all")]
print(json.dumps({
    "names": list(CATALOGUE),
    "batch": c.features[: len(bars), at].tolist(),
    "live": [[bar[name] for name in ("near_share", "depth_5", "depth_all")] for bar in bars],
    "digest": _numba.digest("ofiml.features.kernel"),
}))
"""


class Followed(NamedTuple):
    """A copy of the package and its tests with the how-to's feature, and what its process computes."""

    folder: Path
    computed: dict[str, Any]


@pytest.fixture(scope="module")
def followed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("followed")
    shutil.copytree(ROOT / "src" / "ofiml", folder / "ofiml", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "tests", folder / "tests", ignore=shutil.ignore_patterns("__pycache__"))
    page = (ROOT / "docs" / "add-a-feature.md").read_text()
    entry, line, formula = re.findall(r" *```python\n(.*?)```", page, re.S)
    oracle = folder / "tests" / "features" / "slow.py"
    oracle.write_text(f"{oracle.read_text()}\n\n{dedent(formula)}")
    module = folder / "ofiml" / "features" / "families" / "depth.py"
    text = module.read_text()
    assert text.count("\n)\n\n\ndef fill(") == 1
    module.write_text(
        text.replace("\n)\n\n\ndef fill(", f"\n    {entry.strip()}\n)\n\n\ndef fill(") + "    " + line.strip() + "\n"
    )
    return Followed(folder, json.loads(run_python(folder, "-c", CHECK)))


def run_python(folder, *arguments):
    """Run Python on the copy, with the kernels that its tests use too, and return what it prints."""
    kernels = folder / ".pytest_cache" / "numba"
    environment = os.environ | {"PYTHONPATH": str(folder), "NUMBA_CACHE_DIR": str(kernels)}
    done = subprocess.run(
        [sys.executable, *arguments], env=environment, cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_its_column_is_its_place_and_all_others_stay_in_order(followed):
    assert [name for name in followed.computed["names"] if name != "near_share"] == list(CATALOGUE)
    assert followed.computed["names"].index("near_share") == followed.computed["names"].index("spread_ticks") - 1


def test_batch_and_stream_compute_it(followed):
    known = [(share, near / all_) for share, near, all_ in followed.computed["batch"] if all_ > 0]
    assert len(known) > 5
    assert [a for a, _ in known] == pytest.approx([b for _, b in known], rel=1e-12)
    assert len({a for a, _ in known}) > 3
    assert followed.computed["live"] == followed.computed["batch"]


def test_its_kernels_are_compiled_for_themselves(followed):
    assert followed.computed["digest"] != digest("ofiml.features.kernel")


def test_the_tests_of_the_features_hold_with_it(followed):
    """Those that speak of the whole catalogue; the copy's tests know the formula of the how-to."""
    tests = [f"tests/features/{name}" for name in TESTS]
    printed = run_python(followed.folder, "-m", "pytest", "-q", "-p", "no:xdist", "-p", "no:cacheprovider", *tests)
    assert re.search(r"^\d+ passed", printed.splitlines()[-1]), printed
