"""The provenance of a result: hashes of data and code, versions of packages, the commit."""

import hashlib
import os
import platform
import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path

_FIELD = re.compile(r"^(Name|Version):[ \t]*(\S.*?)\s*$", re.MULTILINE)
PACKAGES = ("ofiml", "lightgbm", "optuna", "scikit-learn", "numpy", "scipy", "numba", "polars", "shap", "mlflow")


def hash_contents(*contents: bytes) -> str:
    """Hash the contents, each after its length, by SHA-256."""
    sha = hashlib.sha256()
    for content in contents:
        sha.update(len(content).to_bytes(8, "little"))
        sha.update(content)
    return sha.hexdigest()


def hash_files(paths: Sequence[Path]) -> str:
    """Hash the contents of files as `hash_contents` does, without loading them whole."""
    sha = hashlib.sha256()
    for path in paths:
        sha.update(path.stat().st_size.to_bytes(8, "little"))
        with path.open("rb") as file:
            while block := file.read(1 << 22):
                sha.update(block)
    return sha.hexdigest()


@cache
def identify_code(*packages: str, parts: tuple[str, ...] = ("",)) -> list[str]:
    """Identify the code that results depend on: the hash of this package's sources, then the version of each of
    `packages`. `parts` are the folders and files whose sources count, by default all.
    """
    places = [Path(__file__).parent / part for part in parts]
    assert all(place.exists() for place in places), "a part that does not exist would never change"
    files = sorted(file for place in places for file in ([place] if place.is_file() else place.rglob("*.py")))
    return [hash_contents(*(file.read_bytes() for file in files)), *(metadata.version(name) for name in packages)]


def list_versions() -> dict[str, str]:
    """List the versions of Python and of the packages that results depend on, by name."""
    return {"python": platform.python_version()} | {name: _find_version(name) for name in PACKAGES}


@cache  # a package's metadata is parsed as a whole, and each study asks several times
def _find_version(package: str) -> str:
    return metadata.version(package)


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where a study ran: the commit of the code (`dirty` with uncommitted changes), versions, machine and threads.

    The results depend on the code and the versions; on the machine only in the last digits, and not on the threads.
    """

    commit: str
    dirty: bool
    versions: dict[str, str]
    system: str
    processor: str
    cores: int
    threads: int


def describe_provenance(threads: int) -> Provenance:
    """Describe where this process runs, with the number of threads that the config gives it."""
    commit, diff = read_git_state()
    return Provenance(
        commit=commit,
        dirty=bool(diff),
        versions=list_versions(),
        system=f"{platform.system()} {platform.machine()}",
        processor=_name_processor(),
        cores=os.cpu_count() or 1,
        threads=threads,
    )


@cache  # hundreds of packages are read
def list_environment() -> str:
    """List every installed package with its version, one a line, as pip's requirements; as it is when first asked."""
    headers = (_read_header(dist) for dist in metadata.distributions())
    found = {one["Name"]: one["Version"] for one in headers if {"Name", "Version"} <= one.keys()}
    return "".join(f"{name}=={version}\n" for name, version in sorted(found.items(), key=lambda item: item[0].lower()))


def _read_header(package: metadata.Distribution) -> dict[str, str]:
    """Read the name and version of a package from its metadata, of which the standard library parses all the rest, too:
    half a second for an environment. Both are missing for what a broken installation left behind.
    """
    text = package.read_text("METADATA") or package.read_text("PKG-INFO") or ""
    fields = _FIELD.findall(re.split(r"\r?\n\r?\n", text, maxsplit=1)[0])
    return dict(reversed(fields))  # the first of each counts


def _name_processor() -> str:
    """Name the model of the processor; the kind of machine where the system does not say."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def read_git_state() -> tuple[str, str]:
    """Read (commit, diff) of the running code, as they are when first asked; the diff is empty for a clean tree.

    The commit is `unknown` if git does not track the code: outside git, or installed inside another repository, whose
    commit and diff do not belong to this code. Untracked files are named in the diff, without their contents.
    """
    return _read_git_state(Path(__file__))


@cache  # what a process runs is what it loaded, whatever is committed meanwhile, and each study asks several times
def _read_git_state(file: Path) -> tuple[str, str]:
    tracked = _run_git(file.parent, "ls-files", "--error-unmatch", file.name)
    commit = None if tracked is None else _run_git(file.parent, "rev-parse", "HEAD")
    if commit is None:
        return "unknown", ""
    diff = _run_git(file.parent, "diff", "HEAD") or ""
    untracked = _run_git(file.parent, "ls-files", "--others", "--exclude-standard") or ""
    return commit.strip(), diff + "".join(f"# untracked: {name}\n" for name in untracked.splitlines())


def _run_git(folder: Path, *arguments: str) -> str | None:
    try:
        process = subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, check=False)
    except FileNotFoundError:
        return None
    return process.stdout.decode(errors="replace") if process.returncode == 0 else None
