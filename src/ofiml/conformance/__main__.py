"""Entry point of `python -m ofiml.conformance`: run the command `ofiml conformance`."""

import importlib

if __name__ == "__main__":
    importlib.import_module("ofiml.cli.main").enter("conformance")
