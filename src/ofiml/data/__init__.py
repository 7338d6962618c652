"""Order-book events of every source, in one schema, one symbol and one session a table."""
