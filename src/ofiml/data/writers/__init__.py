"""Sessions as files, in our format and others'."""
