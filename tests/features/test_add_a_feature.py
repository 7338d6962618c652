"""The how-to, followed to the letter in a copy of the package."""

import json
import os
import re
import shutil
import subprocess
import sys

import pytest

from ofiml._numba import digest
from ofiml.features.catalogue import CATALOGUE
from tests.conftest import ROOT

pytestmark = pytest.mark.slow  # a copy of the package compiles its own kernels
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


@pytest.fixture(scope="module")
def followed(tmp_path_factory):
    """What a process computes with the how-to's feature in its package."""
    folder = tmp_path_factory.mktemp("followed")
    shutil.copytree(ROOT / "src" / "ofiml", folder / "ofiml", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "tests", folder / "tests", ignore=shutil.ignore_patterns("__pycache__"))
    entry, line = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "add-a-feature.md").read_text(), re.S)
    module = folder / "ofiml" / "features" / "families" / "depth.py"
    text = module.read_text()
    assert text.count("\n)\n\n\ndef fill(") == 1
    module.write_text(
        text.replace("\n)\n\n\ndef fill(", f"\n    {entry.strip()}\n)\n\n\ndef fill(") + "    " + line.strip() + "\n"
    )
    environment = os.environ | {"PYTHONPATH": str(folder), "NUMBA_CACHE_DIR": str(folder / "kernels")}
    done = subprocess.run(
        [sys.executable, "-c", CHECK], env=environment, cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_its_column_is_its_place_and_all_others_stay_in_order(followed):
    assert [name for name in followed["names"] if name != "near_share"] == list(CATALOGUE)
    assert followed["names"].index("near_share") == followed["names"].index("spread_ticks") - 1


def test_batch_and_stream_compute_it(followed):
    known = [(share, near / all_) for share, near, all_ in followed["batch"] if all_ > 0]
    assert len(known) > 5
    assert [a for a, _ in known] == pytest.approx([b for _, b in known], rel=1e-12)
    assert len({a for a, _ in known}) > 3
    assert followed["live"] == followed["batch"]


def test_its_kernels_are_compiled_for_themselves(followed):
    assert followed["digest"] != digest("ofiml.features.kernel")
