"""Render a document as one HTML file that needs nothing beside it."""

import re
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup

from ofiml.reporting.html.blocks import Document

_FOLDER = Path(__file__).parent


def render_document(document: Document) -> str:
    """Render a document. All its texts are escaped; only its figures are markup."""
    style = Markup((_FOLDER / "document.css").read_text(encoding="utf-8"))  # noqa: S704 - a file of this package
    return _read_template().render(document=document, style=style)


@cache
def _read_template() -> Template:
    environment = Environment(
        loader=FileSystemLoader(_FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["minus"] = _typeset_minus
    return environment.get_template("document.html.j2")


def _typeset_minus(text: str) -> str:
    """Replace the hyphen before a number by a minus, and leave it out before a zero.

    >>> _typeset_minus("-0.5 … -0.00"), _typeset_minus("2024-01-02")
    ('−0.5 … 0.00', '2024-01-02')
    """
    return re.sub(r"(?<!\w)-([\d,.]+)", lambda m: ("−" if re.search("[1-9]", m[1]) else "") + m[1], text)
