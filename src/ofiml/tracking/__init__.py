"""The record of a study: its report, figures and files, and the MLflow run that holds them."""
