"""One study from top to bottom, and its report."""
