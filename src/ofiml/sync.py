"""`python -m ofiml.sync …` is the same as `ofiml sync …`: log a finished study whose store failed."""

from ofiml.cli.main import enter

if __name__ == "__main__":
    enter("sync")
