"""Entry point of `python -m ofiml.data`: run the command `ofiml data`."""

import runpy

if __name__ == "__main__":
    runpy.run_module("ofiml.cli.data", run_name="__main__")
