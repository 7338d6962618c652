"""Run the command `ofiml splits` as `python -m ofiml.splits`; the command itself is in `ofiml.cli`."""

import runpy

if __name__ == "__main__":
    runpy.run_module("ofiml.cli.splits", run_name="__main__")
