"""Bounds of the fields of a config, written beside the fields:

    @dataclass(slots=True)
    class RidgeOfi(Ofi):
        alphas: Annotated[int, at_least(1)]

A `Schema` checks its fields against them, and against the options of a `Literal`, when it is built. Its `__post_init__`
checks conditions between fields, and `config.combination` conditions between groups.
"""

from collections.abc import Callable
from dataclasses import Field, dataclass, fields
from typing import Annotated, Any, ClassVar, Literal, cast, get_args, get_origin

from ofiml.config.checks import require, require_one_of
from ofiml.units import parse_duration

Rule = Callable[[str, Any], None]
"""`rule(key, value)` raises ConfigError for a value that the config's `key` cannot have; null is not passed to it."""


class Schema:
    """A group of the config; `GROUP` is its name in the keys. Raises ConfigError for a value out of bounds."""

    __slots__ = ()
    GROUP: ClassVar[str] = ""

    def __post_init__(self) -> None:
        prefix = f"{self.GROUP}." if self.GROUP else ""
        for f in fields(cast(Any, self)):
            key, value = prefix + f.name, getattr(self, f.name)
            if value is None:
                continue
            if get_origin(f.type) is Literal:
                require_one_of(key, value, get_args(f.type))
            elif get_origin(f.type) is Annotated:
                for rule in get_args(f.type)[1:]:
                    rule(key, value)


def strip_bounds(field: Field[Any]) -> Any:
    """Return the field's type without its bounds."""
    return get_args(field.type)[0] if get_origin(field.type) is Annotated else field.type


@dataclass(frozen=True, slots=True)
class Interval:
    """A range of numbers, which `must` describes in messages. NaN lies in no range."""

    low: float
    high: float
    must: str
    open_low: bool = False
    open_high: bool = False

    def __contains__(self, value: float) -> bool:
        above = self.low < value if self.open_low else self.low <= value
        below = value < self.high if self.open_high else value <= self.high
        return above and below

    def __call__(self, key: str, value: Any) -> None:
        require(value in self, f"{key} {self.must}.")


def at_least(low: float, because: str = "", *, at_most: float = float("inf")) -> Interval:
    """Require a number of at least `low`. `at_most` is a limit far beyond any study; messages do not mention it."""
    return Interval(low, at_most, f"must be at least {low:g}{because}")


def between(low: float, high: float, because: str = "") -> Interval:
    """Require a number from `low` to `high`, both included."""
    return Interval(low, high, f"must lie between {low:.15g} and {high:.15g}{because}")


def within(interval: str, because: str = "") -> Interval:
    """Require a number in an interval as written: `(0, 1]` excludes 0 and includes 1."""
    low, high = (float(end) for end in interval[1:-1].split(","))
    return Interval(low, high, f"must lie in {interval}{because}", interval[0] == "(", interval[-1] == ")")


def positive(because: str = "", *, at_most: float = float("inf")) -> Interval:
    """Require a number above 0. `at_most` is a limit far beyond any study; messages do not mention it."""
    return Interval(0, at_most, f"must be positive{because}", open_low=True)


def not_negative(because: str = "") -> Interval:
    """Require a number of at least 0."""
    return Interval(0, float("inf"), f"must not be negative{because}")


SEED = within("[0, 2147483648)")  # valid for every random generator in use


def a_duration(key: str, value: str) -> None:
    """Require a length of time, such as 10s."""
    parse_duration(value, key)


def longer_than_0(key: str, value: str) -> None:
    """Require a length of time longer than 0."""
    require(parse_duration(value, key) > 0, f"{key} must be longer than 0.")


@dataclass(frozen=True, slots=True)
class EachItem:
    """Apply a rule to every item of a list."""

    rule: Rule

    def __call__(self, key: str, value: list[Any]) -> None:
        for item in value:
            self.rule(key, item)


@dataclass(frozen=True, slots=True)
class NoneTwice:
    """Require a list without repetition; `what` names an item in messages."""

    what: str

    def __call__(self, key: str, value: list[Any]) -> None:
        require(len(set(value)) == len(value), f"{key} names {self.what} twice.")


def each(rule: Rule) -> EachItem:
    """Apply a rule to every item of a list."""
    return EachItem(rule)


def each_once(what: str) -> NoneTwice:
    """Require a list without repetition; `what` names an item in messages."""
    return NoneTwice(what)
