import io

import pytest
from rich.console import Console

from ofiml.ui.lines import print_line

TEXT = "Leak check passed [all of it]: " + " ".join(["unchanged"] * 30)


@pytest.mark.parametrize("terminal", [True, False])
def test_a_line_breaks_between_words_in_a_terminal_alone(terminal):
    out = io.StringIO()
    print_line(Console(file=out, force_terminal=terminal, no_color=True, width=40), TEXT)
    lines = out.getvalue().splitlines()
    assert " ".join(line.strip() for line in lines) == TEXT
    assert (max(map(len, lines)) <= 40) is terminal
    assert (len(lines) > 1) is terminal
