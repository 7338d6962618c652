"""The list of a sweep's members, which is written before the first one runs."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ofiml.atomic import write_text_atomically
from ofiml.config import Config, resolve_config
from ofiml.errors import ConfigError
from ofiml.provenance import identify_code
from ofiml.study.json_border import read_json, write_json

_NAME = "sweep.json"

#: Settings that change no result: where things are kept, which files show them, and how many threads work.
_UNHASHED = {
    "": ("tracking", "report", "threads", "parallel"),
    "features": ("store",),
    "dataset": ("store",),
    "tuning": ("storage",),
}


@dataclass(frozen=True, slots=True)
class Member:
    """A study of a sweep: its number, its overrides as typed, and the digest of its config."""

    number: int
    overrides: list[str]
    digest: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """The members of a sweep, the digest of them and of the code, and the MLflow run that is their parent, if any."""

    digest: str
    members: list[Member]
    parent: str | None


def digest_config(config: Config) -> str:
    """Hash the settings of a study on which its results depend."""
    mapping: dict[str, Any] = resolve_config(config)
    for group, keys in _UNHASHED.items():
        node = mapping[group] if group else mapping
        for key in keys:
            node.pop(key, None)
    return hashlib.sha256(json.dumps(mapping, sort_keys=True).encode()).hexdigest()


def digest_members(members: Iterable[Member], experiment: str | None) -> str:
    """Hash the members of a sweep, in order, the experiment that they are logged to, and the code that runs them."""
    parts = [*identify_code(), str(experiment), *(member.digest for member in members)]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def name_folder(folder: Path, number: int) -> Path:
    """Return the folder of a member of the sweep in `folder`."""
    return folder / str(number)


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write the manifest of the sweep in `folder`, whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    write_text_atomically(folder / _NAME, write_json(manifest))


def read_manifest(folder: Path) -> Manifest | None:
    """Read the manifest of the sweep in `folder`; None if there is none. Raises ConfigError for another content."""
    try:
        text = (folder / _NAME).read_text()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{folder / _NAME} is not text.") from error
    return read_json(Manifest, text, str(folder / _NAME))


def find_earlier(folder: Path, digest: str) -> Path | None:
    """Find the folder of an earlier sweep with the same members: `folder` itself, else the last one beside it.

    Sweeps stand in folders by day and time, so that a folder's neighbours are those of its day and of other days. None
    if there is none.
    """
    found = []
    for place in (folder, *folder.parent.parent.glob("*/*/")):
        try:
            manifest = read_manifest(place)
        except ConfigError:
            continue
        if manifest is not None and manifest.digest == digest:
            if place == folder:
                return place
            found.append(place)
    return max(found, key=lambda place: (place / _NAME).stat().st_mtime, default=None)
