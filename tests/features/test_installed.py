"""A feature of an installed package is a column like ours, in batch and live."""

import json
import os
import subprocess
import sys

import pytest

from ofiml.features.catalogue import CATALOGUE
from ofiml.features.installed import SOURCES, fill_installed
from tests.conftest import ROOT

FAMILY = """
from ofiml.features.entry import EVEN, Feature
from their_features.rules import share

ENTRIES = (Feature("{name}", "depth", "size on level 1 / depth of all", "1", "never", EVEN),)


def fill(m, t, out):
    size = 0
    for k in range(m.state.levels):
        size += m.book[4 * k + 1] + m.book[4 * k + 3]
    out.{name} = share(m.book[1] + m.book[3], size)
"""
RULES = "def share(a, b):\n    return {factor} * a / b if b > 0 else -1.0\n"
CHECK = """
import json
import numpy as np
from ofiml import _numba
from ofiml.config import TimeBars
from ofiml.features.batch import compute_bars, pack_rows
from ofiml.features.catalogue import CATALOGUE, select_features
from ofiml.features.installed import SOURCES
from ofiml.features.machine import Plan, describe_market
from ofiml.live.stream import Stream
from tests.books import busy_session

session = busy_session(0, 120, levels=7)
plan = Plan(None, (), 0, 5, 20)
edges = np.arange(session.open, session.close + 1, 2 * 10**9)
names = [entry.name for entry in select_features(["their_share", "best_share"])]
c = compute_bars(session, describe_market(session, "message"), plan, edges, names)
stream = Stream(describe_market(session, "message"), TimeBars("time", "2s", "message"), plan)
bars = [bar for rows in pack_rows(session) for row in rows for bar in stream.push_row(row)]
print(json.dumps({
    "names": list(CATALOGUE),
    "batch": c.features[: len(bars)].tolist(),
    "live": [[bar[name] for name in names] for bar in bars],
    "keys": [_numba.digest("ofiml.features.kernel"), _numba.digest("ofiml.data.book.kernel"), *SOURCES],
}))
"""


def installed(folder, code, name="their_share", factor="1.0"):
    """Run `code` in a process that has the package installed."""
    package, info = folder / "their_features", folder / "their_features-1.2.dist-info"
    for path in (package, info):
        path.mkdir(exist_ok=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: their-features\nVersion: 1.2\n")
    (info / "entry_points.txt").write_text("[ofiml.features]\ntheirs = their_features.near\n")
    (package / "__init__.py").write_text("")
    (package / "near.py").write_text(FAMILY.format(name=name))
    (package / "rules.py").write_text(RULES.format(factor=factor))
    path = os.pathsep.join(map(str, (folder, ROOT / "src", ROOT)))
    environment = os.environ | {"PYTHONPATH": path, "NUMBA_CACHE_DIR": str(folder / "kernels")}
    return subprocess.run(
        [sys.executable, "-c", code], env=environment, cwd=folder, capture_output=True, text=True, check=False
    )


@pytest.mark.slow
def test_batch_and_stream_have_the_column_and_a_change_in_the_package_is_seen(tmp_path):
    answers = []
    for factor in ("1.0", "2.0"):
        done = installed(tmp_path, CHECK, factor=factor)
        assert done.returncode == 0, done.stderr
        answers.append(json.loads(done.stdout))
    first, second = answers
    assert first["names"] == [*CATALOGUE, "their_share"]
    known = [(theirs, ours) for theirs, ours in first["batch"] if ours == ours]
    assert len({theirs for theirs, _ in known}) > 3
    assert [theirs for theirs, _ in known] == [ours for _, ours in known]
    assert first["live"] == first["batch"]
    assert [theirs for theirs, ours in second["batch"] if ours == ours] == [2 * ours for _, ours in known]
    assert [a == b for a, b in zip(first["keys"], second["keys"], strict=True)] == [False, True, False]


def test_a_name_that_is_there_is_one_error_with_both_owners(tmp_path):
    done = installed(tmp_path, "import ofiml.features.catalogue", name="best_share")
    message = done.stderr.splitlines()[-1]
    assert "ConfigError: The feature best_share is declared by features theirs of the installed package" in message
    assert "their-features 1.2, and by ofiml itself" in message


def test_without_such_a_package_nothing_is_written():
    assert fill_installed.__name__ == "_skip"
    assert SOURCES == ()


@pytest.mark.slow
def test_a_package_that_cannot_be_loaded_ends_a_run_in_one_sentence(tmp_path):
    info = tmp_path / "their_feat-0.1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: their-feat\nVersion: 0.1\n")
    (info / "entry_points.txt").write_text("[ofiml.features]\nx = absent_module\n")
    command = [sys.executable, "-m", "ofiml.run", "debug=tiny", "tracking=off"]
    paths = os.pathsep.join(filter(None, [str(tmp_path), os.environ.get("PYTHONPATH", "")]))
    env = os.environ | {"PYTHONPATH": paths}
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("ofiml: features x of the installed package their-feat 0.1 cannot be loaded")
    assert done.stderr.count("\n") == 1
