"""Statistics on arrays, without tables, configs or files.

`scores` has the measures of forecasts (IC, R², AUC, log loss, pinball) and `measures` lists them by name; `bootstrap`
has intervals from whole blocks of time, `hac` t-statistics under overlapping labels, `paired` intervals of differences.
`superiority`, `overfitting`, `sharpe` and `false_discovery` correct for many runs, trials or symbols; `permutation` and
`interactions` measure the use that a model makes of its features. Undefined values are NaN.
"""
