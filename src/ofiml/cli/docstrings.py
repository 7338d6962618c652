"""What a command leaves out of the libraries that it imports: docstrings that they compose while they are imported.

SciPy parses and rewrites the docstrings of its functions, and matplotlib lists the properties of its artists. No
command shows them, and for them alone the import of both takes a third longer.
"""

from contextlib import suppress


class _NoDocstring(dict[str, list[object]]):
    """What stands for a docstring: it has no sections, forgets what is written into one, and reads as empty."""

    def __init__(self, function: object) -> None:
        super().__init__()

    def __missing__(self, section: str) -> list[object]:
        return []

    def __str__(self) -> str:
        return "\n"


def leave_out_docstrings() -> None:
    """Leave out the composed docstrings of SciPy and matplotlib, of what this process has not yet imported of them.

    Where a version of them composes none, or in another way, nothing changes.
    """
    with suppress(ImportError):
        from scipy._lib import _docscrape

        _docscrape.FunctionDoc = _NoDocstring
    from matplotlib import artist

    artist.kwdoc = lambda artist: ""
