"""`python -m ofiml.run …` is the same as `ofiml run …`: run a study and log its verdict."""

import sys

from ofiml.cli.run import main

if __name__ == "__main__":
    sys.exit(main())
