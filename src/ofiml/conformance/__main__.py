"""Entry point of `python -m ofiml.conformance`: run the command `ofiml conformance`."""

import runpy

if __name__ == "__main__":
    runpy.run_module("ofiml.cli.conformance", run_name="__main__")
