"""Where a result comes from: hashes of data and of code, versions of packages, the commit."""

import hashlib
import platform
import subprocess
from collections.abc import Sequence
from functools import cache
from importlib import metadata
from pathlib import Path

PACKAGES = ("ofiml", "lightgbm", "optuna", "scikit-learn", "numpy", "scipy", "numba", "polars", "shap", "mlflow")


def digest(*contents: bytes) -> str:
    """Hash the contents, each with its length, by SHA-256."""
    sha = hashlib.sha256()
    for content in contents:
        sha.update(len(content).to_bytes(8, "little"))
        sha.update(content)
    return sha.hexdigest()


def file_digest(paths: Sequence[Path]) -> str:
    """Hash files as `digest` hashes contents, without loading them whole."""
    sha = hashlib.sha256()
    for path in paths:
        sha.update(path.stat().st_size.to_bytes(8, "little"))
        with path.open("rb") as file:
            while block := file.read(1 << 22):
                sha.update(block)
    return sha.hexdigest()


@cache
def code_identity(*packages: str) -> list[str]:
    """List the digest of all source files of this package, then the version of each of `packages`."""
    sources = (path.read_bytes() for path in sorted(Path(__file__).parent.rglob("*.py")))
    return [digest(*sources), *(metadata.version(name) for name in packages)]


def versions() -> dict[str, str]:
    """Map Python and the packages that results depend on to their versions."""
    return {"python": platform.python_version()} | {name: metadata.version(name) for name in PACKAGES}


def git_state() -> tuple[str, str]:
    """Return (commit, diff) of the running code; the diff is empty for a clean tree.

    The commit is `unknown` where git does not track the code: outside git, or installed inside another repository,
    whose commit and diff are not ours to log.

    Files that git does not track are named in the diff, without their contents.
    """
    tracked = _git("ls-files", "--error-unmatch", Path(__file__).name)
    commit = None if tracked is None else _git("rev-parse", "HEAD")
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
