"""Order-book events of every source in one schema: one table per symbol and session."""
