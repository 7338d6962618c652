"""Where a result comes from: the code, the packages, the machine's part in it."""

import platform
import subprocess
from importlib import metadata
from pathlib import Path

PACKAGES = ("ofiml", "lightgbm", "optuna", "scikit-learn", "numpy", "scipy", "numba", "polars", "shap", "mlflow")


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that results depend on."""
    return {"python": platform.python_version()} | {name: metadata.version(name) for name in PACKAGES}


def git_state() -> tuple[str, str]:
    """(commit, diff) of the code that runs; the diff is empty for a clean tree, the commit `unknown` outside git.

    Files that git does not track are named in the diff, without their contents.
    """
    commit = _git("rev-parse", "HEAD")
    if commit is None:
        return "unknown", ""
    diff = _git("diff", "HEAD") or ""
    untracked = _git("ls-files", "--others", "--exclude-standard") or ""
    return commit.strip(), diff + "".join(f"# untracked: {name}\n" for name in untracked.splitlines())


def _git(*arguments: str) -> str | None:
    folder = Path(__file__).parent
    try:
        done = subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, check=False)
    except FileNotFoundError:
        return None
    return done.stdout.decode(errors="replace") if done.returncode == 0 else None
