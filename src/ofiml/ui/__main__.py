"""Entry point of `python -m ofiml.ui`: run the command `ofiml ui`."""

import runpy

if __name__ == "__main__":
    runpy.run_module("ofiml.cli.ui", run_name="__main__")
