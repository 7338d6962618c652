"""Models: one file each, found by its name through the registry, wrapped with the OFI reduction into a pipeline.

A file `NAME.py` holds the schema of `conf/model/NAME.yaml`, the model, and as `MODEL` what the config and the registry
need to know of them; the files in `SHARED` are what several models use.
"""

SHARED = frozenset({"base", "calibration", "flat", "linear", "pipeline", "registry", "trees"})
