"""Training: tune and fit each fold on its train rows, and predict its test bars out of sample."""
