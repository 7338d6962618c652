"""`python -m ofiml.experiment …` is the same as `ofiml experiment …`: repeat an experiment of the literature."""

from ofiml.cli.main import enter

if __name__ == "__main__":
    enter("experiment")
