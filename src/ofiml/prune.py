"""`python -m ofiml.prune …` is the same as `ofiml prune …`: delete local files that are also in the store."""

import sys

from ofiml.cli.prune import main

if __name__ == "__main__":
    sys.exit(main())
