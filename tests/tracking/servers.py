"""An MLflow server on this machine, with its store and its files in a folder, that a test may stop, freeze and kill."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.services.conftest import HOST, find_port, wait_for_port


class Server:
    """A server in a session of its own. It is started again on the same port, with the same store."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, find_port()
        self.artifacts = folder / "artifacts"
        self.log = folder / "server.log"
        self.process: subprocess.Popen | None = None

    @property
    def uri(self) -> str:
        return self.uri_of("")

    def uri_of(self, user: str) -> str:
        """The address with `user`, which is `name:password@`, quoted."""
        return f"http://{user}{HOST}:{self.port}"

    def start(self) -> None:
        environment = {
            "MLFLOW_BACKEND_STORE_URI": f"sqlite:///{self.folder / 'server.db'}",
            "MLFLOW_ARTIFACTS_DESTINATION": str(self.artifacts),
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
            "MLFLOW_DISABLE_TELEMETRY": "true",
        }
        line = ("server", "--host", HOST, "--port", str(self.port), "--workers", "1", "--serve-artifacts")
        with self.log.open("ab") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "mlflow", *line],
                cwd=self.folder,
                stdout=out,
                stderr=out,
                env={**os.environ, **environment},
                start_new_session=True,
            )
        wait_for_port(self.port, self.process, self.log)

    def send(self, number: signal.Signals) -> None:
        """Sends a signal to all processes of the server."""
        assert self.process is not None
        os.killpg(self.process.pid, number)

    def kill(self) -> None:
        if self.process is not None:
            self.send(signal.SIGKILL)
            self.process.wait()
            self.process = None


@contextmanager
def serve_store(folder: Path) -> Iterator[Server]:
    """A server that answers, killed in the end."""
    folder.mkdir(exist_ok=True)
    server = Server(folder)
    try:
        server.start()
        yield server
    finally:
        server.kill()
