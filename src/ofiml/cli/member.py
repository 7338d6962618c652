"""Run one member of a sweep, in a process that a launcher of Hydra started, and write how it stands."""

import multiprocessing
import os
import signal
import threading
import time
import traceback
from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from ofiml.cli.config_file import list_overrides
from ofiml.cli.exits import describe_error
from ofiml.cli.garbage import collect_rarely, load_without_collecting
from ofiml.cli.interrupts import raise_interrupts
from ofiml.config import Config, load
from ofiml.errors import DataError
from ofiml.overrides.installed import register_installed
from ofiml.storage import strip_credentials
from ofiml.sweeps.manifest import read_manifest
from ofiml.sweeps.status import Status, advance_member, fail_member, finish_member, start_member

_SECONDS = 1.0  # between two looks at the process of the sweep


def run_member(composed: DictConfig) -> None:
    """Run the study of the composed config. Its status file says how it ended; only an interrupt leaves this function.

    An error that is not one of the config or the data is a mistake of the program: its traceback is in error.txt,
    without credentials, which the messages of MLflow may have.
    """
    folder = Path(HydraConfig.get().runtime.output_dir)
    status = start_member(folder)
    _end_with_parent()
    try:
        with collect_rarely():
            register_installed()
            _record(load(composed), folder, status)
    except KeyboardInterrupt:
        fail_member(folder, status, "interrupted")
        raise
    except Exception as error:  # noqa: BLE001 - whatever it is, the other members go on
        sentence = describe_error(error)
        if sentence is None:
            (folder / "error.txt").write_text(strip_credentials(traceback.format_exc()))
            sentence = (
                f"{type(error).__name__}: {strip_credentials(str(error))} (the traceback is in {folder / 'error.txt'})"
            )
        fail_member(folder, status, sentence)


def _record(config: Config, folder: Path, status: Status) -> None:
    with load_without_collecting():
        from ofiml.reporting.summary import explain_failure, summarise_report
        from ofiml.tracking.parent import PARENT
        from ofiml.tracking.record import load_libraries, record_study

        load_libraries(config.tracking, tunes=config.tuning.enabled)
    status = advance_member(folder, status, "start", 0, 0)
    manifest = read_manifest(folder.parent)
    if manifest is None:
        raise DataError(f"{folder.parent} has no sweep.json: the sweep was deleted while it ran.")
    tags = {PARENT: manifest.parent} if manifest.parent else {}
    typed = next(m.overrides for m in manifest.members if str(m.number) == folder.name)
    overrides = list_overrides(typed, HydraConfig.get().job.config_name, config)
    progress = _Progress(folder, status)
    with raise_interrupts():
        record = record_study(config, folder, tags, overrides, progress.show)
    report = record.study.report
    failure = explain_failure(report)
    if failure is not None:
        fail_member(folder, status, failure)
    else:
        finish_member(folder, status, record.run_id, summarise_report(report), record.unlogged)


class _Progress:
    """Writes the stage of a member a few times a second at most. Threads may call it at the same time."""

    def __init__(self, folder: Path, status: Status) -> None:
        self._folder, self._status = folder, status
        self._lock = threading.Lock()
        self._last = ("", 0.0)

    def show(self, stage: str, done: int, total: int) -> None:
        with self._lock:
            before, at = self._last
            now = time.monotonic()
            if stage != before or now - at > _SECONDS / 4:
                self._last = stage, now
                advance_member(self._folder, self._status, stage, done, total)


def _end_with_parent() -> None:
    """End this process when the sweep's process is gone: nobody would read its result, and a new start repeats it.

    Only in a child process of the sweep: on a cluster, jobs outlive the process that submitted them.
    """
    if multiprocessing.current_process().name == "MainProcess":
        return
    parent = os.getppid()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the sweep, too, which ends its processes

    def look() -> None:
        while os.getppid() == parent:
            time.sleep(_SECONDS)
        os._exit(1)

    threading.Thread(target=look, daemon=True).start()
