"""Exit codes: 0 for success, 1 for a data error, 2 for a config error, 3 for a complete result that is not logged.

An error prints one sentence on stderr.
"""

import logging
import os
import sys
from collections.abc import Callable

from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException

from ofiml.atomic import FULL
from ofiml.cli.garbage import collect_rarely
from ofiml.cli.interrupts import REMEDY, raise_interrupts, report_interrupt
from ofiml.errors import ConfigError, DataError
from ofiml.overrides.composition import describe_composition

# MLflow reads these variables when it is first imported, which is later.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
# MLflow prints the address of each run that ends, with the credentials of the store.
os.environ["MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT"] = "true"
os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")
# A store that does not answer becomes an error within seconds, not minutes.
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "20")
for library in ("matplotlib", "urllib3"):
    logging.getLogger(library).setLevel(logging.ERROR)
# Faults of the store end in one sentence, in place of MLflow's traceback.
logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)


UNLOGGED = 3  # the study succeeded and its folder is complete, but the store failed: `ofiml sync` logs it


def run_command(work: Callable[[], int | None], *, remedy: str = REMEDY) -> int:
    """Run `work` and return the exit code: its own (0 for None), or that of an error, whose sentence goes to stderr.

    Ctrl-C and SIGTERM end the work as `raise_interrupts` says; `remedy` is what to do after them.
    """
    received: list[KeyboardInterrupt] = []
    try:
        with raise_interrupts() as received, collect_rarely():
            return work() or 0
    except KeyboardInterrupt as interrupt:
        return report_interrupt(interrupt, remedy)
    except Exception as error:
        if received:
            return report_interrupt(received[0], remedy)
        code = report_error(error)
        if code is None:
            raise
        return code


def report_error(error: Exception) -> int | None:
    """Print the sentence of an error to stderr and return its exit code; None for a mistake of the program."""
    sentence = describe_error(error)
    if sentence is None:
        return None
    sys.stderr.write(f"ofiml: {sentence}\n")
    return 2 if isinstance(error, ConfigError | HydraException | OmegaConfBaseException) else 1


def describe_error(error: Exception) -> str | None:
    """Describe an error of the config, the data or the files in a sentence; None for a mistake of the program."""
    if isinstance(error, ConfigError | DataError):
        return str(error)
    if isinstance(error, HydraException | OmegaConfBaseException):
        return describe_composition(error)
    if isinstance(error, OSError) and error.errno in FULL:
        place = f"{error.filename}: the" if error.filename else "The"
        return f"{place} disk is full ({error.strerror}): free some space, then run the same command again."
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}."
    return None
