"""`python -m ofiml.replay …` is the same as `ofiml replay …`: stream market data through the model of a logged run."""

from ofiml.cli.main import enter

if __name__ == "__main__":
    enter("replay")
