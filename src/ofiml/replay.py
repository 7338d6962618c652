"""`python -m ofiml.replay RUN_ID [dataset=… dataset.key=…]`: a logged run's model on a market that comes row by row."""

import sys

from ofiml.cli.replay import main

if __name__ == "__main__":
    sys.exit(main())
