"""What made a result besides its settings and data: the code of this package, and the packages that it asks."""

from functools import cache
from importlib.metadata import version
from pathlib import Path

from ofiml.events.feed import digest


@cache
def made_by(*packages: str) -> list[str]:
    """A digest of every source file of this package, then the version of each of `packages`."""
    sources = (path.read_bytes() for path in sorted(Path(__file__).parent.rglob("*.py")))
    return [digest(*sources), *(version(name) for name in packages)]
