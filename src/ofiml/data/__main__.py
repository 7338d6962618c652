"""Entry point of `python -m ofiml.data`: run the command `ofiml data`."""

import importlib

if __name__ == "__main__":
    importlib.import_module("ofiml.cli.main").enter("data")
