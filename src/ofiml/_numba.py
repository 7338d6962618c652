"""The compilation of kernels, and the folder where numba caches them.

A kernel is plain Python, which is its specification. `compiled` makes its njit; the plain functions of this package
that it calls, wherever they stand, are compiled with it:

    def twice(x: int) -> int:
        return 2 * x

    def add_twice_py(x: int, y: int) -> int:
        return twice(x) + twice(y)

    add_twice = compiled(add_twice_py)

numba's cache looks only at the file of the kernel itself, so that a changed callee or constant elsewhere would give the
old result. The folder of the cache is therefore named by a digest of all source files that the kernel's module
imports, in turn, and of how it is compiled.
"""

import ast
import hashlib
import importlib.util
import os
import sys
import threading
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from types import FunctionType
from typing import Any, TypeVar, cast

from ofiml.atomic import delete_old_folders

F = TypeVar("F", bound=Callable[..., Any])

_PACKAGE = __name__.partition(".")[0]
_PREFIX = "kernels-"
_UNUSED_DAYS = 30  # after so many, a folder of the cache is deleted
_lock = threading.RLock()

callees: dict[FunctionType, Any] = {}
"""The plain functions that compiled ones call, each with its dispatcher."""


_registered: dict[str, tuple[str, str]] = {}


def register(package: str, sources_digest: str, by: str) -> None:
    """Compile plain functions of another `package`, too, where a compiled one calls them.

    The digest of its sources counts for the kernels that import the module `by`. Call it before they are compiled.
    """
    _registered[package] = sources_digest, by


def compiled(function: F, *, forceinline: bool = False) -> F:
    """Compile a plain function when it is first called, releasing the GIL; a later process loads it from the cache.

    `forceinline` copies it into the compiled functions that call it. Where no folder can be written, each process
    compiles for itself.
    """
    _compile_plain_callees()
    from numba import njit

    from ofiml._numba_code import Whole, WholeCompiler

    Whole.apart = apart
    config = _settings()
    with _lock:
        parent = config.CACHE_DIR
        folder = cache_folder(function.__module__, Path(parent) if parent else None)
        try:
            config.CACHE_DIR = str(folder or "")  # numba reads it when it makes the function
            options: dict[str, Any] = {"nogil": True, "forceinline": forceinline, "pipeline_class": WholeCompiler}
            return cast(F, njit(cache=folder is not None, **options)(function))
        finally:
            config.CACHE_DIR = parent


apart: set[str] = set()
"""How the symbols of functions begin that are not copied into their callers."""


def keep_apart(function: F) -> F:
    """Keep the code of a plain function out of those that call it, although it has but one caller.

    For a long loop within another: as one function, both together have more variables than the processor has registers.
    """
    names = [*function.__module__.split("."), *function.__qualname__.split(".")]
    apart.add("_ZN" + "".join(f"{len(name)}{name}" for name in names) + "B")
    return function


def _settings() -> Any:
    """Return numba's settings, whose types are known at run time only."""
    import numba

    return numba.config


# --- callees ---------------------------------------------------------------------------------------------------------


@cache
def _compile_plain_callees() -> None:
    """Make numba compile the plain functions of this package that a compiled one calls."""
    from numba import types
    from numba.extending import typeof_impl

    from ofiml._numba_code import Callee

    def typeof_function(function: FunctionType, _context: Any) -> Any:
        if function.__module__.partition(".")[0] not in (_PACKAGE, *_registered):
            return None
        if function not in callees:
            callees[function] = Callee(function)
        return types.Dispatcher(callees[function])

    typeof_impl.register(FunctionType)(typeof_function)


# --- the cache's folder ----------------------------------------------------------------------------------------------


@cache
def cache_folder(module: str, parent: Path | None) -> Path | None:
    """Return the folder for the kernels of `module`, and make it if it does not exist.

    It lies below `parent`; without one beside this package, or where that is read-only in the user's cache. None if no
    place can be written.
    """
    name = _PREFIX + digest(module)
    for place in [parent] if parent else [Path(__file__).parent / "__pycache__", _user_cache()]:
        folder = place / name
        try:
            folder.mkdir(parents=True, exist_ok=True)
            os.utime(folder)
        except OSError:
            continue
        if os.access(folder, os.W_OK):
            _delete_unused(place)
            return folder
    return None


def is_compiled(module: str) -> bool:
    """Return whether the cache has a compiled kernel of `module`, by this version of its sources."""
    parent = _settings().CACHE_DIR
    folder = cache_folder(module, Path(parent) if parent else None)
    return folder is not None and any(folder.rglob("*.nbc"))


def _user_cache() -> Path:
    """Return the folder where the platform keeps caches."""
    if sys.platform == "win32":
        home = os.environ.get("LOCALAPPDATA")
    elif sys.platform == "darwin":
        home = str(Path.home() / "Library" / "Caches")
    else:
        home = os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path.home() / ".cache") / _PACKAGE


@cache
def _delete_unused(place: Path) -> None:
    """Delete the folders that no process has used for long."""
    delete_old_folders(place, _PREFIX, _UNUSED_DAYS)


def digest(module: str) -> str:
    """Hash all sources on which the kernels of `module` depend, and the switches of numba that change the result."""
    config = _settings()
    hashed = hashlib.sha256(f"boundscheck={config.BOUNDSCHECK} opt={config.OPT}".encode())
    files = sources(module)
    for package, (sources_digest, by) in sorted(_registered.items()):
        if _source(by) in files:
            hashed.update(f"\n{package} {sources_digest}".encode())
    for path in files:
        data = path.read_bytes()
        hashed.update(f"\n{path.name} {len(data)}\n".encode() + data)
    return hashed.hexdigest()[:16]


def sources(module: str) -> list[Path]:
    """List the files of `module` and of all modules of this package that it imports, directly or through others."""
    files: dict[str, Path] = {}
    left = [module]
    while left:
        name = left.pop()
        path = None if name in files else _source(name)
        if path is not None:
            files[name] = path
            left += _imported(name, path.name == "__init__.py", path.read_bytes())
    return [files[name] for name in sorted(files)]


@cache  # a dozen modules of kernels ask for the same files, and each import for a name that may be a module
def _source(module: str) -> Path | None:
    """Find the file of a module without importing it; None for a name that is no module of this package."""
    package, *names = module.split(".")
    if package != _PACKAGE:
        return None
    place = Path(__file__).parent.joinpath(*names)
    files = place / "__init__.py", place.with_suffix(".py")
    return next((path for path in files if path.is_file()), None)


@cache  # the kernels of a process stand in a dozen modules, which import much of the same
def _imported(module: str, is_package: bool, source: bytes) -> list[str]:
    found: list[str] = []
    for node in _run_statements(ast.parse(source)):
        if isinstance(node, ast.Import):
            found += (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            package = module if is_package else module.rpartition(".")[0]
            base = importlib.util.resolve_name("." * node.level + (node.module or ""), package)
            found += (base, *(f"{base}.{alias.name}" for alias in node.names))
    return found


def _run_statements(tree: ast.AST) -> Iterator[ast.AST]:
    """Yield the statements below `tree` that may run: imports for type checkers alone change no kernel.

    Expressions, which are most nodes, contain no import and are not visited.
    """
    for name in _BLOCKS:
        for node in getattr(tree, name, ()):
            if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
                continue
            yield node
            yield from _run_statements(node)


_BLOCKS = ("body", "orelse", "handlers", "finalbody", "cases")  # the fields of a statement that hold statements
