"""The schemas of flow over levels."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

from ofiml._typing import Normalise, OfiName, Parts
from ofiml.config.bounds import Schema, at_least, between, positive
from ofiml.config.checks import require
from ofiml.units import parse_duration

PARTS: dict[Parts, tuple[str, ...]] = {
    "net": ("ofi",),
    "sides": ("bid", "ask"),
    "types": ("adds", "cancels", "trades"),
}


@dataclass(slots=True)
class Ofi(Schema):
    """Flow at `levels` of the book (null for all), in `parts`, over `windows`: `bar`, and look-backs such as 30s."""

    GROUP: ClassVar[str] = "ofi"

    name: OfiName
    levels: Annotated[int | None, between(1, 100, ", or be null")]
    normalise: Normalise
    parts: Parts
    windows: list[str]

    def __post_init__(self) -> None:
        Schema.__post_init__(self)  # super() does not work in slots dataclasses before 3.14
        require(bool(self.windows), "ofi.windows is empty: write [bar], or add look-backs, as in [bar,1s,30s,5m].")
        lengths = [w if w == "bar" else parse_duration(w, "ofi.windows") for w in self.windows]
        require(0 not in lengths, "ofi.windows must be longer than 0.")
        require(len(set(lengths)) == len(lengths), f"ofi.windows names one twice: {', '.join(self.windows)}.")
        require(len(lengths) <= 20, "ofi.windows names more than 20 look-backs.")

    @property
    def look_backs(self) -> list[int]:
        """The windows other than the bar, in ns, ascending."""
        return sorted(parse_duration(w, "ofi.windows") for w in self.windows if w != "bar")


@dataclass(slots=True)
class DecayOfi(Ofi):
    """Flow summed over levels with weights that decay at `rate` per level."""

    rate: Annotated[float, positive()]


@dataclass(slots=True)
class RidgeOfi(Ofi):
    """Flow weighted over levels by Ridge, whose penalty is chosen from `alphas` values on a log grid."""

    log10_alpha_low: float
    log10_alpha_high: float
    alphas: Annotated[int, at_least(1)]

    def __post_init__(self) -> None:
        Ofi.__post_init__(self)
        require(
            self.log10_alpha_low <= self.log10_alpha_high, "ofi.log10_alpha_low must not exceed ofi.log10_alpha_high."
        )
