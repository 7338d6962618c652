"""`python -m ofiml.reproduce …` is the same as `ofiml reproduce …`: repeat a logged run and compare the results."""

from ofiml.cli.main import enter

if __name__ == "__main__":
    enter("reproduce")
