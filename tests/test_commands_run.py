"""The studies of the pages beside the tutorial are run, on little data of the embedded market, in one process."""

import re

import pytest

from tests.conftest import command_line
from tests.documents import PAGES, list_commands, split_command

TUTORIAL = "docs/tutorial.md"

#: Why a command is parsed only, by what its words have. docs/development.md lists the same.
PARSED_ONLY = {
    "files that a reader has": r"^(dataset\.path=|dataset=(?!synthetic))|^instrument=",
    "several processes or services": r"^(parallel=|threads=|-m$|hydra/|tuning\.storage=|features\.store=)",
    "a placeholder": r"=(NAME|X)$|^--config$",
    "a page or a picture instead of a study": r"^(--help|--cfg|report=print)",
    "code of the reader's own": r"=acme$",
}


def list_studies():
    """The words of each `ofiml run` of the pages, once."""
    lines = [line for page in PAGES if page != TUTORIAL for line in list_commands(page)]
    commands = [split_command(line) for line in lines]
    starts = (["ofiml", "run"], ["python", "-m", "ofiml.run"])
    return sorted(
        {tuple(words[len(start) :]) for words in commands for start in starts if words[: len(start)] == start}
    )


def find_reason(words):
    """Why a study is not run here; None if it is."""
    return next((why for why, what in PARSED_ONLY.items() if any(re.search(what, word) for word in words)), None)


RUN = [words for words in list_studies() if find_reason(words) is None]


@pytest.mark.slow
@pytest.mark.parametrize("words", [words for words in RUN if words], ids=" ".join)
def test_a_command_of_the_pages_runs(words, tmp_path):
    tiny = [word for word in ("debug=tiny", "tuning.trials=1", "tracking=off") if not tunes_itself(word, words)]
    done = command_line(tmp_path, *words, *(word for word in tiny if word not in words))
    assert done.returncode == 0, done.stderr
    assert "Predictions sha256" in done.stdout


def tunes_itself(word, words):
    """Whether the words of a command decide about tuning, or about models that are not tuned."""
    return word.startswith("tuning") and any(
        re.match(r"tuning|model=(ols|zero|blend)|target=impact", other) for other in words
    )


def test_what_is_run_and_what_is_parsed_only():
    assert len(RUN) > 20
    assert {find_reason(words) for words in list_studies()} == {None, *PARSED_ONLY}
    assert ("target=direction", "model=logistic", "horizon=30s") in RUN
