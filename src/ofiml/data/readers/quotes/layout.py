"""Which column of the file has which role: names in any case, levels by a template."""

import re
from dataclasses import dataclass

from ofiml.data.readers.quotes import ALL_EXCHANGES, LEVEL, NEEDED, QuotesDataset
from ofiml.errors import DataError

_SIDES = {"bid": "bid_px", "ask": "ask_px", "bid_size": "bid_sz", "ask_size": "ask_sz"}
_VENUES = {
    "ex", "exch", "exchange", "exchange_id", "exchange_code", "venue", "venue_id", "mic", "market_center",
    "publisher", "publisher_id", "participant", "participant_id", "part_id",
}  # fmt: skip
_SHOWN = 12  # names in a message


@dataclass(frozen=True, slots=True)
class Layout:
    """The file's column of each role that is not a level, and of each level's price and size (`bid_px_00`).

    `undeclared_exchange` is a column that looks like an exchange and has no role.
    """

    roles: dict[str, str]
    levels: dict[str, str]
    n_levels: int
    undeclared_exchange: str | None


def fits(names: list[str], dataset: QuotesDataset) -> bool:
    """Return whether the names include the column of every role."""
    return all(_find(names, dataset.columns[role]) is not None for role in dataset.columns)


def make_layout(names: list[str], place: str, dataset: QuotesDataset) -> Layout:
    """Find the column of each role. Raises DataError for one that is missing or has two roles, and for other levels.

    `place` is the file, or line 1 of it, for messages.
    """
    columns: dict[str, str] = {}
    numbers: dict[int, str] | None = None
    for role, name in dataset.columns.items():
        found = _find(names, name)
        if found is None:
            raise DataError(_explain_missing(role, name, names, place, dataset))
        if isinstance(found, dict):
            numbers = found if numbers is None else {n: c for n, c in numbers.items() if n in found}
        columns[role] = name if isinstance(found, dict) else found
    if numbers is None:
        if dataset.levels not in (None, 1):
            raise DataError(
                f"{place}: quotes have one level, not dataset.levels={dataset.levels}; for several write {LEVEL} in "
                f"dataset.columns, as in 'dataset.columns.bid=\"bid_price_{LEVEL}\"'."
            )
        levels = {f"{short}_00": columns[role] for role, short in _SIDES.items()}
        n_levels = 1
    else:
        first = 0 if 0 in numbers else 1
        n_levels = next(m for m in range(len(numbers) + 1) if first + m not in numbers)
        if n_levels == 0 or (dataset.levels or 1) > n_levels:
            what = f"{n_levels} levels, numbered from {first}" if n_levels else "no level 0 or 1"
            raise DataError(f"{place}: the columns have {what}: see dataset.levels and dataset.columns.")
        n_levels = dataset.levels or n_levels
        levels = {}
        for role, short in _SIDES.items():
            found = _find(names, dataset.columns[role])
            assert isinstance(found, dict)
            levels |= {f"{short}_{m:02d}": found[first + m] for m in range(n_levels)}
    roles = {role: name for role, name in columns.items() if role not in _SIDES}
    _check_once(roles | levels, place)
    undeclared = None
    if "exchange" not in roles and dataset.exchange != ALL_EXCHANGES:
        used = {*roles.values(), *levels.values()}
        undeclared = next((n for n in names if n.lower() in _VENUES and n not in used), None)
    return Layout(roles, levels, n_levels, undeclared)


def _find(names: list[str], wanted: str) -> str | dict[int, str] | None:
    """Find a column by its name, in another case if only one has it; the numbered columns of a template, by number."""
    if LEVEL in wanted:
        for flags in (re.ASCII, re.ASCII | re.IGNORECASE):
            pattern = re.compile("([0-9]{1,3})".join(map(re.escape, wanted.split(LEVEL))), flags)
            matches = [(int(m[1]), name) for name in names if (m := pattern.fullmatch(name))]
            if matches and len(dict(matches)) == len(matches):
                return dict(matches)
        return None
    if wanted in names:
        return wanted
    alike = [name for name in names if name.lower() == wanted.lower()]
    return alike[0] if len(alike) == 1 else None


def _check_once(columns: dict[str, str], place: str) -> None:
    by_name: dict[str, str] = {}
    for role, name in columns.items():
        if name == "line":
            raise DataError(f"{place}: the column {name} cannot be used: rename it.")
        if name in by_name:
            keys = [_name_role(by_name[name]), _name_role(role)]
            raise DataError(f"{place}: dataset.columns.{keys[0]} and .{keys[1]} are both the column {name}.")
        by_name[name] = role


def _name_role(role: str) -> str:
    return next((key for key, short in _SIDES.items() if role.startswith(f"{short}_")), role)


def _explain_missing(role: str, wanted: str, names: list[str], place: str, dataset: QuotesDataset) -> str:
    n_values = sum(re.fullmatch(r"[-+0-9.:eETZ ]*[0-9][-+0-9.:eETZ ]*", name) is not None for name in names)
    if (
        dataset.header is None
        and 2 * n_values > len(names)
        and not any(_find(names, dataset.columns[r]) for r in NEEDED)
    ):
        return (
            f"{place} has values, not names of columns: if the file has no header, name its columns in order, "
            f"dataset.header=[{', '.join(f'c{i}' for i in range(1, min(len(names), 4) + 1))}, …], and use these names "
            "in dataset.columns."
        )
    shown = ", ".join(name[:40] for name in names[:_SHOWN])
    hint = ""
    if len(names) == 1:
        marks = {";": "semicolons", "\t": "tabs", "|": "pipes"}
        found = [word for mark, word in marks.items() if mark in names[0]]
        hint = f" It is separated by {found[0]}." if found else ""
    if role not in NEEDED:
        hint += f" If the file has no such column: '~dataset.columns.{role}'."
    return f"{place}: the column {wanted} is missing (dataset.columns.{role}); the file has {shown}.{hint}"
