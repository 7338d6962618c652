"""The schema of the files that show a study: report.html and the figures."""

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from ofiml.config.bounds import Schema, between, each, each_once
from ofiml.config.checks import require_one_of

FORMATS = ("png", "svg", "pdf")  # of the files of figures


def _a_format(key: str, value: Any) -> None:
    """Require png, svg or pdf."""
    require_one_of(key, value, FORMATS)


@dataclass(slots=True)
class ReportFiles(Schema):
    """The files that show a study: report.html, and each figure in the formats of `figures`, with `dpi` dots per inch.

    No result depends on them.
    """

    GROUP: ClassVar[str] = "report"

    html: bool
    figures: Annotated[list[str], each(_a_format), each_once("a format")]
    dpi: Annotated[int, between(50, 1200)]


#: What runs wrote before their configs had the group.
FIRST_FILES: dict[str, Any] = {"html": True, "figures": ["png"], "dpi": 110}
