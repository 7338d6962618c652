"""How things look: progress, figures, numbers and tables."""
