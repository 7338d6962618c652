"""`python -m ofiml.experiment …` is the same as `ofiml experiment …`: repeat an experiment of the literature."""

import sys

from ofiml.cli.experiment import main

if __name__ == "__main__":
    sys.exit(main())
