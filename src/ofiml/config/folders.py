"""The folders of records that a config chooses from: all that the config knows of the rooms above it.

Models, readers and strategies stand above the config: their records import its schemas. The config looks a record up by
the name of its folder, as it does the records of installed packages. `FOLDERS` lists these names as data; no other
module names a module of another room at run time.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder of the project in which each module has one record.

    Parameters
    ----------
    choice
        The config group that the names belong to (`model`, `dataset`), for error messages.
    package
        The folder as a package. Module `NAME` in it has the record NAME. Modules that start with _, and those that the
        package lists in `SHARED`, have no record.
    attribute
        The name of the variable that holds the record in its module.
    record
        The name of the record's class, for error messages.
    group
        The entry-point group. An entry point NAME = "module:attribute" of an installed package refers to its record.
    packages
        Whether packages in the folder have records too, in their `__init__`.
    reserved
        Names that have no record in the folder, and that installed packages may not use.
    """

    choice: str
    package: str
    attribute: str
    record: str
    group: str
    packages: bool = False
    reserved: tuple[str, ...] = ()


SYNTHETIC = (
    *("synthetic", "synthetic_null", "synthetic_basket"),
    *("synthetic_large_tick", "synthetic_small_tick", "synthetic_trending"),
)

FOLDERS: dict[str, Folder] = {
    folder.choice: folder
    for folder in (
        Folder("model", "ofiml.models", "MODEL", "Kind", "ofiml.models"),
        Folder("dataset", "ofiml.data.readers", "READER", "Reader", "ofiml.readers", packages=True, reserved=SYNTHETIC),
        Folder("strategy", "ofiml.strategy.rules", "RULE", "Rule", "ofiml.strategies"),
    )
}
"""Each folder by its config group."""
