"""`python -m ofiml.run [group=choice ...] [key=value ...]`: one study, from a config to a logged verdict."""

import sys

from ofiml.cli.run import main

if __name__ == "__main__":
    sys.exit(main())
