"""Statistics on arrays, without tables, configs or files.

`scores` has the measures of forecasts (IC, R², AUC, log loss, pinball), and `measures` lists them by name. `bootstrap`
has intervals from whole blocks of time, `hac` has t-statistics under overlapping labels, `paired` has intervals of
differences. `superiority`, `overfitting`, `sharpe` and `false_discovery` correct for many runs, trials or symbols.
`permutation` and `interactions` measure how a model uses its features. Undefined values are NaN. A measure and a named
test are functions of that name.
"""
