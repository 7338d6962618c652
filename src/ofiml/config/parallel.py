"""The schema of the workers of a run."""

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from ofiml.config.bounds import Schema
from ofiml.config.checks import require


@dataclass(slots=True)
class Parallel(Schema):
    """Where sessions, folds and controls run: in threads or processes of this machine, or on a cluster of Dask or Ray.

    `address` is that of the cluster's scheduler; with null, Dask starts one on this machine for the length of the run.
    No result depends on it.
    """

    GROUP: ClassVar[str] = "parallel"

    name: Literal["threads", "processes", "dask", "ray"]
    address: str | None = None

    def __post_init__(self) -> None:
        Schema.__post_init__(self)
        require(
            self.address is None or self.name in ("dask", "ray"),
            f"parallel.address is for parallel=dask and parallel=ray: with parallel={self.name} it is null.",
        )
        require(
            self.name != "ray" or self.address is not None,
            "parallel=ray needs the address of a cluster: start one with ray start --head, and add "
            "parallel.address=auto.",
        )
        require(self.address != "", "parallel.address is empty: give that of a scheduler, or null.")


#: What runs had before their configs had the group.
FIRST_WORKERS: dict[str, Any] = {"name": "threads", "address": None}
