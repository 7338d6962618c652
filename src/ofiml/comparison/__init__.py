"""Compare the runs of an experiment, corrected for the number of trials.

`groups` reads runs that share kind, data, bars, horizon and target; `trials` counts all trials; `verdicts` tests the
runs against each other and against chance; `page` writes the
result, and `leaderboard` does all of it.
"""
