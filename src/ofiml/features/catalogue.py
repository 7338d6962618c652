"""The catalogue of features: what each is, in words and formula; the module of its family computes it.

Terms:

- A *state* is the book after one message (after one row with `bars.per=row`).
- A *bar* is (open, close], and t is its close. In a live query t is the instant of the query, and the bar is (open, t].
- `mid` is (P^a + P^b)/2 in ticks, known where both sides are there. Level 1 is the best; "all" levels are those of the
  data. q is a size in lots; a missing level has size 0.
- D is +1 for a trade that a buyer began and -1 for one that a seller began. A trade without a side is unsigned and
  counts only where its formula names it.
- *The start* is the latest of three: the session's open, the session's first state, and the last reset (a book clear,
  snapshot, halt or gap). Nothing is measured across it, and counts "since the start" begin there. Only the plain sums
  of a bar (flow, volumes, trades, events, VWAP, spreads paid) keep what came before a reset in the same bar.
- The state of the start counts as one since the start. A trade on its row does not, nor do the rows before it.
- States before the open set the book and count for nothing else. The mid before a change of the mid is the last one
  known since the start; at the open it is the mid that stands then.
- A look-back in *bars* counts this bar and those before it, back to the start. The bar in which the start lies is the
  first.

Every feature is known at t. A feature is NaN where its rule says so. Besides, all features except those of the clock
are NaN before the session's first state, and a quotient is NaN where its divisor is 0. Prices may be zero or negative
(docs/targets.md): bps and values traded are of |price|, bps are NaN at a mid of 0, and logarithms are NaN at a mid that
is not positive.
"""

from ofiml.errors import ConfigError
from ofiml.features.entry import Feature
from ofiml.features.families import arrival, clock, depth, flow, price, shape, spread, toxicity, trades
from ofiml.features.installed import INSTALLED

# A feature's column is its place here.
FAMILIES = (flow, depth, spread, shape, trades, price, toxicity, arrival, clock)


def _collect() -> dict[str, Feature]:
    """Collect the entries of the families here, then those of installed packages. Raises ConfigError for a clash."""
    found = {entry.name: entry for family in FAMILIES for entry in family.ENTRIES}
    owners = dict.fromkeys(found, "ofiml itself")
    for owner, entries in INSTALLED:
        for entry in entries:
            if entry.name in found:
                raise ConfigError(
                    f"The feature {entry.name} is declared by {owner}, and by {owners[entry.name]}: uninstall that "
                    "package, or have it choose another name."
                )
            found[entry.name], owners[entry.name] = entry, owner
    return found


CATALOGUE: dict[str, Feature] = _collect()
INDEX: dict[str, int] = {name: i for i, name in enumerate(CATALOGUE)}


def select_features(columns: list[str]) -> list[Feature]:
    """Select the entries of these names from the catalogue, in that order.

    Raises ConfigError for an unknown name, or one given twice.
    """
    import difflib

    for name in columns:
        if name not in CATALOGUE:
            close = difflib.get_close_matches(name, CATALOGUE, n=1)
            hint = f"did you mean {close[0]}?" if close else f"it has {', '.join(CATALOGUE)}."
            raise ConfigError(f"features.columns: {name} is not in the catalogue; {hint}")
    if len(set(columns)) < len(columns):
        raise ConfigError(f"features.columns names a feature twice: {', '.join(columns)}.")
    return [CATALOGUE[name] for name in columns]
