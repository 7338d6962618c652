"""Order flow imbalance: from raw book updates to a logged, cost-aware verdict.

`import ofiml` is fast: each function loads its libraries when it is first used.

- `read_sessions` reads the checked sessions of any source
- `compute_ofi` computes the flow of each state and level in a table of book states
- `compute_features` computes flow and features on time bars
- `run_study` runs a study from overrides, in memory
- `read_report` reads the typed report of a study
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ofiml.api import compute_features, compute_ofi, read_report, read_sessions, run_study

    __version__: str

__all__ = ["__version__", "compute_features", "compute_ofi", "read_report", "read_sessions", "run_study"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if name == "__version__":
        from importlib.metadata import version

        return version("ofiml")
    from importlib import import_module

    return getattr(import_module("ofiml.api"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
