"""Shared pieces of the tests: where the real data lies, how a config is composed, a small session."""

import contextlib
import errno
import gc
import io
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

# Kernels check their bounds in tests. numba's cache does not know that switch, so they have a folder of their own.
os.environ["NUMBA_BOUNDSCHECK"] = "1"
os.environ["NUMBA_CACHE_DIR"] = str(Path(__file__).parents[1] / ".pytest_cache" / "numba")

import pytest
import yaml
from _pytest.mark import ParameterSet
from filelock import FileLock
from hydra import compose, initialize_config_dir
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import settings
from omegaconf import DictConfig

from ofiml.config import Config, FileDataset, SyntheticDataset, load
from ofiml.config.load import parse_group
from ofiml.data import sessions
from ofiml.data.schema import Session
from ofiml.data.sessions import Source
from ofiml.study import run as experiment
from ofiml.study.run import Study
from ofiml.ui.progress import Stages

# The same code has the same verdict, so that more of the same examples say little more;
# `pytest --hypothesis-profile=search` draws new ones.
# An example has no deadline: a busy machine is no fault of the code.
settings.register_profile("same", derandomize=True, max_examples=60, deadline=None)
settings.register_profile("search", derandomize=False, deadline=None)
settings.load_profile("same")

ROOT = Path(__file__).parents[1]
# Real market data lies outside the project. Tests that need it skip, saying so, where it is absent.
DATA = Path(os.environ.get("OFIML_TEST_DATA", ROOT.parent / "shared" / "data"))


_SMALL, _MOST_KEPT = 60_000_000, 8  # bytes of a simulated day's events, and how many days are kept

# Files that take longest come first, so that the workers, which take file after file, end together.
_DEAREST = [
    *("live/test_replay", "tracking/test_record", "comparison/test_compare", "validation/test_check"),
    *("config/test_config", "samples/test_rows", "data/test_cases_quotes", "oracle/test_study_by_hand"),
    *("features/test_kernel", "validation/test_no_future", "microstructure/test_pin", "data/test_fuzz"),
    *("tuning/test_tuning", "data/test_cells", "study/test_study", "validation/test_controls"),
]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    places = {str(ROOT / "tests" / f"{name}.py"): place for place, name in enumerate(_DEAREST)}
    items.sort(key=lambda item: places.get(str(item.path), len(places)))


def pytest_collection_finish() -> None:
    """Leaves modules and tests, which live to the end, out of each later search for garbage."""
    gc.freeze()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_setupnodes(config: pytest.Config) -> None:
    """Compiles the kernels once, before there are workers that would each compile them; numba's cache keeps them."""
    if not config.args or {Path(arg).name for arg in config.args} & {"tests", "src"}:
        parts = [
            subprocess.Popen([sys.executable, "-m", "tests.kernels", part], cwd=ROOT)
            for part in ("trades", "flow", "market")
        ]
        for part in parts:
            part.wait()


def slow_except(quick: Sequence[object], values: Iterable[object]) -> list[object]:
    """The parameters `values`, those that are not among `quick` marked slow; tuples stand for several parameters."""
    return [value if value in quick else _slow(value) for value in values]


def slow_but_each(step: int, values: Iterable[object], first: int = 0) -> list[object]:
    """The parameters `values`, that at `first` and each `step`-th after it as they are, the others marked slow."""
    return [_slow(value) if (place - first) % step else value for place, value in enumerate(values)]


def _slow(value: object) -> object:
    if isinstance(value, ParameterSet):
        return pytest.param(*value.values, id=value.id, marks=[*value.marks, pytest.mark.slow])
    return pytest.param(*(value if isinstance(value, tuple) else (value,)), marks=pytest.mark.slow)


@pytest.fixture(scope="session")
def data() -> Callable[[str], Path]:
    """The path of a real data file; skips the test if it is not there."""

    def path(name: str) -> Path:
        if not (DATA / name).exists():
            pytest.skip(f"real data absent: {name} (set OFIML_TEST_DATA to the folder that holds it)")
        return DATA / name

    return path


@pytest.fixture(scope="session")
def configure(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Config]:
    """Composes the typed config of some overrides, tracking off, tuning journals in a folder of the test run; controls
    and leak check, which take a study as long as its folds, only where a test asks.
    """
    journals = tmp_path_factory.mktemp("tuning")

    @cache  # Hydra takes a fifth of a second for each set of choices
    def choose(*choices: str) -> DictConfig:
        with initialize_config_dir(str(ROOT / "conf"), version_base=None):
            return compose("config", overrides=["tracking=off", *choices])

    known_groups: dict[tuple[str, str], Any] = {}

    def parse_once(group: str, schema: Any, node: Any) -> Any:
        """Most groups of a config are those of another one: their parse is most of what it takes to load it."""
        key = group, repr(node)
        if key not in known_groups:
            known_groups[key] = parse_group(group, schema, node)
        return deepcopy(known_groups[key])

    def load_quickly(raw: DictConfig) -> Config:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys.modules[parse_group.__module__], "parse_group", parse_once)
            return load(raw)

    def typed(*overrides: str) -> Config:
        quick = [f"tuning.storage={journals}", "evaluation.controls=false", "evaluation.leak_check=false"]
        choices = [text for text in overrides if (ROOT / "conf" / re.split("[=@]", text.lstrip("+~"))[0]).is_dir()]
        raw = deepcopy(choose(*choices))
        values = [*quick, *(text for text in overrides if text not in choices)]
        ConfigLoaderImpl._apply_overrides_to_config(OverridesParser.create().parse_overrides(values), raw)
        config = load_quickly(raw)
        config.features.store = None
        if isinstance(config.dataset, FileDataset):
            config.dataset.store = None
        return config

    known = cache(typed)

    def composed(*overrides: str) -> Config:
        if any(".path=" in override for override in overrides):
            return typed(*overrides)  # its files come and go
        return deepcopy(known(*overrides))

    return composed


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that all workers of this test run have in common."""
    own = tmp_path_factory.getbasetemp()
    return own.parent if "PYTEST_XDIST_WORKER" in os.environ else own


@pytest.fixture(scope="session", autouse=True)
def parsed_once() -> Iterator[None]:
    """YAML of the same text is parsed once: most tests compose a config, and its files are the same two dozen."""
    original, parsed = yaml.load, {}

    def load_once(stream: Any, Loader: Any) -> Any:
        if Loader.__name__ != "OmegaConfLoader":
            return original(stream, Loader)
        text = stream if isinstance(stream, str) else stream.read()
        if text not in parsed:
            if text is not stream:
                stream.seek(0)  # an error names the file
            parsed[text] = original(stream, Loader)
        return deepcopy(parsed[text])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(yaml, "load", load_once)
        yield


@pytest.fixture(scope="session", autouse=True)
def remembered() -> Iterator[None]:
    """Small simulated sessions are simulated once: that is most of what a tiny study takes. test_simulate.py, which
    asks whether they come out the same again, calls the simulation itself.
    """
    original, kept = sessions.list_sources, {}

    def once(source: Source) -> Source:
        def made() -> Iterator[Session]:
            name = source.name()
            found = kept.get(name) or list(source())
            if sum(s.events.estimated_size() for s in found) < _SMALL:
                kept[name] = found
                for oldest in list(kept)[:-_MOST_KEPT]:
                    kept.pop(oldest, None)
            return iter(found)

        return Source(made, source.name)

    def sources(dataset: SyntheticDataset | FileDataset) -> list[Source]:
        found = original(dataset)
        return [once(source) for source in found] if isinstance(dataset, SyntheticDataset) else found

    with pytest.MonkeyPatch.context() as patch:
        for name, module in list(sys.modules.items()):
            if name.startswith("ofiml.") and vars(module).get("list_sources") is original:
                patch.setattr(module, "list_sources", sources)
        yield


@pytest.fixture(scope="session")
def run(configure: Callable[..., Config]) -> Callable[..., Study]:
    """Runs the study of some overrides."""

    def study(*overrides: str) -> Study:
        with Stages() as stages:
            return experiment.run(configure(*overrides), stages)

    return study


@pytest.fixture
def fill_disk(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Lets every later write of files of this name fail once their content is written, as on a full disk."""

    def fill(name: str) -> None:
        replace_file = Path.replace

        def fail(self: Path, target: Path) -> Path:
            if Path(target).name == name:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(target))
            return replace_file(self, target)

        monkeypatch.setattr(Path, "replace", fail)

    return fill


@pytest.fixture(scope="session")
def new_store(shared: Path) -> Callable[..., str]:
    """Puts an empty MLflow store into a folder and returns its uri: a copy, as to set one up takes seconds."""
    import mlflow

    def made(folder: Path, name: str = "mlflow.db") -> str:
        template = shared / "mlflow.db"
        with FileLock(shared / "mlflow.lock"):
            if not template.exists():
                part = template.with_suffix(".part")
                mlflow.MlflowClient(f"sqlite:///{part}").search_experiments()
                part.rename(template)
        shutil.copy(template, folder / name)
        return f"sqlite:///{folder / name}"

    return made


@contextlib.contextmanager
def light(*, models: bool = False) -> Iterator[None]:
    """Inside, recorded studies draw no figures and, but with `models`, log no model as MLflow's own: most of what a
    small study takes.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ofiml.reporting.files.choose_figures", lambda study: {})
        if not models:
            patch.setattr("ofiml.tracking.log.save_model", lambda study, folder: None)
            patch.setattr("ofiml.tracking.log._log_model", lambda client, run, entry, saved: None)
        yield


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    returncode: int
    stdout: str
    stderr: str


def in_process(main: Callable[[], int], *arguments: str) -> Ended:
    """How a command ends with these arguments, run here instead of in a process of its own."""
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        patch.setattr(sys, "argv", ["ofiml", *arguments])
        code = main()
    return Ended(code, out.getvalue(), err.getvalue())


def command_line(folder: Path, *arguments: str, models: bool = False, uri: str | None = None) -> Ended:
    """`python -m ofiml.run` with these arguments in `folder`, `in_process` and `light`; the environment names the
    store `uri`, or one in the folder: MLflow keeps what it opened by its uri, which a relative one would share.
    """
    from ofiml.cli import run as command

    with pytest.MonkeyPatch.context() as patch, light(models=models):
        patch.chdir(folder)
        patch.setenv("MLFLOW_TRACKING_URI", uri or f"sqlite:///{folder / 'mlflow.db'}")
        return in_process(command.main, *arguments)


@pytest.fixture
def workdir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return tmp_path
