"""The server of MLflow's page, without its page."""

import io
import os
import signal
import subprocess
import sys
import time

import pytest

from ofiml.tracking.processes import identify_process, is_alive
from ofiml.tracking.server import copy_lines

#: Starts a child that would live on, says its number, and waits.
PARENT = """
import subprocess, sys, time
from ofiml.tracking.server import end_with_this_process
child = [sys.executable, "-c", "import os, time; print(os.getpid(), flush=True); time.sleep(600)"]
subprocess.Popen(end_with_this_process(child))
time.sleep(600)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not end children")
def test_the_server_ends_when_its_parent_is_killed():
    with subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True) as parent:
        child = identify_process(int(parent.stdout.readline()))
        try:
            assert is_alive(child)
            parent.kill()
            parent.wait()
            assert any(time.sleep(0.01) or not is_alive(child) for _ in range(30_000))
        finally:
            parent.kill()
            if is_alive(child):
                os.kill(child.number, signal.SIGKILL)


def test_flags_that_the_command_does_not_take_are_not_shown():
    lines = [
        "[MLflow] Security middleware enabled with default settings (localhost-only). To allow connections from …\n",
        "INFO:     Uvicorn running on http://127.0.0.1:5000\n",
        "\n",
    ]
    shown = io.StringIO()
    copy_lines(lines, shown)
    assert shown.getvalue() == lines[1]
