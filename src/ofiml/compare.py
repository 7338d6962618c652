"""`python -m ofiml.compare EXPERIMENT`: the runs of an MLflow experiment beside each other, with luck taken off."""

import sys

from ofiml.cli.compare import main

if __name__ == "__main__":
    sys.exit(main())
