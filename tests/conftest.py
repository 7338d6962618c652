"""Shared pieces of the tests: where the real data lies, how a config is composed, a small session."""

import os
from collections.abc import Callable
from pathlib import Path

# Kernels check their bounds in tests. numba's cache does not know that switch, so they have a folder of their own.
os.environ["NUMBA_BOUNDSCHECK"] = "1"
os.environ["NUMBA_CACHE_DIR"] = str(Path(__file__).parents[1] / ".pytest_cache" / "numba")

import pytest
from hydra import compose, initialize_config_dir
from hypothesis import settings

from ofiml.config import Config, FileDataset, load
from ofiml.study import run as experiment
from ofiml.study.run import Study
from ofiml.ui.progress import Stages

# The same code has the same verdict; `pytest --hypothesis-profile=search` draws new examples.
settings.register_profile("same", derandomize=True)
settings.register_profile("search", derandomize=False)
settings.load_profile("same")

ROOT = Path(__file__).parents[1]
# Real market data lies outside the project. Tests that need it skip, saying so, where it is absent.
DATA = Path(os.environ.get("OFIML_TEST_DATA", ROOT.parent / "shared" / "data"))


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

    def configured(*overrides: str) -> Config:
        with initialize_config_dir(str(ROOT / "conf"), version_base=None):
            quick = ["evaluation.controls=false", "evaluation.leak_check=false"]
            base = ["tracking=off", f"tuning.storage={journals}", *quick]
            config = load(compose("config", overrides=[*base, *overrides]))
        config.features.store = None
        if isinstance(config.dataset, FileDataset):
            config.dataset.store = None
        return config

    return configured


@pytest.fixture(scope="session")
def run(configure: Callable[..., Config]) -> Callable[..., Study]:
    """Runs the study of some overrides."""

    def study(*overrides: str) -> Study:
        with Stages() as stages:
            return experiment.run(configure(*overrides), stages)

    return study


@pytest.fixture
def workdir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return tmp_path
