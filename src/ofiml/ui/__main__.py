"""Entry point of `python -m ofiml.ui`: run the command `ofiml ui`."""

import importlib

if __name__ == "__main__":
    importlib.import_module("ofiml.cli.main").enter("ui")
