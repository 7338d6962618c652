"""A run as one zip file, for someone without the store. A file that is read may come from a stranger."""

import hashlib
import re
import zipfile
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ofiml.atomic import write_atomically
from ofiml.errors import ConfigError
from ofiml.study.json_border import read_json, write_json

#: The files of a run that repeat it: its config, report and predictions, its models, and where it was made.
FILES = ("config.yaml", "report.json", "predictions.parquet", "tuned.yaml", "truth.json", "environment.txt", "git.diff")
MODEL = re.compile(r"models/fold_[0-9]{2}(_[0-9]{2})?(_features|_calibration|_flat)?\.(json|txt)")
_NEEDED = ("config.yaml", "report.json", "predictions.parquet")
_MANIFEST = "run.json"
_FORMAT = 1
_MAX_BYTES = 1 << 30  # of one file, unpacked
_MAX_FILES = 1000
_LONG_AGO = (1980, 1, 1, 0, 0, 0)  # the earliest time that zip knows: the same run gives the same file


@dataclass(frozen=True, slots=True)
class _Manifest:
    """The format of the file, the id of the run (its folder's name, without a store), and the digest of each file."""

    format: int
    run: str
    sha256: dict[str, str]


def is_packed(name: str) -> bool:
    """Return whether a file of a run belongs into its zip file."""
    return name in FILES or MODEL.fullmatch(name) is not None


def pack_run(folder: Path, run: str, out: Path) -> list[str]:
    """Pack the files of a run in `folder` into the zip file `out`, whole or not at all, and return their names."""
    found = (path.relative_to(folder).as_posix() for path in sorted(folder.rglob("*")) if path.is_file())
    names = [name for name in found if is_packed(name)]
    contents = {name: (folder / name).read_bytes() for name in names}
    manifest = _Manifest(_FORMAT, run, {name: _hash(content) for name, content in contents.items()})
    out.parent.mkdir(parents=True, exist_ok=True)

    def write_zip(part: Path) -> None:
        with zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in ((_MANIFEST, write_json(manifest).encode()), *contents.items()):
                archive.writestr(zipfile.ZipInfo(name, _LONG_AGO), content, zipfile.ZIP_DEFLATED)

    write_atomically(out, write_zip)
    return names


def unpack_run(path: Path, folder: Path) -> str:
    """Unpack the zip file of a run into `folder` and return the id of the run.

    Only files of a run are unpacked, each to its own name. Raises ConfigError for a file that `pack_run` does not
    write: another name, a wrong digest, a missing or damaged part.
    """
    if not zipfile.is_zipfile(path):
        raise ConfigError(f"{path} is not a zip file: give one that ofiml reproduce --export wrote.")
    try:
        with zipfile.ZipFile(path) as archive:
            manifest = _read_manifest(archive, path)
            listed = {info.filename for info in archive.infolist()} - {_MANIFEST}
            if listed != set(manifest.sha256) or len(archive.infolist()) != len(listed) + 1:
                raise ConfigError(f"{path} does not have the files that its {_MANIFEST} lists.")
            _check_names(listed, path)
            for name, sha256 in manifest.sha256.items():
                content = _read(archive, name, path)
                if _hash(content) != sha256:
                    raise ConfigError(f"{path}: {name} is not what was packed: its SHA-256 differs.")
                target = folder / name
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(content)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise ConfigError(f"{path} is damaged: {error}.") from error
    return manifest.run


def _read_manifest(archive: zipfile.ZipFile, path: Path) -> _Manifest:
    if _MANIFEST not in archive.namelist():
        raise ConfigError(f"{path} has no {_MANIFEST}: it is not a file of ofiml reproduce --export.")
    try:
        text = _read(archive, _MANIFEST, path).decode()
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: {_MANIFEST} is not text.") from error
    manifest = read_json(_Manifest, text, f"{_MANIFEST} of {path}")
    if manifest.format != _FORMAT:
        raise ConfigError(f"{path} has format {manifest.format}; this version of ofiml reads {_FORMAT}.")
    if re.fullmatch(r"[\w.-]{1,100}", manifest.run) is None or manifest.run.startswith("."):
        raise ConfigError(f"{path} has no valid id of its run.")
    return manifest


def _check_names(names: Iterable[str], path: Path) -> None:
    listed = set(names)
    strange = sorted(name for name in listed if not is_packed(name))
    if strange or len(listed) > _MAX_FILES:
        raise ConfigError(
            f"{path} has {strange[0]!r}, which is no file of a run." if strange else f"{path}: too many files."
        )
    missing = [name for name in _NEEDED if name not in listed]
    if missing:
        raise ConfigError(f"{path} has no {missing[0]}: it is not a finished study.")


def _read(archive: zipfile.ZipFile, name: str, path: Path) -> bytes:
    """Read a file of the archive. Its header may lie about its size."""
    with archive.open(name) as stream:
        content = stream.read(_MAX_BYTES + 1)
    if len(content) > _MAX_BYTES:
        raise ConfigError(f"{path}: {name} unpacks to more than {_MAX_BYTES >> 30} GiB.")
    return content


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
