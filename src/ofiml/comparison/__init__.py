"""Compare the runs of an experiment: comparable groups, number of trials, tests between runs, leaderboard.

`groups` reads runs that share data, bars, horizon and target; `trials` counts everything that was tried; `verdicts`
tests the runs against each other and against chance; `page` writes the result.
"""
