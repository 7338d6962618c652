"""The presentation of progress, figures, numbers and tables."""
