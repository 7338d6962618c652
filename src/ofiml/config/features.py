"""The schema of the features other than flow."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

from ofiml.config.bounds import Schema, a_duration, each_once, positive
from ofiml.config.checks import require
from ofiml.units import parse_duration


@dataclass(slots=True)
class Features(Schema):
    """The `columns` of the catalogue, and flow of other symbols.

    `trade_size` and `vpin_bucket` are in units (shares, contracts, coins). The OFI of the last bar of each symbol in
    `cross` is a feature if that bar closed at least `cross_delay` and at most `cross_max_age` before. Features of bars
    are cached in the folder `store`.
    """

    GROUP: ClassVar[str] = "features"

    name: str
    columns: list[str]
    trade_size: Annotated[float, positive(at_most=1e12)]
    vpin_bucket: Annotated[float, positive(at_most=1e12)]
    cross: Annotated[list[str], each_once("a symbol")]
    cross_delay: Annotated[str, a_duration]
    cross_max_age: Annotated[str, a_duration]
    store: str | None

    def __post_init__(self) -> None:
        Schema.__post_init__(self)
        require(
            self.cross_max_age_ns >= self.cross_delay_ns,
            "features.cross_max_age must not be shorter than features.cross_delay.",
        )

    @property
    def cross_delay_ns(self) -> int:
        """The minimum age, in ns, of another symbol's flow."""
        return parse_duration(self.cross_delay, "features.cross_delay")

    @property
    def cross_max_age_ns(self) -> int:
        """The maximum age, in ns, of another symbol's flow."""
        return parse_duration(self.cross_max_age, "features.cross_max_age")
