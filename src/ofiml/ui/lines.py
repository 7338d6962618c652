"""Lines of text in a terminal or a pipe."""

from rich.console import Console


def print_line(console: Console, text: str, style: str | None = None) -> None:
    """Print a line: broken between words where a terminal is narrower, and whole in a pipe."""
    console.print(text, style=style, highlight=False, markup=False, soft_wrap=not console.is_terminal)
