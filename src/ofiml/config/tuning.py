"""The schema of tuning inside each fold."""

import re
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar

from ofiml._typing import Pruning
from ofiml.config.bounds import Schema, at_least, between
from ofiml.config.checks import require
from ofiml.storage import is_address, strip_credentials

#: Addresses of databases that Optuna opens and whose sessions can hold a lock.
_DATABASE = re.compile(r"(sqlite:///(?!:memory:|file:|$)|postgresql(\+psycopg2?)?://|mysql(\+(pymysql|mysqldb))?://)")


@dataclass(slots=True)
class Tuning(Schema):
    """The search inside each fold.

    The trials of a `generation` learn from the same earlier trials, so that they may run in parallel. With tuning off,
    `best_params`, one mapping per fold, replace the parameters of `model`. `storage` is a folder or the address of a
    database.
    """

    GROUP: ClassVar[str] = "tuning"

    enabled: bool
    trials: Annotated[int, at_least(1, "; tuning=off switches tuning off", at_most=100_000)]
    inner_folds: Annotated[int, at_least(1)]
    pruning: Pruning
    generation: Annotated[int, between(1, 1000)]
    storage: str = field(repr=False)  # an address may hold a password
    best_params: list[Any]  # of mappings, whose values the model's own schema checks

    def __post_init__(self) -> None:
        Schema.__post_init__(self)
        require(bool(self.storage.strip()), "tuning.storage must not be empty: name a folder.")
        require(
            not is_address(self.storage) or _DATABASE.match(self.storage) is not None,
            f"tuning.storage={strip_credentials(self.storage)} is an address, but of no database that tuning can use: "
            "name a folder, or write postgresql://HOST/DATABASE, mysql://HOST/DATABASE or sqlite:///FILE.",
        )
        require(
            all(isinstance(values, dict) for values in self.best_params),
            "tuning.best_params must be a list of mappings, one per fold, as in [{parameter: value}].",
        )
        require(
            not (self.enabled and self.best_params),
            "tuning.best_params is the result of an earlier tuning: use it with tuning=off.",
        )
