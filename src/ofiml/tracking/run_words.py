"""Find the run that a word of the command line means: an id, its first digits, a name, `latest`, an output folder."""

import datetime as dt
import json
import re
from collections.abc import Sequence
from pathlib import Path

from ofiml.errors import ConfigError
from ofiml.tracking.names import SEPARATOR
from ofiml.tracking.parent import PARENT
from ofiml.tracking.read import RUN_ID_FILE, ListedRun, list_experiments, list_runs
from ofiml.tracking.store import is_run_id

_FIRST_DIGITS = re.compile(r"[0-9a-f]{6,31}")
_UNSAFE = re.compile(rf"[^\w .,:=+/()%{SEPARATOR}-]")
_MAX_CANDIDATES, _MAX_NAME, _MAX_EXPERIMENTS = 5, 60, 10


def find_run(word: str, uri: str) -> str:
    """Return the id of the run of the store that `word` means.

    Raises ConfigError for a word that means no run, or several; the message then lists them.
    """
    return word if is_run_id(word) else choose_run(word, list_runs(None, uri), "the store")


def find_runs(words: Sequence[str], uri: str) -> tuple[str, list[str]]:
    """Return the experiment that `words` mean, and the ids of its runs among them; no ids mean all runs.

    The first word is an experiment or, as all others, a run. Raises ConfigError for a word that is neither, or means
    several runs, and for runs of several experiments.
    """
    experiments = list_experiments(uri)
    first, *rest = words
    if first in experiments:
        runs = list_runs(first, uri) if rest else []
        return first, [choose_run(word, runs, "the experiment") for word in rest]
    runs = list_runs(None, uri)
    names = [_UNSAFE.sub("?", name)[:_MAX_NAME] for name in experiments[:_MAX_EXPERIMENTS]]
    more = f" and {len(experiments) - len(names)} more" if len(experiments) > len(names) else ""
    where = f"the store, and no experiment (there are {', '.join(names)}{more})" if names else "the store"
    ids = [choose_run(first, runs, where), *(choose_run(word, runs, "the store") for word in rest)]
    places = dict.fromkeys(run.experiment for one in ids for run in runs if run.run_id == one)
    if len(places) > 1:
        raise ConfigError(
            f"These runs are of the experiments {', '.join(places)}: compare those of one, whose trials are counted."
        )
    return next(iter(places)), ids


def choose_run(word: str, runs: Sequence[ListedRun], where: str) -> str:
    """Return the id of the run among the `runs` of `where` that `word` means; see `find_run`. It is not a deleted one.

    Raises ConfigError as `find_run` does.
    """
    present = [run for run in runs if not run.deleted]
    if word == "latest":
        candidates = _find_all_latest(present)
    elif is_run_id(word) or _FIRST_DIGITS.fullmatch(word):
        candidates = [run for run in present if run.run_id.startswith(word)]
    elif word and Path(word).is_dir():
        candidates = _find_by_folder(Path(word), present)
    else:
        candidates = [run for run in present if _simplify(run.name) == _simplify(word)]
    return candidates[0].run_id if len(candidates) == 1 else _refuse(word, candidates, runs, where)


def _find_latest(runs: Sequence[ListedRun]) -> ListedRun | None:
    """Find the last finished study; a reproduction is not what one wants to see again."""
    candidates = [run for run in runs if run.is_finished_study and "reproduces" not in run.tags]
    return max(candidates, key=lambda run: run.started, default=None)


def _find_all_latest(runs: Sequence[ListedRun]) -> list[ListedRun]:
    """Find the last finished study, with all finished members of its sweep: chance decides which of them is last."""
    latest = _find_latest(runs)
    if latest is None or PARENT not in latest.tags:
        return [latest] if latest else []
    return [run for run in runs if run.is_finished_study and run.tags.get(PARENT) == latest.tags[PARENT]]


def _find_by_folder(folder: Path, runs: Sequence[ListedRun]) -> list[ListedRun]:
    """Find the run that wrote the folder: by its file `run_id`, else by the digest of its predictions."""
    if (folder / RUN_ID_FILE).is_file():
        run_id = (folder / RUN_ID_FILE).read_text(encoding="utf-8").strip()
        return [run for run in runs if run.run_id == run_id]
    try:
        digest = json.loads((folder / "report.json").read_text(encoding="utf-8"))["predictions"]["sha256"]
    except (OSError, ValueError, KeyError, TypeError):
        raise ConfigError(f"{folder} is not the output folder of a study: it has no report.json.") from None
    return [run for run in runs if run.tags.get("predictions.sha256") == digest]


def _simplify(name: str) -> str:
    """Write a name with the signs of a keyboard."""
    return name.replace(SEPARATOR, "-")


def _refuse(word: str, candidates: Sequence[ListedRun], runs: Sequence[ListedRun], where: str) -> str:
    if candidates:
        listed = ", ".join(_describe(run) for run in candidates[-_MAX_CANDIDATES:])
        first = "the last of them " if len(candidates) > _MAX_CANDIDATES else ""
        raise ConfigError(f"{word!r} means {len(candidates)} runs: give the first 8 digits of one ({first}{listed}).")
    latest = _find_latest(runs)
    hint = f" The latest is {_describe(latest)}." if latest else " It has no finished study."
    raise ConfigError(
        f"{word!r} is no run of {where}: give the first 8 digits of a run's id, its name, latest, or its "
        f"output folder.{hint}"
    )


def _describe(run: ListedRun) -> str:
    time = dt.datetime.fromtimestamp(run.started / 1000, dt.UTC)
    name = _UNSAFE.sub("?", run.name)[:_MAX_NAME]  # a stranger may have chosen it
    return f"{run.run_id[:8]} {name} of {time:%Y-%m-%d %H:%M} UTC"
