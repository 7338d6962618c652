"""One study, top to bottom, and its report."""
