"""`python -m ofiml.splits` runs the command `ofiml splits`, a program that stands above this room."""

import runpy

if __name__ == "__main__":
    runpy.run_module("ofiml.cli.splits", run_name="__main__")
