"""Log studies to the MLflow store, read runs back, and reproduce them. The only package that imports MLflow."""
