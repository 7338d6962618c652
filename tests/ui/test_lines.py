import pytest

from ofiml.ui.lines import open_console, print_line

TEXT = "Leak check passed [all of it] at :x: " + " ".join(["unchanged"] * 30)


@pytest.mark.parametrize("terminal", [True, False])
def test_a_line_breaks_between_words_in_a_terminal_alone(terminal, monkeypatch, capsys):
    for name, value in (("COLUMNS", "40"), ("NO_COLOR", "1"), ("TTY_COMPATIBLE", str(int(terminal)))):
        monkeypatch.setenv(name, value)
    print_line(open_console(), TEXT)
    lines = capsys.readouterr().out.splitlines()
    assert " ".join(line.strip() for line in lines) == TEXT  # as it is: [all of it] is no style, and :x: no emoji
    assert (max(map(len, lines)) <= 40) is terminal
    assert (len(lines) > 1) is terminal
