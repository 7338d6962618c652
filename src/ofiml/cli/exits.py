"""Exit codes: 0 for success, 2 and one sentence for a config error, 1 and one sentence for a data error."""

import logging
import os
import re
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from hydra.errors import HydraException, OverrideParseException
from omegaconf.errors import OmegaConfBaseException

from ofiml.config import describe_unknown_key
from ofiml.errors import ConfigError, DataError, Terminated

# Read by mlflow when it is first imported, which is later.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")
# A store that does not answer is an error within seconds, not minutes.
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "20")
for talkative in ("matplotlib", "urllib3"):
    logging.getLogger(talkative).setLevel(logging.ERROR)


INTERRUPTED, TERMINATED = 130, 143  # exit codes, as shells have them


@contextmanager
def terminable() -> Iterator[None]:
    """Let SIGTERM end the work as Ctrl-C does, so that open files and runs are closed; ignore a second SIGTERM.

    Outside the main thread, which alone can handle signals, nothing changes.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        raise Terminated

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def ending_in_a_sentence(work: Callable[[], int | None]) -> int:
    """Run `work` and return the exit code. Config and data errors print one sentence on stderr."""
    try:
        return work() or 0
    except ConfigError as error:
        return _end(str(error), 2)
    except (HydraException, OmegaConfBaseException) as error:
        return _end(_sentence(error), 2)
    except DataError as error:
        return _end(str(error), 1)
    except KeyboardInterrupt as error:
        cause, code = (
            ("ended by SIGTERM", TERMINATED) if isinstance(error, Terminated) else ("interrupted", INTERRUPTED)
        )
        return _end(f"{cause}. Run the same command to continue: finished tuning trials are not repeated.", code)
    except OSError as error:
        if error.filename is None:
            raise
        return _end(f"{error.filename}: {error.strerror}.", 1)


def _end(sentence: str, code: int) -> int:
    sys.stderr.write(f"ofiml: {sentence}\n")
    return code


def _sentence(error: Exception) -> str:
    """The message of Hydra in one line, without its internals."""
    if isinstance(error, OverrideParseException):
        return (
            f"Cannot read {error.override!r}: write group=choice or key=value, with quotes around special characters."
        )
    text = str(error)
    key = re.search(r"full_key: (\S+)", text + str(error.__cause__ or ""))
    if key:
        return describe_unknown_key(key[1])
    lines = [line.strip() for line in text.partition("Config search path")[0].splitlines() if line.strip()]
    return " ".join(lines).removeprefix("In 'config': ") or type(error).__name__
