"""The strategy: forecasts become decisions, one per predicted bar, from what is known at the bar's close.

A rule (`rules`, one file each) gives signals or quotes, `sizing` turns them into lots, `limits` bounds the risk. `fit`
learns a rule's numbers from the train rows of each fold, and `build` makes the `decisions` of each session.
"""
