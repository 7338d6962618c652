"""Recognise files: which reader reads a file, and with which command. The readers' own `recognise` functions decide."""

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ofiml.config import FileDataset, files
from ofiml.data.file_head import FileHead, Recognition, read_head, shorten
from ofiml.data.formats.foreign import describe_foreign
from ofiml.data.readers import READERS

_FILL_IN = re.compile(r"=\[?(LOT|NAME|COLUMN|EXCHANGE|TICK_SIZE|STEP_SIZE)\]?$")
_PREAMBLE = re.compile(r"(sep=|#|//|https?:)", re.IGNORECASE)
_MAX_FILES = 20  # of a folder; further ones are not looked at


@dataclass(frozen=True, slots=True)
class Candidate:
    """A reader that recognises a file, and what the file is to it."""

    reader: str
    recognition: Recognition

    @property
    def readable(self) -> bool:
        return not self.recognition.remedy


def recognise_file(head: FileHead) -> list[Candidate]:
    """List the readers that recognise a file: the sure ones if any, else all. Those that can read it stand first."""
    found = []
    for name, reader in READERS.load_all().items():
        recognition = None if reader.recognise is None else reader.recognise(head)
        if recognition is not None:
            found.append(Candidate(name, recognition))
    sure = [c for c in found if c.recognition.sure]
    return sorted(sure or found, key=lambda c: not c.readable)


def write_overrides(candidate: Candidate, path: str) -> list[str]:
    """Write the overrides that read a file, quoted for a shell where needed."""
    words = [
        f"dataset={candidate.recognition.dataset or candidate.reader}",
        f"dataset.path={path}",
        *candidate.recognition.settings,
    ]
    return [shlex.quote(word) for word in words]


def describe_other_format(head: FileHead) -> str:
    """Describe a file that no reader recognises: a known format of another kind, its columns, or its first bytes."""
    foreign = describe_foreign(head.name, head.content)
    if foreign is not None:
        return foreign
    if not head.content and not head.members and not head.packing:
        return "empty"
    if head.packing and not head.content and not head.members:
        return f"a {head.packing} file that is damaged, empty or locked: fetch it again"
    if "[Content_Types].xml" in head.members:
        return "an Office document, such as an Excel workbook: save its sheet as CSV first"
    if len(head.members) > 1:
        return f"an archive ({head.packing}) of {len(head.members)} files ({shorten(head.members, 3)}): unpack it first"
    if head.lines and _PREAMBLE.match(head.lines[0]) and len(head.lines) > 1:
        return f"text whose first line is no header ({head.lines[0][:40]!r}): delete the lines before the header"
    if not head.header and _is_table(head):
        count = len(head.cells[0])
        return (
            f"a table ({head.form}) of {count} columns without their names, which no source has. If it has quotes, "
            "dataset=quotes reads it with the names in dataset.header=[…] and their roles in dataset.columns"
        )
    if head.header and not any(re.search("bid|ask|ofr|offer", column.lower()) for column in head.header):
        what = f"a table ({head.form}) with the columns {shorten(head.header)}, which no source has"
        return f"{what}. None is a quote, and order flow needs the book, or its best bid and ask with their sizes"
    if head.header:
        return f"a table ({head.form}) with the columns {shorten(head.header)}, which no source has"
    if head.lines:
        return f"text that no source writes; it starts with {head.lines[0][:60]!r}"
    return f"binary, in a format that no source writes; it starts with the bytes {head.content[:8].hex(' ')}"


def _is_table(head: FileHead) -> bool:
    """Return whether the first lines have the same number of cells, at least three, most of them numbers."""
    rows = head.cells[:-1] if len(head.cells) > 1 else head.cells
    cells = [cell for row in rows for cell in row]
    same = len({len(row) for row in rows}) == 1 and len(rows) > 0 and len(rows[0]) > 2
    return same and 2 * sum(
        re.fullmatch(r"[-+0-9.:eETZ ]*[0-9][-+0-9.:eETZ ]*", cell) is not None for cell in cells
    ) > len(cells)


def describe_path(path: str, command: str) -> tuple[list[str], bool]:
    """Describe the files of a path: what each kind is, and the `ofiml data` command that reads it.

    Also return whether every kind can be read. At most 20 files are looked at. Raises OSError.
    """
    paths = files(path)
    kinds: dict[str, tuple[list[Path], list[Candidate], FileHead]] = {}
    for file in paths[:_MAX_FILES]:
        head = read_head(file)
        candidates = recognise_file(head)
        key = f"{candidates[0].reader} {candidates[0].recognition}" if candidates else file.name
        kinds.setdefault(key, ([], candidates, head))[0].append(file)
    lines, readable = [], True
    for members, candidates, head in kinds.values():
        name = str(members[0]) if len(members) == 1 else f"{len(members)} files, such as {members[0].name},"
        verb = "is" if len(members) == 1 else "are"
        given = path if len(kinds) == 1 else _name_members(members, paths)
        lines += _describe_kind(f"{name} {verb}", candidates, head, given, command)
        readable &= bool(candidates) and candidates[0].readable
    if len(paths) > _MAX_FILES:
        lines.append(f"The other {len(paths) - _MAX_FILES} files were not looked at.")
    return lines, readable


def _name_members(members: list[Path], paths: list[Path]) -> str:
    """Name one kind of files among others: by a glob that matches just them, or else the first file."""
    if len(members) > 1 and len({file.parent for file in members}) == 1:
        suffix = "".join(members[0].suffixes[-2:])
        for ending in dict.fromkeys((suffix, members[0].suffix)):
            if ending and [p for p in paths if p.name.endswith(ending)] == members:
                return str(members[0].parent / f"*{ending}")
    return str(members[0])


def _describe_kind(start: str, candidates: list[Candidate], head: FileHead, path: str, command: str) -> list[str]:
    if not candidates:
        return [f"{start} {describe_other_format(head)}."]
    first = candidates[0]
    if not first.readable:
        return [f"{start} {first.recognition.what}: {first.recognition.remedy}."]
    lines = [f"{start} {first.recognition.what}. To read it:", f"  {write_command(first, path, command)}"]
    if any(_FILL_IN.search(setting) for setting in first.recognition.settings):
        lines.append("Replace the words in capitals by the symbol's own values.")
    others = [other for other in candidates[1:] if other.readable]
    return lines + [f"If it is {c.recognition.what}: {write_command(c, path, command)}" for c in others]


def write_command(candidate: Candidate, path: str, command: str) -> str:
    """Write the `ofiml data` command that reads a file."""
    return f"ofiml data {command} {' '.join(write_overrides(candidate, path))}"


def explain_other_reader(paths: Sequence[Path], dataset: FileDataset) -> str:
    """Explain that files belong to another reader than the dataset's, with the overrides that read them.

    Empty if the dataset's reader has no `recognise` or recognises one of the files, or if no other reader surely does.
    """
    reader = READERS[dataset.name]
    if reader.recognise is None:
        return ""
    hint = ""
    for path in paths[:_MAX_FILES]:
        try:
            head = read_head(path)
        except OSError:
            continue
        if reader.recognise(head) is not None:
            return ""
        candidates = recognise_file(head)
        hint = hint or _explain_candidate(path.name, head, candidates, dataset.path)
    return hint


def _explain_candidate(name: str, head: FileHead, candidates: list[Candidate], path: str) -> str:
    """Explain what a file is that the chosen reader does not recognise; empty if nothing is sure."""
    if not candidates:
        foreign = describe_foreign(head.name, head.content)
        return f"{name} looks like {foreign}." if foreign else ""
    first = candidates[0]
    if not first.recognition.sure:
        return ""
    remedy = first.recognition.remedy or f"use {' '.join(write_overrides(first, path))}"
    return f"{name} looks like {first.recognition.what}: {remedy}."
