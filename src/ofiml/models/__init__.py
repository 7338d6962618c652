"""Models: one file each, found by its name through the registry, wrapped with the OFI reduction into a pipeline.

A file `NAME.py` has the schema of `conf/model/NAME.yaml`, the model, and `MODEL`, the record that the config and the
registry read; it imports nothing heavy at its top. The files in `SHARED` are what several models use. Installed
packages bring models by the entry point `ofiml.models` (`config.registry`).
"""

SHARED = frozenset({"base", "calibration", "flat", "linear", "pipeline", "registry", "trees"})
