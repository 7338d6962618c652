"""The study's kernels on a live market, one event at a time."""
