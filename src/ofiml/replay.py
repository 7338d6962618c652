"""`python -m ofiml.replay …` is the same as `ofiml replay …`: stream market data through the model of a logged run."""

import sys

from ofiml.cli.replay import main

if __name__ == "__main__":
    sys.exit(main())
