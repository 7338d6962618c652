"""Train and test rows, purged in time."""
