"""Writers of sessions: Parquet in the event schema, and the formats of vendors."""
