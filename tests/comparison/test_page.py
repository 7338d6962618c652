"""The page of a comparison: what differs between its rows, and the widths of terminals and pipes."""

from io import StringIO

import pytest
from rich.console import Console

from ofiml.comparison.groups import Entry, Group
from ofiml.comparison.page import show_page, write_header, write_rows
from ofiml.comparison.trials import Trials
from ofiml.comparison.verdicts import ComparedGroup, ComparedRun
from ofiml.tracking.read import ListedRun

SAME = {"model.name": "ridge", "ofi.name": "mlofi", "horizon.length": "10s"}


def make_group(*params):
    runs = [
        ListedRun(f"{k:08x}" * 4, "", "FINISHED", False, SAME | own, {"dataset": "synthetic"}, {})
        for k, own in enumerate(params)
    ]
    return Group("forecast", "d" * 64, {}, [Entry(run, None, None, None) for run in runs], {}, [])


@pytest.mark.parametrize(
    ("one", "other", "differing"),
    [
        ({}, {}, []),
        ({"split.name": "expanding"}, {"split.name": "cpcv"}, ["split.name"]),
        ({"split.name": "a", "split.n_folds": "5"}, {"split.name": "b"}, ["split.name"]),
        ({"model.alpha": "1"}, {"model.name": "lasso", "model.alpha": "2"}, []),
        ({"ofi.windows": "[]", "seed": "7"}, {"ofi.windows": "['1s']", "seed": "8"}, ["ofi.windows", "seed"]),
        ({"model.name": "lgbm", "_overrides": "a"}, {"_overrides": "b"}, []),
        ({"threads": "1", "tracking.uri": "a"}, {"threads": "2", "tracking.uri": "b"}, []),
        ({"report.figures": "['png']", "report.html": "True"}, {"report.figures": "[]", "report.html": "False"}, []),
    ],
)
def test_what_differs_are_the_params_that_both_have(one, other, differing):
    assert make_group(one, other).list_differing_params() == differing


def compare(*choices):
    numbers = {"ic": 0.162, "ic_low": 0.063, "ic_high": 0.262, "r2": 0.0134, "net": -1234.5, "sharpe_annual": -56.3}
    runs = [
        ComparedRun(f"{k:08x}" * 4, "", "ridge", "mlofi", "full", **numbers, rows=9, repeated=k, choices=own)
        for k, own in enumerate(choices)
    ]
    return ComparedGroup("forecast", "forecast, horizon 10s", "d" * 64, "ic", {}, runs, None, [])


CHOICES = [{"split.name": "expanding", "ofi.windows": "['1s', '10s']"}, {"split.name": "cpcv", "ofi.windows": "[]"}]


def test_each_row_says_its_choices():
    group = compare(*CHOICES)
    place = write_header(group).index("other choices")
    rows = write_rows(group)
    assert [row[place] for row in rows] == ["split expanding, windows 1s, 10s", "split cpcv, windows none"]
    assert all(len(row) == len(write_header(group)) for row in rows)
    alone = compare({})
    assert "other choices" not in write_header(alone)
    assert len(write_rows(alone)[0]) == len(write_header(alone))
    many = compare({f"ofi.key{k}": str(k) for k in range(9)})
    assert write_rows(many)[0][place].endswith("key5 5, 3 more")


def show(group, width, **options):
    console = Console(file=StringIO(), width=width, color_system=None, **options)
    show_page([group], Trials({}, 0, 0, [], []), console)
    return console.file.getvalue().splitlines()


@pytest.mark.parametrize("width", [40, 80, 200])
def test_a_terminal_is_not_exceeded(width):
    group = compare(*CHOICES)
    terminal = show(group, width, force_terminal=True)
    assert max(map(len, terminal)) <= width
    headers = [line.split() for line in terminal if line.startswith("run ")]
    assert [word for line in headers for word in line if word != "run"] == " ".join(write_header(group)[1:]).split()
    assert len(headers) == {40: 5, 80: 2, 200: 1}[width]
    assert sum(line.startswith(group.runs[1].run[:8]) for line in terminal) >= len(headers), "each table names the runs"


@pytest.mark.parametrize("width", [40, 90, 300])
def test_no_width_cuts_a_word(width):
    group = compare(*CHOICES)
    piped, terminal = show(group, width), show(group, width, force_terminal=True)
    for row in write_rows(group):
        assert any(all(cell in line for cell in row) for line in piped), "in a pipe a row is one line"
        words = " ".join(terminal).split()
        assert all(word in words for cell in row for word in cell.split())
    assert sum(line.startswith("run ") for line in piped) == 1
