"""The schema of the tracking store."""

from dataclasses import dataclass
from typing import ClassVar

from ofiml.config.bounds import Schema
from ofiml.config.checks import require


@dataclass(slots=True)
class Tracking(Schema):
    """The MLflow experiment and store (`uri`) in which a run is logged."""

    GROUP: ClassVar[str] = "tracking"

    enabled: bool
    uri: str
    experiment: str

    def __post_init__(self) -> None:
        Schema.__post_init__(self)
        require(bool(self.experiment.strip()), "tracking.experiment must not be empty.")
