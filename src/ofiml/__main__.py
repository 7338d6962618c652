"""`python -m ofiml COMMAND …` is the same as `ofiml COMMAND …`."""

import sys

from ofiml.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
