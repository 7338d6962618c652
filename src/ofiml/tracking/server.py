"""MLflow's page of the runs, served on this machine only."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterable
from functools import partial
from typing import TextIO

from ofiml.database import find_file
from ofiml.errors import ConfigError
from ofiml.storage import strip_credentials
from ofiml.tracking.faults import describe_fault
from ofiml.tracking.processes import mark_dead_runs
from ofiml.tracking.read import DEFAULT_EXPERIMENT
from ofiml.tracking.store import connect
from ofiml.tracking.views import CHARTS, TABLE, link_view, prepare_views

_HOST = "127.0.0.1"
#: Without these, MLflow counts its users, and starts ten processes for jobs that nothing here has.
_ENVIRONMENT = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
_SECONDS = 0.2  # between two looks at the server
_HIDDEN = "[MLflow] Security middleware"  # the start of a line on flags that `ofiml ui` does not take

#: Runs a command in the place of its own process, which Linux ends with SIGTERM when the process of the first argument,
#: its parent, is gone, however that ended.
_LAUNCH = """
import ctypes, os, signal, sys
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG
    if os.getppid() != int(sys.argv[1]):
        sys.exit("its parent has ended")
os.execv(sys.argv[2], sys.argv[2:])
"""


def list_pages(uri: str, port: int) -> list[str]:
    """List the addresses of the views of each experiment, and give experiments without views theirs.

    Raises ConfigError if there is no store at `uri`, or if the port is taken.
    """
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    if uri.startswith("http"):
        raise ConfigError(f"{strip_credentials(uri)} serves a page of its own: open it in a browser.")
    path = find_file(uri)
    if path is not None and not path.is_file():
        raise ConfigError(f"There is no store at {uri}: name the store of the runs with --uri, or run a study first.")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((_HOST, port))
        except OSError as error:
            raise ConfigError(f"Port {port} is taken ({error.strerror}): choose another with --port.") from error
    pages = []
    try:
        client = connect(uri)
        experiments = client.search_experiments(order_by=["name"])
        mark_dead_runs(client, [experiment.experiment_id for experiment in experiments])
        for experiment in experiments:
            if experiment.experiment_id != DEFAULT_EXPERIMENT:
                prepare_views(client, experiment)
                for view in (TABLE, CHARTS):
                    address = link_view(f"http://{_HOST}:{port}", experiment.experiment_id, view)
                    pages.append(f"{experiment.name}, {view}: {address}")
    except (MlflowException, SQLAlchemyError, OSError) as error:
        raise describe_fault(error, uri) from error
    return pages or ["The store has no experiment yet: run a study first."]


def end_with_this_process(command: list[str]) -> list[str]:
    """Return the command that runs `command`, the path of a program first, and on Linux ends it with this process."""
    return [sys.executable, "-c", _LAUNCH, str(os.getpid()), *command]


def serve(uri: str, port: int) -> int:
    """Serve the page until it is interrupted, and return the exit code of the server."""
    command = [sys.executable, "-m", "mlflow", "server", "--host", _HOST, "--port", str(port), "--workers", "1"]
    command = end_with_this_process(command)
    # The uri may hold a password, which a command line would show to all.
    environment = os.environ | _ENVIRONMENT | {"MLFLOW_BACKEND_STORE_URI": uri}
    pipe = partial(subprocess.Popen, stderr=subprocess.PIPE, text=True, errors="replace")
    # In a group of its own Ctrl-C does not reach the server, which would answer with a traceback.
    with pipe(command, env=environment, process_group=0) as server:
        assert server.stderr is not None
        copier = threading.Thread(target=copy_lines, args=(server.stderr, sys.stderr), daemon=True)
        copier.start()
        try:
            while (code := server.poll()) is None:
                time.sleep(_SECONDS)  # a signal that another thread receives would not end a wait
        except KeyboardInterrupt:
            os.killpg(server.pid, signal.SIGTERM)
            server.wait()
            code = 0
        copier.join()
    return code


def copy_lines(source: Iterable[str], target: TextIO) -> None:
    """Copy what the server prints, without what is not for users of `ofiml ui`."""
    for line in source:
        if not line.startswith(_HIDDEN) and line.strip():
            target.write(line)
            target.flush()
