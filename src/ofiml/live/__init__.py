"""Live: the study's kernels on one event at a time, and the replay of a logged run."""
