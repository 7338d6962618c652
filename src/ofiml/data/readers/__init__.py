"""One module a vendor's format; `reader` finds it by the dataset's name."""

import importlib
from typing import cast

from ofiml.data.feed import Reader

NAMES = (
    "algoseek", "binance", "databento", "databento_mbo", "itch", "lobster", "parquet", "quotes", "tardis",
)  # fmt: skip


def reader(name: str) -> Reader:
    """The reader of `dataset=name`, loaded when it is needed."""
    if name not in NAMES:
        raise KeyError(name)
    return cast(Reader, importlib.import_module(f"ofiml.data.readers.{name}"))
