"""One module an experiment: its record EXPERIMENT, and the functions that make its page."""
