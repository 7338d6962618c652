"""`ofiml COMMAND` and `python -m ofiml.COMMAND` are one and the same."""

import runpy
import signal
import subprocess
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor
from importlib import metadata

import pytest

from ofiml.cli import main as door
from ofiml.cli.data_pages import FORMATS as DOCUMENTED_FORMATS
from ofiml.cli.data_pages import PAGES
from ofiml.cli.main import COMMANDS, main
from ofiml.data.writers.convert import FORMATS
from tests.conftest import slow_except


def test_version_is_that_of_the_installed_package(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"ofiml {metadata.version('ofiml')}\n"


def test_help_names_every_command(capsys):
    assert main(["--help"]) == 0
    out = capsys.readouterr().out
    assert all(f"\n  {name} " in out for name in COMMANDS)
    assert main([]) == 2
    assert capsys.readouterr().err == out


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ("rum", "there is no command 'rum'. Did you mean ofiml run?"),
        ("reproduces", "there is no command 'reproduces'. Did you mean ofiml reproduce?"),
        ("xyz", f"there is no command 'xyz'. Commands: {', '.join(COMMANDS)}."),
        ("debug=tiny", "'debug=tiny' is an override, not a command: write ofiml run debug=tiny."),
    ],
)
def test_what_is_not_a_command_ends_with_code_2(typed, sentence, capsys):
    assert main([typed]) == 2
    assert capsys.readouterr().err == f"ofiml: {sentence}\n"


def test_a_command_gets_what_follows_its_name(monkeypatch):
    seen = []

    class Command:
        @staticmethod
        def main():
            seen.append(list(sys.argv))
            return 3

    monkeypatch.setattr(sys, "argv", ["ofiml"])
    monkeypatch.setattr(door.importlib, "import_module", lambda name: seen.append(name) or Command)
    assert main(["splits", "--out", "folds.png", "split=cpcv"]) == 3
    assert seen == ["ofiml.cli.splits", ["ofiml splits", "--out", "folds.png", "split=cpcv"]]


@pytest.mark.parametrize("name", slow_except(["compare", "data"], COMMANDS))
def test_both_ways_in_give_the_same_help_and_write_nothing(name, workdir, monkeypatch, capsys):
    monkeypatch.setattr(signal, "signal", lambda *given: None)  # this process goes on when a command has ended

    def shown(*line):
        monkeypatch.setattr(sys, "argv", ["-m", *line[1:], "--help"])
        with pytest.raises(SystemExit) as end:
            runpy.run_module(line[0], run_name="__main__", alter_sys=True)
        assert not end.value.code
        return capsys.readouterr().out

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a door's module may be imported already
        one, other = shown("ofiml", name), shown(f"ofiml.{name}")
    assert one == other
    assert f"ofiml {name}" in one
    assert "python -m ofiml" not in one
    assert not list(workdir.iterdir())


@pytest.mark.parametrize("name", slow_except(["data", "data check"], [*COMMANDS, *(f"data {name}" for name in PAGES)]))
def test_help_loads_no_heavy_library(name, tmp_path):
    script = (
        "import sys\n"
        f"sys.argv = ['ofiml', *{name.split()!r}, '--help']\n"
        "from ofiml.cli.main import main\n"
        "try:\n"
        "    main()\n"
        "finally:\n"
        "    print(sorted({'polars', 'numba', 'mlflow', 'matplotlib'} & set(sys.modules)), file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "[]\n")


def test_the_formats_of_the_help_are_those_of_the_writer():
    assert DOCUMENTED_FORMATS == FORMATS


@pytest.mark.slow
def test_flags_that_show_the_config_work(tmp_path):
    def shown(*line):
        command = [sys.executable, "-m", "ofiml", "run", *line]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    flags = [("--cfg", "job", "model=ridge"), ("--cfg", "job", "--package", "model", "model=ridge")]
    with ThreadPoolExecutor(2) as pool:
        config, model = pool.map(lambda flag: shown(*flag), flags)
    assert "name: ridge" in config
    assert "\nname: ridge\n" in model
    assert not list(tmp_path.iterdir())


def test_a_module_of_the_working_folder_is_found_by_the_console_script_too(tmp_path):
    (tmp_path / "mine.py").write_text("def answers(given):\n    return None\n")
    script = "import sys; sys.path[:] = [p for p in sys.path if p]; from ofiml.cli.main import main; sys.exit(main())"
    line = [sys.executable, "-c", script, "conformance", "--with", "mine:answers"]
    done = subprocess.run(line, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, "mine:answers: of 60 cases 0 pass" in done.stdout) == (1, True), done.stderr
