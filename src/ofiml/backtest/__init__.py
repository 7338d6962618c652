"""The backtest: it sends the orders of a strategy to the recorded book, and accounts for fills, costs and profit.

`simulate` trades a session for several `scenarios` at once (`kernel`, `market`, `desk`, `trader`, `requests`,
`matching`, `queue`, `ladder`, `closing`), `trading` one session of a study. `ledger` books fills in exact integers of
the `money` of an instrument (`instruments`), and `result` sums the sessions up (`summary`).
"""
