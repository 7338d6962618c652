"""`python -m ofiml.compare …` is the same as `ofiml compare …`: compare runs of an MLflow experiment."""

import sys

from ofiml.cli.compare import main

if __name__ == "__main__":
    sys.exit(main())
