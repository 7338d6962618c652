"""Run the command `ofiml splits` as `python -m ofiml.splits`; the command itself is in `ofiml.cli`."""

import importlib

if __name__ == "__main__":
    importlib.import_module("ofiml.cli.main").enter("splits")
