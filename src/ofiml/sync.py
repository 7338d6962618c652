"""`python -m ofiml.sync …` is the same as `ofiml sync …`: log a finished study whose store failed."""

import sys

from ofiml.cli.sync import main

if __name__ == "__main__":
    sys.exit(main())
