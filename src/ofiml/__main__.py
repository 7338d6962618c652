"""`python -m ofiml COMMAND …` is the same as `ofiml COMMAND …`."""

from ofiml.cli.main import enter

if __name__ == "__main__":
    enter()
