"""Log studies to the MLflow store, read runs back, and reproduce them. The only room that imports MLflow."""
