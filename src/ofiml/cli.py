"""How a command ends: 0 after its work, 2 with one sentence for a wrong config, 1 with one sentence for wrong data."""

import logging
import os
import re
import sys
from collections.abc import Callable

from hydra.errors import HydraException, OverrideParseException
from omegaconf.errors import OmegaConfBaseException

from ofiml.config import unknown_key
from ofiml.errors import ConfigError, DataError

# Read by mlflow when it is first imported, which is later.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")
# A store that does not answer is an error within seconds, not minutes.
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "20")
for talkative in ("matplotlib", "urllib3"):
    logging.getLogger(talkative).setLevel(logging.ERROR)


def ending_in_a_sentence(work: Callable[[], int | None]) -> int:
    """Runs `work` and returns the exit code; a wrong config or wrong data ends in one sentence on stderr."""
    try:
        return work() or 0
    except ConfigError as error:
        return _end(str(error), 2)
    except (HydraException, OmegaConfBaseException) as error:
        return _end(_sentence(error), 2)
    except DataError as error:
        return _end(str(error), 1)
    except KeyboardInterrupt:
        return _end("interrupted. Run the same again: finished tuning trials are not run twice.", 130)
    except OSError as error:
        if error.filename is None:
            raise
        return _end(f"{error.filename}: {error.strerror}.", 1)


def _end(sentence: str, code: int) -> int:
    sys.stderr.write(f"ofiml: {sentence}\n")
    return code


def _sentence(error: Exception) -> str:
    """Hydra's message in one line, without its internals."""
    if isinstance(error, OverrideParseException):
        return (
            f"Cannot read {error.override!r}: write group=choice or key=value, with quotes around special characters."
        )
    text = str(error)
    key = re.search(r"full_key: (\S+)", text + str(error.__cause__ or ""))
    if key:
        return unknown_key(key[1])
    lines = [line.strip() for line in text.partition("Config search path")[0].splitlines() if line.strip()]
    return " ".join(lines).removeprefix("In 'config': ") or type(error).__name__
