"""The backtest: it trades the forecasts of a study and accounts for fills, costs and P&L.

`taker` crosses the spread one latency after each decision, `paths` trades every path of a combinatorial split,
`instruments` assigns its instrument to each symbol, `money` computes values and fees in exact integers, `account` adds
them up, and `summary` has the results: P&L, costs, Sharpe ratio and drawdown.
"""
