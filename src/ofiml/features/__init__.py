"""Features besides flow, each defined once in the catalogue."""
