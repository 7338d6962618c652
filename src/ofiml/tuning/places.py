"""Where trials are kept: a folder of journals or a database, as `tuning.storage` says."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ofiml.config import Model, Tuning
from ofiml.storage import is_address
from ofiml.tuning.database import DatabaseSlots, open_database
from ofiml.tuning.journal import JournalSlots
from ofiml.tuning.slots import Slots
from ofiml.tuning.suggest import Space


def check_storage(config: Tuning, model: Model) -> None:
    """Open the database once, before any computing, if the model will be tuned. A folder is not tested.

    Raises ConfigError, in one sentence, if the database cannot be used.
    """
    if config.enabled and model.space and is_address(config.storage):
        with open_database(config.storage):
            pass


@contextmanager
def open_slots(config: Tuning, key: str, space: Space) -> Iterator[Slots]:
    """Open the places of the study named `key`, whose trials have parameters in `space`.

    Raises ConfigError if the folder cannot be made or the database cannot be used.
    """
    if not is_address(config.storage):
        yield JournalSlots(Path(config.storage) / key, config.generation, space, config.inner_folds)
        return
    with open_database(config.storage) as database:
        yield DatabaseSlots(database, key, config.generation, space, config.inner_folds)
