"""Searches of a few trials on small rows, in this process and in several, for tests of every place of trials."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from ofiml.splits.walk_forward import Intervals
from ofiml.tuning import TrainRows, study, tune
from ofiml.tuning.places import open_slots
from ofiml.tuning.suggest import build_distributions
from tests.conftest import ROOT

SECOND = 1_000_000_000


def rows():
    rng = np.random.default_rng(0)
    flow = rng.standard_normal((400, 3))
    t = np.arange(400) * 10 * SECOND
    y = flow @ [1.0, 0.5, 0.0] + rng.standard_normal(400)
    return TrainRows(flow, np.empty((400, 0)), y, Intervals(t - 10 * SECOND, t, t + 10 * SECOND))


def settled(config, storage, trials, **changes):
    return replace(config.tuning, trials=trials, storage=str(storage), **changes)


def tuned(configure, train, storage, trials=10, name="ridge", threads=1, seed=7, fold=0, **changes):
    config = configure(f"model={name}", *(["model.n_estimators=10"] if name == "lgbm" else []))
    steps = []
    result = tune(train, config.ofi, config.model, config.split, settled(config, storage, trials, **changes),
                  task="regression", seed=seed, fold=fold, step=lambda: steps.append(1), threads=threads)  # fmt: skip
    assert len(steps) == trials
    return result


def watch_trials(monkeypatch, happens):
    """Calls `happens` with its number before each trial that is run from now on, and returns the list of numbers."""
    evaluate, calls = study.evaluate, []

    def watched(*arguments, **others):
        calls.append(len(calls) + 1)
        happens(calls[-1])
        return evaluate(*arguments, **others)

    monkeypatch.setattr(study, "evaluate", watched)
    return calls


def check_claims(configure, storage):
    """A place is run by one process at a time."""
    config = configure("model=ridge")
    settings, space = settled(config, storage, 8), build_distributions(config.model)
    with open_slots(settings, "a", space) as ours, open_slots(settings, "a", space) as theirs:
        with ours.claim(1) as first, theirs.claim(1) as second, theirs.claim(2) as other:
            assert (first, second, other) == (True, False, True)
        with theirs.claim(1) as after, open_slots(settings, "b", space) as another, another.claim(1) as elsewhere:
            assert (after, elsewhere) == (True, True)


# --- three processes -------------------------------------------------------------------------------------------------

SHARED_TRIALS = 16

#: Tunes, and names each place that it runs in the file `tried`. The one with the word `victim` never ends its first.
_WORKER = """
import os, sys, time
from pathlib import Path
from hydra import compose, initialize_config_dir
from ofiml.config import load
from ofiml.tuning import study, tune
sys.path.insert(0, sys.argv[1])
from tests.tuning.searches import SHARED_TRIALS, rows, settled

folder, evaluate = Path(sys.argv[2]), study.evaluate
suggest = study.Generation.suggest

def logged(self, place):
    with (folder / "tried").open("a") as file:
        file.write(f"{os.getpid()} {place}\\n")
    return suggest(self, place)

def slow(*arguments, **others):
    while sys.argv[4] == "victim" or len({line.split()[0] for line in (folder / "tried").open()}) < 3:
        time.sleep(0.01)  # none runs away with all places, however busy the machine is
    return evaluate(*arguments, **others)

study.Generation.suggest, study.evaluate = logged, slow
with initialize_config_dir(sys.argv[1] + "/conf", version_base=None):
    config = load(compose("config", overrides=["tracking=off", "model=ridge"]))
tune(rows(), config.ofi, config.model, config.split, settled(config, sys.argv[3], SHARED_TRIALS), task="regression",
     seed=7, fold=0, step=lambda: None)
"""


def share_search(folder: Path, storage: str) -> None:
    """Three processes share a search of `SHARED_TRIALS`, and one is killed at its first place, once each has one.

    The file `tried` in the folder then has a line for each place that was begun: each once, and that of the killed
    process twice.
    """
    tried = folder / "tried"
    line = [sys.executable, "-c", _WORKER, str(ROOT), str(folder), storage]
    processes = [subprocess.Popen([*line, word], stderr=subprocess.PIPE, text=True) for word in ("victim", "", "")]
    victim = processes[0].pid

    def read_tried():
        return [text.split() for text in tried.read_text().splitlines()] if tried.exists() else []

    try:
        while len({pid for pid, _ in read_tried()}) < 3:
            for process in processes:
                assert process.poll() is None, process.stderr.read()
            time.sleep(0.01)
        os.kill(victim, signal.SIGKILL)
        for process in processes[1:]:
            assert process.wait() == 0, process.stderr.read()
    finally:
        for process in processes:
            process.kill()
            process.communicate()
    (held,) = [int(place) for pid, place in read_tried() if pid == str(victim)]
    assert sorted(int(place) for _, place in read_tried()) == sorted([*range(SHARED_TRIALS), held])
