"""The files of `dataset.path`: a file, a folder, or a glob. A path that exists is never a glob."""

import difflib
import glob
import os
import re
from collections.abc import Iterator
from pathlib import Path

_DOCUMENT = re.compile(
    r"(README|LICEN[CS]E|COPYING|NOTICE|CHANGELOG)(\.TXT)?|.*\.(CHECKSUM|MD5|SHA256|PDF|DOCX|MD|RST|HTML?|PY|IPYNB)",
    re.IGNORECASE,
)


def is_document(name: str) -> bool:
    """Return whether a file's name is that of a document, checksum or program, which is no data."""
    return _DOCUMENT.fullmatch(name) is not None


def files(path: str) -> list[Path]:
    """List the files of a path, sorted: the file itself, those in the folder, or the matches of the glob.

    Each part of the path that exists under its very name is that name; only other parts are patterns. So the brackets
    in `[2024-11-12]/book.csv` are part of a name if there is such a folder. `**` matches any number of folders, and a
    leading `~` the home folder, unless a folder `~` exists. Hidden files are left out unless named, and so are
    documents such as a README beside data.
    """
    named = _expand_home(path)
    paths = named.glob("[!.]*") if named.is_dir() else iter(_match(named))
    all_files = sorted(p for p in paths if p.is_file())
    return [p for p in all_files if not is_document(p.name)] or all_files


def describe_missing_path(path: str) -> str:
    """Describe in one sentence why no file matches: where the search ended, and which names there are near."""
    named = _expand_home(path)
    start = f"dataset.path={path} matches no file"
    if named.is_dir():
        inside = sorted(p.name for p in named.glob("[!.]*"))
        if not inside:
            return f"{start}: the folder {named.absolute()} is empty."
        deeper = f"{path.rstrip('/')}/**/*"
        return f"{start}: {named.absolute()} has only folders ({_list_names(inside)}); write dataset.path='{deeper}'."
    folder, rest = _find_existing_folder(named)
    searched = f"{start}: " + ("" if named.is_absolute() else "the path is relative, and ")
    names = sorted(p.name for p in _list_folder(folder))
    if folder.is_file():
        return f"{searched}{folder.absolute()} is a file, not a folder."
    wanted, what = rest[0], "file" if len(rest) == 1 else "folder"
    if glob.has_magic(wanted):
        what = f"{what} that matches"
    near = _find_near(wanted, names)
    there = f"near it: {_list_names(near)}" if near else f"it has {_list_names(names)}" if names else "it is empty"
    return f"{searched}{folder.absolute()} has no {what} {wanted}; {there}."


def _expand_home(path: str) -> Path:
    """Expand a leading `~`, as a shell would, unless a file or folder of that name exists."""
    named = Path(path)
    if not path.startswith("~") or Path(named.parts[0]).exists():
        return named
    try:
        return named.expanduser()
    except RuntimeError:  # no such user
        return named


def _match(path: Path) -> list[Path]:
    """List what the path names: part by part, the name itself if it exists, else the matches of the pattern."""
    matches = [Path(path.anchor)]
    for part in path.relative_to(path.anchor).parts:
        matches = list(dict.fromkeys(match for folder in matches for match in _match_part(folder, part)))
    return matches


def _match_part(folder: Path, part: str) -> Iterator[Path]:
    if os.path.lexists(folder / part):
        yield folder / part
    elif part == "**":
        for root, folders, _ in os.walk(folder):
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            yield Path(root)
    elif glob.has_magic(part):
        yield from (folder / name for name in glob.glob(part, root_dir=folder))


def _find_existing_folder(path: Path) -> tuple[Path, tuple[str, ...]]:
    """Split a path into its longest existing beginning, and the parts after it."""
    folder, parts = Path(path.anchor), path.relative_to(path.anchor).parts
    for k, part in enumerate(parts[:-1]):
        if not (folder / part).exists():
            return folder, parts[k:]
        folder = folder / part
    return folder, parts[-1:]


def _list_folder(folder: Path) -> list[Path]:
    try:
        return list(folder.glob("[!.]*"))
    except OSError:
        return []


_MAX_NAMES = 3


def _find_near(wanted: str, names: list[str]) -> list[str]:
    """Find the names that are most similar to `wanted`, also in another case."""
    lower = {name.lower(): name for name in names}
    return [lower[match] for match in difflib.get_close_matches(wanted.lower(), list(lower), n=_MAX_NAMES, cutoff=0.6)]


def _list_names(names: list[str]) -> str:
    shown = ", ".join(f"{name:.80}" for name in names[:_MAX_NAMES])
    return f"{shown} and {len(names) - _MAX_NAMES} more" if len(names) > _MAX_NAMES else shown
