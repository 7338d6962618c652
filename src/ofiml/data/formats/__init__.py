"""File formats: CSV, decimals, timestamps, DBN, Parquet, archives."""
