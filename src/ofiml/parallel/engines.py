"""The backends of joblib outside of this process: processes, Dask and Ray."""

import logging
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from ofiml.errors import ConfigError
from ofiml.storage import strip_credentials

_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "POLARS_MAX_THREADS"), "1")
_TIMEOUT = 30  # seconds until a scheduler answers, as one on a busy machine does
_IDLE = 30  # seconds until a process without work ends


@dataclass(frozen=True, slots=True)
class Engine:
    """A backend of joblib that is ready: its name, the number of its workers and its options."""

    backend: str
    count: int
    options: dict[str, Any] = field(default_factory=dict)


@contextmanager
def open_processes(address: str | None, count: int) -> Iterator[Engine]:
    """Open `count` processes of joblib on this machine. They start with the first piece."""
    options = {
        "inner_max_num_threads": 1,
        "idle_worker_timeout": _IDLE,
        "initializer": _prepare_process,
        "initargs": (os.getpid(),),
    }
    yield Engine("loky", count, options)


def _prepare_process(parent: int) -> None:
    """Prepare a process: one thread, no answer to Ctrl-C, which its parent hears, and an end with its parent."""
    os.environ.update(_ONE_THREAD)
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def look() -> None:
        while os.getppid() == parent:
            time.sleep(1.0)
        os._exit(1)

    threading.Thread(target=look, daemon=True).start()


@contextmanager
def open_dask(address: str | None, count: int) -> Iterator[Engine]:
    """Connect to the Dask scheduler at an address, or start one with `count` processes on this machine."""
    try:
        import dask
        from distributed import Client, LocalCluster, Security
    except ImportError:
        raise _name_missing("dask", "Dask") from None
    if address is None:
        settings = {f"distributed.nanny.pre-spawn-environ.{name}": value for name, value in _ONE_THREAD.items()}
        # Who reaches a scheduler runs code as this user, so only holders of these certificates do.
        with (
            dask.config.set(settings),
            LocalCluster(
                n_workers=count,
                threads_per_worker=1,
                host="tls://127.0.0.1",
                security=Security.temporary(),
                dashboard_address=None,
                silence_logs=logging.CRITICAL,
            ) as cluster,
            Client(cluster) as client,
        ):
            yield Engine("dask", count, {"client": client})
        return
    try:
        client = Client(address, timeout=_TIMEOUT, set_as_default=False)
    except (OSError, ValueError, RuntimeError) as error:
        raise _make_silent("dask", address, error) from None
    with client:
        count = sum(client.ncores().values())
        if not count:
            raise ConfigError(f"The Dask scheduler at {strip_credentials(address)} has no worker: start dask worker.")
        yield Engine("dask", count, {"client": client})


@contextmanager
def open_ray(address: str | None, count: int) -> Iterator[Engine]:
    """Connect to the Ray cluster at an address."""
    assert address is not None  # the config requires it
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # Ray reads it when it is imported
    try:
        import ray
        from ray.util.joblib import register_ray
    except ImportError:
        raise _name_missing("ray", "Ray") from None
    register_ray()
    _reach(address)  # Ray tries for minutes
    try:
        ray.init(
            address=address,
            log_to_driver=False,
            logging_level=logging.ERROR,
            runtime_env={"env_vars": _ONE_THREAD},
        )
    except (OSError, ValueError, RuntimeError) as error:  # Ray's own are of RuntimeError
        raise _make_silent("ray", address, error) from None
    try:
        cores = int(ray.available_resources().get("CPU", 0))
        if not cores:
            raise ConfigError("The Ray cluster has no free core: wait for other jobs, or add a node with ray start.")
        yield Engine("ray", cores, {"ray_remote_args": {"num_cpus": 1}})  # else all workers may run on one node
    finally:
        ray.shutdown()


ENGINES: dict[str, Callable[[str | None, int], AbstractContextManager[Engine]]] = {
    "processes": open_processes,
    "dask": open_dask,
    "ray": open_ray,
}


def _reach(address: str) -> None:
    """Raise ConfigError if nothing listens at the host and port of an address; `auto` has none."""
    parts = urlsplit(address if "://" in address else f"//{address}")
    if parts.port is None:
        return
    try:
        socket.create_connection((parts.hostname, parts.port), _TIMEOUT).close()
    except OSError as error:
        raise _make_silent("ray", address, error) from None


def _name_missing(extra: str, product: str) -> ConfigError:
    return ConfigError(f"parallel={extra} needs {product}, which is not installed: pip install 'ofiml[{extra}]'.")


def _make_silent(name: str, address: str, error: Exception) -> ConfigError:
    reason = " ".join(str(error).split())[:300] or type(error).__name__
    return ConfigError(
        f"parallel.address={strip_credentials(address)}: the scheduler of {name} does not answer ({reason}): start it, "
        "or use parallel=threads."
    )
