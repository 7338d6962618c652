"""Free ports of this machine for servers that tests and scripts start, and the wait until one answers."""

import random
import socket
import subprocess
import time
from pathlib import Path
from typing import Any

HOST = "127.0.0.1"
#: Below those that systems give to connections, one of which could take the port before the server does.
_PORTS = range(20_000, 32_768)
_SECONDS = 600.0  # a loaded machine takes minutes to start a server


def find_port() -> int:
    """Return a port that is free now, drawn at random, so that processes that ask at once get different ones."""
    chance = random.Random()
    while True:
        port = chance.choice(_PORTS)
        with socket.socket() as probe:
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            return port


def wait_for_port(port: int, process: "subprocess.Popen[Any]", log: Path | None = None, host: str = HOST) -> None:
    """Wait until a server answers. Raises AssertionError, with the end of its log, if it does not or has ended."""
    end = time.monotonic() + _SECONDS
    while time.monotonic() < end and process.poll() is None:
        with socket.socket() as client:
            if client.connect_ex((host, port)) == 0:
                return
        time.sleep(0.2)
    raise AssertionError(f"{process.args!r} did not start: {log.read_text()[-3000:] if log else ''}")
