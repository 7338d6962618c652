"""Self-contained HTML documents: their parts, figures as inline SVG, and the document of a study."""
