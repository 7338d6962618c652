"""Splits of rows into train and test, purged in time."""
