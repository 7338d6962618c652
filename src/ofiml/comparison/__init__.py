"""The runs of an experiment beside each other: which may be compared, what was tried in all, what is more than luck."""
