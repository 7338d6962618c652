"""Lines of text in a terminal or a pipe."""

from rich.console import Console


def open_console(*, stderr: bool = False) -> Console:
    """Open the terminal or pipe for texts that are printed as they are: nothing in a name or a path is markup."""
    return Console(stderr=stderr, markup=False, emoji=False, highlight=False)


def print_line(console: Console, text: str, style: str | None = None) -> None:
    """Print a line: broken between words where a terminal is narrower, and whole in a pipe."""
    console.print(text, style=style, soft_wrap=not console.is_terminal)
