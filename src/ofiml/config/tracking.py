"""The schema of the tracking store."""

from dataclasses import dataclass
from typing import ClassVar

from ofiml.config.bounds import Schema
from ofiml.config.checks import require


@dataclass(slots=True)
class Tracking(Schema):
    """The MLflow experiment and store (`uri`) in which a run is logged.

    `suffix` follows the name of the experiment: smoke runs and reproductions have experiments of their own, so that
    they do not count among the trials.
    """

    GROUP: ClassVar[str] = "tracking"

    enabled: bool
    uri: str
    experiment: str
    suffix: str = ""

    @property
    def experiment_name(self) -> str:
        """The name of the MLflow experiment."""
        return f"{self.experiment}{self.suffix}"

    def __post_init__(self) -> None:
        Schema.__post_init__(self)
        require(bool(self.experiment.strip()), "tracking.experiment must not be empty.")
