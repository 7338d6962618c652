"""`python -m ofiml.compare …` is the same as `ofiml compare …`: compare runs of an MLflow experiment."""

from ofiml.cli.main import enter

if __name__ == "__main__":
    enter("compare")
