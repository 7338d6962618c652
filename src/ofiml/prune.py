"""`python -m ofiml.prune …` is the same as `ofiml prune …`: delete local files that are also in the store."""

from ofiml.cli.main import enter

if __name__ == "__main__":
    enter("prune")
