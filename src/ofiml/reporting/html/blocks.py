"""The parts of a document. Their texts are plain: the template escapes them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from markupsafe import Markup


@dataclass(frozen=True, slots=True)
class Table:
    """A table with a heading that names its units. The first `labels` columns are text, the others are numbers.

    `note` stands below. Each row has one cell per column.
    """

    kind: ClassVar[str] = "table"

    heading: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    labels: int = 1
    note: str = ""

    def __post_init__(self) -> None:
        assert all(len(row) == len(self.columns) for row in self.rows), f"a row of {self.heading} has other columns"


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure as SVG, and the sentence under it."""

    kind: ClassVar[str] = "figure"

    svg: Markup
    caption: str


@dataclass(frozen=True, slots=True)
class Sentences:
    """Sentences: one paragraph each, or a list with a `heading`."""

    kind: ClassVar[str] = "sentences"

    lines: Sequence[str]
    heading: str = ""
    listed: bool = False


@dataclass(frozen=True, slots=True)
class Listing:
    """A text with its line breaks, such as a file or commands, under a heading."""

    kind: ClassVar[str] = "listing"

    heading: str
    text: str


@dataclass(frozen=True, slots=True)
class Details:
    """A long part that opens on a click, and is open on paper."""

    kind: ClassVar[str] = "details"

    summary: str
    blocks: "Sequence[Block]"


Block = Table | Figure | Sentences | Listing | Details


@dataclass(frozen=True, slots=True)
class KeyFigure:
    """A number that is shown large: what it is, the number, and its interval or unit."""

    name: str
    value: str
    beside: str = ""


@dataclass(frozen=True, slots=True)
class Section:
    """A section with the `anchor` by which the table of contents finds it."""

    anchor: str
    heading: str
    blocks: Sequence[Block]


@dataclass(frozen=True, slots=True)
class Document:
    """A document: a line of `context` above its title, the verdict, key figures, warnings and sections."""

    title: str
    context: str
    verdict: str
    key_figures: Sequence[KeyFigure]
    sections: Sequence[Section]
    warnings: Sequence[str] = field(default_factory=tuple)
