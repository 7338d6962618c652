"""Live: the study's kernels on a market one event at a time, and the replay of a logged run."""
