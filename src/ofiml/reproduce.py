"""`python -m ofiml.reproduce RUN_ID`: runs a logged config again and says whether the result is the same to the bit."""

import sys

from ofiml.cli.reproduce import main

if __name__ == "__main__":
    sys.exit(main())
