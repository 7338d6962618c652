"""The docstrings that commands leave out: SciPy and matplotlib do the same without them."""

import subprocess
import sys

_COMPUTE = """
import sys

if sys.argv[1] == "without":
    from ofiml.cli.docstrings import leave_out_docstrings

    leave_out_docstrings()
import inspect

import scipy.special
import scipy.stats
from matplotlib.figure import Figure

axis = Figure().subplots()
(line,) = axis.plot([1, 2])
line.set(linewidth=3)
sample = [1.0, 2.0, 4.0, 8.0]
print(scipy.special.ndtr(0.3), scipy.stats.gmean(sample), scipy.stats.skew(sample, axis=0, nan_policy="omit"))
print(inspect.signature(scipy.stats.skew), inspect.signature(line.set), line.get_linewidth())
print("Array API" in scipy.stats.gmean.__doc__, "antialiased" in type(line).set.__doc__)
"""


def _run(how: str) -> list[str]:
    run = subprocess.run([sys.executable, "-c", _COMPUTE, how], capture_output=True, text=True, check=True, timeout=120)
    return run.stdout.splitlines()


def test_libraries_do_the_same_without_composed_docstrings():
    *results, composed = _run("with")
    *others, left_out = _run("without")
    assert results == others
    assert composed == "True True"  # else there is nothing to leave out any more
    assert left_out == "False False"
