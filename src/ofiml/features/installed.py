"""The families of installed packages: modules like those of `families`, found by entry points.

An installed package declares NAME = "module" in the group `ofiml.features`. Its module has `ENTRIES` and `fill`.
"""

from collections.abc import Callable
from functools import reduce
from importlib.metadata import EntryPoint
from types import FunctionType
from typing import Any, cast

from ofiml import _numba
from ofiml.config.registry import entry_points, name_package, package_digest
from ofiml.errors import ConfigError
from ofiml.features.entry import Feature
from ofiml.features.memory import Memory

GROUP = "ofiml.features"
Fill = Callable[[Memory, int, Any], None]


def _load(entry: EntryPoint) -> tuple[str, tuple[Feature, ...], Fill, str]:
    """Load a family: who declares it, its entries, its `fill`, the digest of its package's sources."""
    owner = f"features {entry.name} of the installed package {name_package(entry)}"
    try:
        module = entry.load()
    except Exception as error:  # whatever somebody else's module raises
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise ConfigError(f"{owner} cannot be loaded ({reason}): fix or uninstall that package.") from error
    entries, fill = getattr(module, "ENTRIES", None), getattr(module, "fill", None)
    if not isinstance(entries, tuple | list) or not all(isinstance(one, Feature) for one in entries):
        raise ConfigError(f"{owner}: {entry.value} must have ENTRIES, a tuple of Feature.")
    if not isinstance(fill, FunctionType):
        raise ConfigError(f"{owner}: {entry.value} must have a function fill(m, t, out).")
    sources = package_digest(entry)
    for package in {entry.module, fill.__module__}:
        _numba.register(package.partition(".")[0], sources, __name__)
    return owner, tuple(entries), fill, sources


def _skip(m: Memory, t: int, out: Any) -> None:
    """Write nothing."""


def _chain(first: Fill, second: Fill) -> Fill:
    def fill(m: Memory, t: int, out: Any) -> None:
        first(m, t, out)
        second(m, t, out)

    return fill


_families = [_load(entry) for entry in entry_points(GROUP)]

INSTALLED: tuple[tuple[str, tuple[Feature, ...]], ...] = tuple((owner, entries) for owner, entries, _, _ in _families)
"""Who declares a family, and its entries, by the entry points' names."""

SOURCES: tuple[str, ...] = tuple(sources for _, _, _, sources in _families)
"""The digest of the sources of each family's package."""

fill_installed: Fill = reduce(_chain, (fill for _, _, fill, _ in _families), cast(Fill, _skip))
"""Write the values of all of them, as the `fill` of a family does."""
