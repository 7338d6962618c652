"""Every fold: tuned and fitted on its train rows, predicted out of sample."""
