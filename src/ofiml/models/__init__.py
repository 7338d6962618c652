"""Models, one file each. The registry looks them up by name, and a pipeline joins them with the OFI reduction.

A file `NAME.py` has the schema of `conf/model/NAME.yaml`, the model, and `MODEL`, the record that the config and the
registry read. It imports heavy libraries only inside functions. The files in `SHARED` serve several models. Installed
packages add models by the entry point `ofiml.models` (`config.registry`).
"""

__all__ = ["SHARED"]

SHARED = frozenset({"base", "calibration", "flat", "linear", "pipeline", "registry", "standard_rows", "trees"})
