"""Records by name: models and readers of the project's folders, and those of installed packages.

A name in a config is a key into a registry and never a path to import: configs come from strangers. A module is
imported when its name is looked up, and only if the folder or an entry point of an installed package has that name.
"""

import importlib
import pkgutil
import re
import sys
from collections.abc import ItemsView, Iterator, Mapping, ValuesView
from functools import lru_cache
from importlib import metadata
from importlib.metadata import EntryPoint
from pathlib import Path
from types import MappingProxyType
from typing import Any, Generic, TypeVar

import yaml

from ofiml.config.folders import Folder
from ofiml.errors import ConfigError
from ofiml.provenance import hash_contents

Record = TypeVar("Record")
Schema = TypeVar("Schema")

_NAME = re.compile(r"[A-Za-z]\w*", re.ASCII)


def entry_points(group: str) -> list[EntryPoint]:
    """List the entry points that installed packages declare in a group, by name. Nothing is imported."""
    return list(_select_entry_points(tuple(sys.path), group))


@lru_cache(maxsize=64)  # a config is looked up group by group, and each of them asks
def _select_entry_points(path: tuple[str, ...], group: str) -> tuple[EntryPoint, ...]:
    return tuple(sorted(_read_entry_points(path).select(group=group), key=lambda entry: entry.name))


@lru_cache(maxsize=16)
def _read_entry_points(path: tuple[str, ...]) -> Any:  # its class depends on the version of Python
    return metadata.entry_points()  # of all groups, which takes no longer than one group


@lru_cache(maxsize=16)  # no folder gets a module while the program runs, and each look-up of a name asks
def _list_modules(path: tuple[str, ...], packages: bool) -> frozenset[str]:
    """List the modules of the folders in `path`, and the packages if asked."""
    return frozenset(module.name for module in pkgutil.iter_modules(path) if packages or not module.ispkg)


def name_package(entry: EntryPoint) -> str:
    """Name the distribution that declares an entry point, with its version."""
    return "an unknown package" if entry.dist is None else f"{entry.dist.name} {entry.dist.version}"


def package_digest(entry: EntryPoint) -> str:
    """Hash the version of an installed package and the content of every Python file in it."""
    file = _locate(entry.module.partition(".")[0])
    files = [] if file is None else sorted(file.parent.rglob("*.py")) if file.stem == "__init__" else [file]
    return hash_contents(name_package(entry).encode(), *(path.read_bytes() for path in files))


class Registry(Mapping[str, Record], Generic[Record]):
    """The records of one kind by name, own ones and those of installed packages.

    Parameters
    ----------
    folder
        Where the project's own records are, and the entry-point group of the others.
    kind
        The class of the records, or a base of it.

    Raises
    ------
    KeyError
        From `registry[name]`, for an unknown name.
    ConfigError
        From `registry[name]`, if two packages, or a package and the project, declare the name; if the record of an
        installed package cannot be loaded; and if the record has another class or name. Other names are not affected.
    """

    def __init__(self, folder: Folder, kind: type[Record]) -> None:
        self.folder, self.kind = folder, kind

    def __iter__(self) -> Iterator[str]:
        return iter(sorted({*self.list_own(), *self.list_installed()}))

    def __len__(self) -> int:
        return len(list(iter(self)))

    def __contains__(self, name: object) -> bool:
        return name in list(iter(self))

    def __getitem__(self, name: str) -> Record:
        entries = self.list_installed().get(name, [])
        self.check_claims(name)
        if name in self.list_own():
            module, attribute = f"{self.folder.package}.{name}", self.folder.attribute
            record = getattr(importlib.import_module(module), attribute, None)
            return self._check_record(name, record, f"{self.folder.choice}={name}", f"{module}:{attribute}")
        if not entries:
            raise KeyError(name)
        return self._load(entries[0])

    def list_own(self) -> list[str]:
        """List the names of the folder."""
        package = importlib.import_module(self.folder.package)
        names = _list_modules(tuple(package.__path__), self.folder.packages)
        return sorted(name for name in names - getattr(package, "SHARED", frozenset()) if not name.startswith("_"))

    def list_installed(self) -> dict[str, list[EntryPoint]]:
        """Map each name of installed packages to its entry points: one, or several if packages clash."""
        by_name: dict[str, list[EntryPoint]] = {}
        for entry in entry_points(self.folder.group):
            by_name.setdefault(entry.name, []).append(entry)
        return by_name

    def load_all(self) -> dict[str, Record]:
        """Map every name to its record. Records of installed packages that cannot be loaded are left out."""
        records = {}
        for name in self:
            try:
                records[name] = self[name]
            except ConfigError:  # a look-up of the name itself raises it
                continue
        return records

    def read_defaults(self) -> dict[str, dict[str, Any]]:
        """Map each name of an installed package to the values of NAME.yaml beside the file of the record.

        Nothing is imported. For a file that is missing or cannot be read, the values are {"name": NAME}; the schema of
        the record then reports what is missing.
        """
        return {name: _read_defaults(name, entries[0]) for name, entries in self.list_installed().items()}

    def source_digest(self, name: str) -> str | None:
        """Hash the package of an installed record (`package_digest`); return None for a record of the project."""
        entries = self.list_installed().get(name, [])
        if not entries or name in self.list_own():
            return None
        return package_digest(entries[0])

    def check_claims(self, name: str) -> None:
        """Raise ConfigError if two packages, or a package and the project, declare the name."""
        entries, choice = self.list_installed().get(name, []), self.folder.choice
        if entries and name in {*self.list_own(), *self.folder.reserved}:
            raise ConfigError(
                f"{choice}={name} is declared by {name_package(entries[0])}, but ofiml has its own {choice} {name}: "
                "uninstall that package, or rename its entry point."
            )
        if len(entries) > 1:
            both = " and ".join(map(name_package, entries))
            raise ConfigError(f"{choice}={name} is declared by {both}: uninstall one of the two.")

    def _load(self, entry: EntryPoint) -> Record:
        where = f"{self.folder.choice}={entry.name} of the installed package {name_package(entry)}"
        if _NAME.fullmatch(entry.name) is None:
            raise ConfigError(f"{where}: a name consists of letters, digits and _, and starts with a letter.")
        try:
            record = entry.load()
        except Exception as error:  # somebody else's module may raise anything
            reason = " ".join(f"{type(error).__name__}: {error}".split())
            raise ConfigError(f"{where} cannot be loaded ({reason}): fix or uninstall that package.") from error
        return self._check_record(entry.name, record, where, entry.value)

    def _check_record(self, name: str, record: Any, where: str, value: str) -> Record:
        kind = self.folder.record
        if not isinstance(record, self.kind):
            raise ConfigError(f"{where}: {value} must be a {kind}, not a {type(record).__name__}.")
        own_name = getattr(record, "name", name)
        if own_name != name:
            raise ConfigError(f"{where}: the {kind} {value} has the name {own_name}; it must be {name}.")
        return record


class Schemas(Mapping[str, type[Schema]], Generic[Schema]):
    """The schemas of a config group by choice: the `fixed` ones, then those of a registry's records.

    `items` and `values` leave out installed packages that cannot be loaded, so that messages about other choices
    still work. `schemas[name]` raises what `Registry[name]` raises.
    """

    def __init__(self, registry: Registry[Any], fixed: Mapping[str, type[Schema]] = MappingProxyType({})) -> None:
        self.registry, self._fixed = registry, fixed

    def __iter__(self) -> Iterator[str]:
        return iter([*self._fixed, *(name for name in self.registry if name not in self._fixed)])

    def __len__(self) -> int:
        return len(list(iter(self)))

    def __contains__(self, name: object) -> bool:
        return name in self._fixed or name in self.registry

    def __getitem__(self, name: str) -> type[Schema]:
        if name in self._fixed:
            self.registry.check_claims(name)
            return self._fixed[name]
        schema: type[Schema] = self.registry[name].config
        return schema

    def items(self) -> ItemsView[str, type[Schema]]:
        """List every name with its schema."""
        schemas = {name: record.config for name, record in self.registry.load_all().items()}
        return ({**self._fixed} | {name: schemas[name] for name in schemas if name not in self._fixed}).items()

    def values(self) -> ValuesView[type[Schema]]:
        """List every schema, in the order of the names."""
        return dict(self.items()).values()


def _read_defaults(name: str, entry: EntryPoint) -> dict[str, Any]:
    file = _locate(entry.module)
    try:
        values = yaml.safe_load("" if file is None else file.with_name(f"{name}.yaml").read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError):
        values = None
    return values if isinstance(values, dict) else {"name": name}


def _locate(module: str) -> Path | None:
    """Find the file of a module without importing the module or its parents; return None if there is no file."""
    path, spec = None, None
    parts = module.split(".")
    for k in range(len(parts)):
        name = ".".join(parts[: k + 1])
        specs = (finder.find_spec(name, path) for finder in sys.meta_path if hasattr(finder, "find_spec"))
        spec = next((one for one in specs if one is not None), None)
        if spec is None:
            return None
        path = spec.submodule_search_locations
    return Path(spec.origin) if spec is not None and spec.has_location and spec.origin else None
