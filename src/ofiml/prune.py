"""`python -m ofiml.prune …` is the same as `ofiml prune …`: delete files of old runs that another place has, too."""

import sys

from ofiml.cli.prune import main

if __name__ == "__main__":
    sys.exit(main())
