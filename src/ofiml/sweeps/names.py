"""The name of a sweep: what varies among its members."""

from collections import Counter
from collections.abc import Sequence

from ofiml.sweeps.manifest import Member
from ofiml.tracking.names import SEPARATOR

_MAX_VALUES = 4  # named of a key
_MAX_LENGTH = 100


def name_sweep(members: Sequence[Member]) -> str:
    """Name a sweep by the keys that vary with their values, such as `model=ols,ridge·seed=1,2`.

    Many values are counted (`seed=50 values`). A key is named by its last part, if that is of one key only.
    """
    values: dict[str, list[str]] = {}
    for member in members:
        for override in member.overrides:
            key, _, value = override.lstrip("+~").partition("=")
            if value not in (own := values.setdefault(key, [])):
                own.append(value)
    varied = {key: own for key, own in values.items() if len(own) > 1}
    parts = Counter(key.rpartition(".")[2] for key in varied)
    words = []
    for key, own in varied.items():
        last = key.rpartition(".")[2]
        listed = ",".join(own) if len(own) <= _MAX_VALUES else f"{len(own)} values"
        words.append(f"{last if parts[last] == 1 else key}={listed}")
    return SEPARATOR.join(words)[:_MAX_LENGTH] or f"sweep of {len(members)}"
