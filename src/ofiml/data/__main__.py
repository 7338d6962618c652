"""`python -m ofiml.data` runs the command `ofiml data`, a program that stands above this room."""

import runpy

if __name__ == "__main__":
    runpy.run_module("ofiml.cli.data", run_name="__main__")
