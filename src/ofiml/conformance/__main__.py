"""`python -m ofiml.conformance` runs the command `ofiml conformance`, a program that stands above this room."""

import runpy

if __name__ == "__main__":
    runpy.run_module("ofiml.cli.conformance", run_name="__main__")
