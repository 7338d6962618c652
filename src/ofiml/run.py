"""`python -m ofiml.run …` is the same as `ofiml run …`: run a study and log its verdict."""

from ofiml.cli.main import enter

if __name__ == "__main__":
    enter("run")
