"""`python -m ofiml.reproduce …` is the same as `ofiml reproduce …`: repeat a logged run and compare the results."""

import sys

from ofiml.cli.reproduce import main

if __name__ == "__main__":
    sys.exit(main())
